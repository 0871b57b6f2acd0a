"""A SageMaker endpoint that serves released models."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.alarm_limits import LIMITS, Limits
from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.async_inference import AsyncChannel, AsyncScaling
from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.content_name import content_name
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.deployment import GUARDED, Deployment
from mlops_constructs.deployment_guards import deployment_config
from mlops_constructs.endpoint_alarms import EndpointAlarms
from mlops_constructs.endpoint_rights import (
    execution_role,
    grant_invoke,
    grant_log,
    grant_on_any,
)
from mlops_constructs.endpoint_scaling import EndpointScaling
from mlops_constructs.endpoint_variants import Variant, variant_faults
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.model_container import grant_what_is_read
from mlops_constructs.naming import Naming
from mlops_constructs.sagemaker_model import SageMakerModel, place_models
from mlops_constructs.scaling_plan import Scaling
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.serving_exclusions import MAIN, Kind, Shape, exclusion_faults
from mlops_constructs.volume_key import acknowledge_local_storage, grant_volumes, volume_key

# An update keeps the instances that there are; weights are those of the configuration.
RETAINED: Mapping[str, Any] = {
    "retain_all_variant_properties": True,
    "exclude_retained_variant_properties": [
        sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")
    ],
}


class ModelEndpoint(Construct):
    """A SageMaker endpoint, read straight from where MLflow keeps its models.

    The containers have no network at all: SageMaker fetches the images and the models for them.
    Models and endpoint configuration are named by the content of what they hold, so that the same
    input gives the same names, and every change makes new ones beside the old.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the endpoint's name starts with.
    name
        Name of the endpoint in the configuration.
    network
        Where the models run.
    artifacts
        The store that holds the models.
    variants
        What serves. Mostly one.
    key
        Encrypts the volumes of the instances, but those that the hardware encrypts.
    log_settings
        How logs are kept.
    alarms
        How alarms are made.
    limits
        What they are about.
    deployment
        How it is updated.
    rollback_alarms
        Names of other alarms that roll an update back.
    scaling
        How many instances each variant that answers has; always the same where there is none.
    asynchronous
        How much is done at once, where requests and answers go through S3.
    capture
        What is kept of requests and answers; nothing where there is none.

    Attributes
    ----------
    endpoint_name : str
        Name of the endpoint, to invoke it by.
    alarms : list of aws_cdk.aws_cloudwatch.Alarm
        What is watched of it.
    topics : dict of str to aws_cdk.aws_sns.Topic
        Where an asynchronous endpoint tells of successes and failures.
    role : aws_cdk.aws_iam.IRole
        The execution role.
    endpoint : aws_cdk.aws_sagemaker.CfnEndpoint
        The endpoint itself.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> endpoint = ModelEndpoint(  # doctest: +SKIP
    ...     stack, "Endpoint", naming=naming, name="iris", network=network, artifacts=artifacts,
    ...     variants=[Variant([container])], key=key, log_settings=settings, alarms=alarms)
    >>> endpoint.grant_invoke(function)  # doctest: +SKIP
    """

    # SageMaker pulls images and writes logs over a network of its own; models come through ours.
    CALLS = (ServiceCall(S3, "model", "is fetched by SageMaker", Artifacts.READ),)

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        name: str,
        network: ClosedNetwork,
        artifacts: Artifacts,
        variants: Sequence[Variant],
        key: kms.IKey,
        log_settings: LogSettings,
        alarms: Alarms,
        limits: Limits = LIMITS,
        deployment: Deployment = GUARDED,
        rollback_alarms: Sequence[str] = (),
        scaling: Scaling | None = None,
        asynchronous: AsyncPlan | None = None,
        capture: DataCapture | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(
            self.node.path, self._faults(variants, deployment, scaling, asynchronous, capture)
        )
        network.require(self, self.CALLS)
        self.endpoint_name = naming.endpoint(name)
        log_group = log_settings.group(
            self, "Log", name=f"/aws/sagemaker/Endpoints/{self.endpoint_name}"
        )
        serverless = any(variant.serverless for variant in variants)
        self.role = execution_role(
            self,
            "Role",
            f"Runs the model of {self.endpoint_name}",
            naming,
            naming.serverless_path if serverless else "",
        )
        grant_log(log_group, self.role)
        containers = [container for variant in variants for container in variant.containers]
        grant_what_is_read(self, self.role, containers, artifacts)
        group = None if serverless else place_models(self, network, self.role)
        models = {
            variant.name: SageMakerModel(
                self,
                _construct_id(variant, "Model"),
                start=self.endpoint_name,
                variant="" if variant.name == MAIN else variant.name,
                containers=variant.containers,
                invocation=variant.invocation,
                instance_type=variant.instance_type,
                role=self.role,
                artifacts=artifacts,
                subnets=network.subnet_ids,
                group=group,
            )
            for variant in variants
        }
        definitions = [
            (variant.shadow, variant.definition(models[variant.name].attr_model_name))
            for variant in variants
        ]
        shadows = [definition for shadow, definition in definitions if shadow]
        config_properties: dict[str, Any] = {
            "kms_key_id": volume_key(key, [variant.instance_type for variant in variants]),
            "production_variants": [it for shadow, it in definitions if not shadow],
            **({"shadow_production_variants": shadows} if shadows else {}),
        }
        channel = None
        if asynchronous:
            channel = AsyncChannel(
                self,
                "Channel",
                name=name,
                plan=asynchronous,
                artifacts=artifacts,
                key=key,
                role=self.role,
            )
            config_properties["async_inference_config"] = channel.config
        if capture:
            network.require(self, capture.CALLS)
            capture.grant(self.role, self.endpoint_name)
            config_properties["data_capture_config"] = capture.property()
        if config_properties["kms_key_id"]:
            grant_volumes(key, self.role)
        contents = [model.content for model in models.values()]
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            endpoint_config_name=content_name(
                self, self.endpoint_name, {**config_properties, "models": contents}
            ),
            **config_properties,
        )
        acknowledge_local_storage(config)
        watching = EndpointAlarms(
            self,
            "Alarms",
            alarms=alarms,
            endpoint_name=self.endpoint_name,
            variants=variants,
            limits=limits,
            others=rollback_alarms,
            kind=_kind(variants, asynchronous),
        )
        self.alarms = watching.all
        self.topics = channel.topics if channel else {}
        endpoint = self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=config.attr_endpoint_config_name,
            deployment_config=deployment_config(
                deployment, deployment.chosen(_instances(variants)), watching.rollback
            ),
            **(RETAINED if scaling else {}),
        )
        endpoint.node.add_dependency(log_group)
        if asynchronous:
            queue = AsyncScaling(
                self,
                "Scaling",
                endpoint=endpoint,
                endpoint_name=self.endpoint_name,
                variant=variants[0].name,
                plan=asynchronous,
                alarms=alarms,
            )
            self.alarms += queue.all
        for variant in variants:
            if scaling and not variant.shadow:
                EndpointScaling(
                    self,
                    _construct_id(variant, "Scaling"),
                    endpoint=endpoint,
                    endpoint_name=self.endpoint_name,
                    variant=variant.name,
                    plan=scaling,
                )

    def _faults(
        self,
        variants: Sequence[Variant],
        deployment: Deployment,
        scaling: Scaling | None,
        asynchronous: AsyncPlan | None,
        capture: DataCapture | None,
    ) -> Iterator[Fault]:
        yield from variant_faults("variants", variants)
        yield from deployment.faults("deployment", _instances(variants))
        shape = _shape(variants, deployment, scaling, asynchronous)
        yield from exclusion_faults("", replace(shape, captured=capture is not None))
        if capture:
            yield from capture.plan.faults()
        if asynchronous:
            yield from asynchronous.faults("asynchronous", _instances(variants))
        for variant in variants:
            if scaling and not variant.shadow:
                yield from scaling.faults("scaling", variant.instance_count)
        for variant in variants:
            for number, container in enumerate(variant.containers):
                path = f"variants.{variant.name}.containers.{number}"
                yield from container.image_faults(path, self, variant.instance_type)

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` invoke the endpoint."""
        return grant_invoke(grantee, self, self.endpoint_name)

    @staticmethod
    def grant_invoke_any(grantee: iam.IRole, naming: Naming) -> iam.Grant:
        """Let `grantee` invoke every endpoint of the environment, those to come too.

        Parameters
        ----------
        grantee
            Who invokes: something that serves all endpoints and is not deployed with each.
        naming
            What the names of the endpoints start with.
        """
        return grant_on_any(grantee, naming, "endpoint", "sagemaker:InvokeEndpoint")


