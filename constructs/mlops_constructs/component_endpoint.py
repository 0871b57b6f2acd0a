"""A SageMaker endpoint of several models on one fleet, each with its part of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.alarm_limits import LIMITS, Limits
from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.component_plan import Fleet, Share
from mlops_constructs.container_settings import container_faults
from mlops_constructs.content_name import content_name
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.deployment import GUARDED, STEPS, Deployment, alarm_faults
from mlops_constructs.endpoint_alarms import OF_FLEETS, OF_MODELS, of_variant
from mlops_constructs.endpoint_rights import (
    execution_role,
    grant_invoke,
    grant_log,
    grant_on_any,
    sagemaker_arn,
)
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.model_container import ModelContainer, grant_what_is_read
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import grant
from mlops_constructs.sagemaker_model import SageMakerModel, place_models
from mlops_constructs.scaling_from_none import ScalingFromNone
from mlops_constructs.serving_exclusions import MAIN, Shape, exclusion_faults
from mlops_constructs.target_tracking import track
from mlops_constructs.volume_key import acknowledge_local_storage, grant_volumes, volume_key

COPIES = "sagemaker:inference-component:DesiredCopyCount"
INVOCATIONS_PER_COPY = "SageMakerInferenceComponentInvocationsPerCopy"
NO_CAPACITY = "NoCapacityInvocationFailures"
"""Requests for a model that has no copy."""

_component = sagemaker.CfnInferenceComponent


@dataclass(frozen=True)
class Component:
    """A model on a shared fleet.

    Parameters
    ----------
    container
        Its container.
    share
        What a copy of it gets, and how many copies there are.
    """

    container: ModelContainer
    share: Share


class ComponentEndpoint(Construct):
    """An endpoint whose models are inference components: callers name the one they ask.

    Each is updated by itself, copy after copy, and rolled back by alarms of its own. The fleet
    grows and shrinks with the copies, down to none.

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
        The store that holds them.
    fleet
        The instances that they share.
    components
        The models, by name.
    key
        Encrypts the volumes of the instances.
    log_settings
        How logs are kept.
    alarms
        How alarms are made.
    limits
        What they are about.
    deployment
        How a model is updated: in which steps, and how long each is watched.
    rollback_alarms
        Names of other alarms that roll an update back.
    capture
        What is kept of requests and answers; nothing where there is none.

    Attributes
    ----------
    endpoint_name : str
        Name of the endpoint, to invoke it by.
    component_names : dict of str to str
        The name of each component, to invoke it by.
    role : aws_cdk.aws_iam.IRole
        The execution role.
    alarms : list of aws_cdk.aws_cloudwatch.Alarm
        What is watched.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> ComponentEndpoint(  # doctest: +SKIP
    ...     stack, "Endpoint", naming=naming, name="small", network=network, artifacts=artifacts,
    ...     fleet=Fleet(least=0), components={"iris": Component(container, Share())}, key=key,
    ...     log_settings=settings, alarms=alarms)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        name: str,
        network: ClosedNetwork,
        artifacts: Artifacts,
        fleet: Fleet,
        components: Mapping[str, Component],
        key: kms.IKey,
        log_settings: LogSettings,
        alarms: Alarms,
        limits: Limits = LIMITS,
        deployment: Deployment = GUARDED,
        rollback_alarms: Sequence[str] = (),
        capture: DataCapture | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(
            self.node.path,
            self._faults(fleet, components, deployment, len(rollback_alarms), capture),
        )
        self.endpoint_name = naming.endpoint(name)
        self._makes, self._limits = alarms, limits
        self._deployment, self._rollback = deployment, list(rollback_alarms)
        self.alarms: list[cloudwatch.Alarm] = []
        log_group = log_settings.group(
            self, "Log", name=f"/aws/sagemaker/Endpoints/{self.endpoint_name}"
        )
        self.role = execution_role(self, "Role", f"Runs models of {self.endpoint_name}", naming)
        grant_log(log_group, self.role)
        containers = [component.container for component in components.values()]
        grant_what_is_read(self, self.role, containers, artifacts)
        group = place_models(self, network, self.role)
        subnets = network.subnet_ids
        if capture:
            network.require(self, capture.CALLS)
            capture.grant(self.role, self.endpoint_name)
        config = self._config(fleet, key, subnets, group.security_group_id, capture)
        if config.kms_key_id:
            grant_volumes(key, self.role)
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=config.attr_endpoint_config_name,
        )
        endpoint.node.add_dependency(log_group)
        self.alarms += [
            watched.alarm(
                self,
                watched.construct_id,
                alarms,
                limits,
                of_variant(self.endpoint_name, MAIN),
                self.endpoint_name,
            )
            for watched in OF_FLEETS
        ]
        self.component_names = {}
        for each, component in components.items():
            place = Construct(self, each.title().replace("-", ""))
            model = SageMakerModel(
                place,
                "Model",
                start=self.endpoint_name,
                variant=each,
                containers=[component.container],
                instance_type=fleet.instance_type,
                role=self.role,
                artifacts=artifacts,
                subnets=subnets,
                group=group,
            )
            component_name = self.component_names[each] = naming.component(name, each)
            log = log_settings.group(
                place, "Log", name=f"/aws/sagemaker/InferenceComponents/{component_name}"
            )
            grant_log(log, self.role)
            made = self._serve(place, each, component.share, model.attr_model_name)
            made.node.add_dependency(endpoint, log)

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` invoke the models of the endpoint: IAM asks for it and for each of them."""
        components = [
            sagemaker_arn(self, "inference-component", name)
            for name in self.component_names.values()
        ]
        invoke = grant(
            grantee=grantee, actions=["sagemaker:InvokeEndpoint"], resource_arns=components
        )
        return grant_invoke(grantee, self, self.endpoint_name).combine(invoke)

    @staticmethod
    def grant_invoke_any(grantee: iam.IRole, naming: Naming) -> iam.Grant:
        """Let `grantee` invoke the models of every endpoint of the environment, those to come too.

        IAM asks for the endpoint besides: `ModelEndpoint.grant_invoke_any`.

        Parameters
        ----------
        grantee
            Who invokes: something that serves all endpoints and is not deployed with each.
        naming
            What the names of the endpoints start with.
        """
        return grant_on_any(grantee, naming, "inference-component", "sagemaker:InvokeEndpoint")

    def _config(
        self,
        fleet: Fleet,
        key: kms.IKey,
        subnets: list[str],
        group: str,
        capture: DataCapture | None,
    ) -> sagemaker.CfnEndpointConfig:
        of = sagemaker.CfnEndpointConfig
        properties: dict[str, Any] = {
            "kms_key_id": volume_key(key, [fleet.instance_type]),
            "execution_role_arn": self.role.role_arn,
            "enable_network_isolation": True,
            "vpc_config": of.VpcConfigProperty(subnets=subnets, security_group_ids=[group]),
            "production_variants": [
                of.ProductionVariantProperty(
                    variant_name=MAIN,
                    instance_type=fleet.instance_type,
                    initial_instance_count=max(1, fleet.least),
                    managed_instance_scaling=of.ManagedInstanceScalingProperty(
                        status="ENABLED",
                        min_instance_count=fleet.least,
                        max_instance_count=fleet.most,
                    ),
                    routing_config=of.RoutingConfigProperty(
                        routing_strategy="LEAST_OUTSTANDING_REQUESTS"
                    ),
                )
            ],
            "data_capture_config": capture.property() if capture else None,
        }
        config = of(
            self,
            "Config",
            endpoint_config_name=content_name(self, self.endpoint_name, properties),
            **properties,
        )
        acknowledge_local_storage(config)
        return config

    def _serve(
        self, place: Construct, each: str, share: Share, model_name: str
    ) -> sagemaker.CfnInferenceComponent:
        name = self.component_names[each]
        watching = [
            watched.alarm(
                place,
                watched.construct_id,
                self._makes,
                self._limits,
                {"InferenceComponentName": name},
                name,
            )
            for watched in OF_MODELS
        ]
        self.alarms += watching
        rollback = [*self._rollback, *(alarm.alarm_name for alarm in watching)]
        size = _component.InferenceComponentCapacitySizeProperty(
            type="CAPACITY_PERCENT", value=self._deployment.step
        )
        made = _component(
            place,
            "Component",
            inference_component_name=name,
            endpoint_name=self.endpoint_name,
            variant_name=MAIN,
            specification=_component.InferenceComponentSpecificationProperty(
                model_name=model_name,
                compute_resource_requirements=_component.InferenceComponentComputeResourceRequirementsProperty(
                    min_memory_required_in_mb=share.memory_mib,
                    number_of_cpu_cores_required=share.cpus or None,
                    number_of_accelerator_devices_required=share.accelerators or None,
                ),
            ),
            runtime_config=_component.InferenceComponentRuntimeConfigProperty(
                copy_count=max(1, share.least)
            ),
            deployment_config=_component.InferenceComponentDeploymentConfigProperty(
                rolling_update_policy=_component.InferenceComponentRollingUpdatePolicyProperty(
                    maximum_batch_size=size,
                    wait_interval_in_seconds=self._deployment.bake,
                    maximum_execution_timeout_in_seconds=self._deployment.longest("rolling"),
                ),
                auto_rollback_configuration=_component.AutoRollbackConfigurationProperty(
                    alarms=[_component.AlarmProperty(alarm_name=alarm) for alarm in rollback]
                ),
            ),
        )
        if share.scaled:
            self._scale(place, name, share).node.add_dependency(made)
        return made

    def _scale(self, place: Construct, name: str, share: Share) -> scaling.CfnScalableTarget:
        target = scaling.CfnScalableTarget(
            place,
            "Copies",
            service_namespace="sagemaker",
            scalable_dimension=COPIES,
            resource_id=f"inference-component/{name}",
            min_capacity=share.least,
            max_capacity=share.most,
        )
        track(
            place,
            "Invocations",
            target=target,
            metric=INVOCATIONS_PER_COPY,
            value=share.invocations,
        )
        if not share.least:
            ScalingFromNone(
                place,
                "First",
                target=target,
                metric=NO_CAPACITY,
                dimensions={"InferenceComponentName": name},
                says=f"{name}: a request came, and there is no copy.",
            )
        return target

    def _faults(
        self,
        fleet: Fleet,
        components: Mapping[str, Component],
        deployment: Deployment,
        others: int,
        capture: DataCapture | None,
    ) -> Iterator[Fault]:
        yield from fleet.faults("fleet")
        if capture:
            yield from capture.plan.faults()
        yield from exclusion_faults(
            "", Shape(kind="components", strategy=deployment.strategy or "rolling")
        )
        if deployment.step not in STEPS["rolling"]:
            yield Fault("deployment.step", f"{deployment.step} %", "5 % to 50 %", "Choose one.")
        yield from alarm_faults("rollback_alarms", len(OF_MODELS), others)
        if not components:
            yield Fault("components", "none", "one at least", "Name a model.")
        for each, component in components.items():
            path = f"components.{each}"
            yield from component.share.faults(path)
            yield from container_faults(path, {path: component.container}, "serial")
            yield from component.container.image_faults(path, self, fleet.instance_type)
