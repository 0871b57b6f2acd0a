"""What endpoints stand on, by the names that it is exported with.

So an endpoint is made by itself, without the stacks that it stands on, and is the very same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aws_cdk import App, CfnResource, Stack
from aws_cdk import Environment as Target
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.image_repository import ImageRepository
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.sites import site_of
from stacks.config import Environment
from stacks.endpoint_calls import ENDPOINT_CALLS
from stacks.network_parts import existing_vpc, log_retention
from stacks.platform_stack import DATA, NETWORK


@dataclass(frozen=True)
class Foundation:
    """What of the stacks Network and Data an endpoint stands on.

    Parameters
    ----------
    network
        Where models run.
    log_settings
        How their logs are kept.
    key
        Encrypts data at rest.
    artifacts
        Where models are.
    repositories
        The repository of each image.
    alarms
        What makes the alarms.
    """

    network: ClosedNetwork
    log_settings: LogSettings
    key: kms.IKey
    artifacts: Artifacts
    repositories: Mapping[str, ecr.IRepository]
    alarms: Alarms

    @classmethod
    def imported(cls, app: App, environment: Environment, endpoints: Iterable[str]) -> "Foundation":
        """It, as an environment's stacks export it, whether they are in the app or not.

        Parameters
        ----------
        app
            The app of the endpoints.
        environment
            The environment.
        endpoints
            Names of the endpoints.
        """
        elsewhere = App(auto_synth=False, context=app.node.get_all_context())
        network = _Exporter(elsewhere, NETWORK, environment)
        data = _Exporter(elsewhere, DATA, environment)
        key = data.key("DataKey")
        bucket = data.reference("Artifacts", "Bucket", "Resource")
        topic = sns.Topic.from_topic_arn(
            data, "Topic", data.reference("Alarms", "Topic", "Resource")
        )
        return cls(
            network.closed(environment),
            LogSettings(network.key("LogKey"), log_retention(environment)),
            key,
            Artifacts(bucket, key, environment.naming, site_of(data)),
            {image: data.repository(image) for image in environment.images_of(endpoints)},
            Alarms(topic, environment.naming.prefix),
        )


class _Exporter(Stack):
    """A stack as others import from it, in an app that is never synthesized.

    What is asked for is named by the constructs that it stands in: these say what its logical id
    is, and that is what the CDK calls its export by.
    """

    def __init__(self, app: App, construct_id: str, environment: Environment) -> None:
        super().__init__(
            app,
            construct_id,
            stack_name=environment.naming.stack(construct_id),
            env=Target(account=environment.account, region=environment.region),
        )

    def reference(self, *ids: str) -> str:
        """What a resource is referred to by, imported."""
        return str(self.export_value(self._resource(*ids).ref))

    def key(self, construct_id: str) -> kms.IKey:
        """An `EncryptionKey` of the stack."""
        key = self._resource(construct_id, "Key", "Resource")
        return kms.Key.from_key_arn(self, f"{construct_id}Arn", self._arn(key))

    def repository(self, image: str) -> ecr.IRepository:
        """An `ImageRepository` of the stack."""
        repository = self._resource(ImageRepository.id_of(image), "Repository", "Resource")
        return ecr.Repository.from_repository_attributes(
            self,
            image,
            repository_arn=self._arn(repository),
            repository_name=str(self.export_value(repository.ref)),
        )

    def closed(self, environment: Environment) -> ClosedNetwork:
        """The network of the stack."""
        settings = environment.network
        if settings.existing:
            vpc = existing_vpc(self, settings.existing)
            subnets = list(settings.existing.subnets.values())
        else:
            vpc = ec2.Vpc.from_vpc_attributes(
                self,
                "It",
                vpc_id=self.reference("Vpc", "Vpc", "Resource"),
                availability_zones=settings.zones,
            )
            subnets = [
                self.reference("Vpc", "Vpc", f"IsolatedSubnet{number}", "Subnet")
                for number in range(1, len(settings.zones) + 1)
            ]
        services = {call.service for call in ENDPOINT_CALLS}
        return ClosedNetwork(vpc, subnets, services, settings.s3_prefix_list)

    def _arn(self, resource: CfnResource) -> str:
        return str(self.export_value(resource.get_att("Arn").to_string()))

    def _resource(self, *ids: str) -> CfnResource:
        scope: Construct = self
        for construct_id in ids[:-1]:
            child = scope.node.try_find_child(construct_id)
            scope = child if isinstance(child, Construct) else Construct(scope, construct_id)
        return CfnResource(scope, ids[-1], type="AWS::CloudFormation::WaitConditionHandle")