def _construct_id(variant: Variant, ending: str) -> str:
    """The id of something of a variant: the first, and mostly the only one, needs no name."""
    words = "" if variant.name == MAIN else variant.name.title().replace("-", "")
    return f"{words}{ending}"


def _instances(variants: Sequence[Variant]) -> int | None:
    """Instances of the smallest variant: a step of a deployment is a part of them."""
    return min((it.instance_count for it in variants if not it.serverless), default=None)


def _kind(variants: Sequence[Variant], asynchronous: AsyncPlan | None) -> Kind:
    if any(variant.serverless for variant in variants):
        return "serverless"
    return "async" if asynchronous else "realtime"


def _shape(
    variants: Sequence[Variant],
    deployment: Deployment,
    scaling: Scaling | None,
    asynchronous: AsyncPlan | None,
) -> Shape:
    files = [it.files for variant in variants for it in variant.containers if it.files]
    return Shape(
        kind=_kind(variants, asynchronous),
        strategy=deployment.chosen(_instances(variants)),
        variants=sum(not it.shadow for it in variants),
        shadows=sum(it.shadow for it in variants),
        instance_types=[it.instance_type for it in variants if not it.serverless],
        containers=max((len(it.containers) for it in variants), default=0),
        unpacked=any(not it.packed for it in files),
        scaled=scaling is not None,
    )
