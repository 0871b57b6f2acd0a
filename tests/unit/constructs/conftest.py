"""A stack to put a construct into, and the neighbours that it is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from mlops_constructs.alarms import Alarms
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.batch_transform import BatchTransform
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.inference_api import InferenceApi
from mlops_constructs.isolated_vpc import IsolatedVpc
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.metadata_database import MetadataDatabase
from mlops_constructs.model_container import ModelContainer, ModelFiles, OwnImage
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.model_invoker import ModelInvoker
from mlops_constructs.monitoring_schedule import MonitoringSchedule
from mlops_constructs.naming import Naming
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.promotion_receiver import PromotionReceiver
from mlops_constructs.release_builds import ReleaseBuilds
from mlops_constructs.release_rights import ReleaseTools
from mlops_constructs.release_store import ReleaseStore
from mlops_constructs.secret_rotation import SecretRotation
from mlops_constructs.tracking_access import TrackingAccess
from mlops_constructs.tracking_server import TrackingServer
from mlops_constructs.undelivered_events import UndeliveredEvents

ACCOUNT, REGION = "123456789012", "eu-west-1"
DIGEST = f"sha256:{'a' * 64}"
MODEL_DIGEST = f"sha256:{'b' * 64}"


class Bench:
    """A stack for the construct under test, and neighbours in a stack of their own."""

    def __init__(self, flags: dict[str, object], output: Path) -> None:
        app = App(context=flags, outdir=str(output))
        target = Environment(account=ACCOUNT, region=REGION)
        self.stack = ZonedStack(app, "Tested", env=target)
        self.neighbours = ZonedStack(app, "Neighbours", env=target)
        self.naming = Naming("mlops", "blue")
        self.key = kms.Key(self.neighbours, "Key")
        self.log_settings = LogSettings(self.key, logs.RetentionDays.ONE_MONTH)
        self._network: PrivateNetwork | None = None
        self._artifacts: ArtifactStore | None = None
        self._images: ecr.IRepository | None = None
        self._releases: ReleaseStore | None = None
        self._alarms: Alarms | None = None

    @property
    def network(self) -> PrivateNetwork:
        if self._network is None:
            self._network = PrivateNetwork(
                self.neighbours,
                "Network",
                vpc=self.vpc(self.neighbours),
                calls=[
                    *BatchTransform.CALLS,
                    *DataCapture.CALLS,
                    *InferenceApi.CALLS,
                    *ModelEndpoint.CALLS,
                    *ModelInvoker.CALLS,
                    *MonitoringSchedule.CALLS,
                    *PromotionReceiver.CALLS,
                    *ReleaseBuilds.CALLS,
                    *SecretRotation.CALLS,
                    *TrackingServer.CALLS,
                ],
                naming=self.naming,
                principals=Principals(ACCOUNT),
                s3_prefix_list="pl-6da54004",
            )
        return self._network

    def vpc(self, stack: Stack) -> ec2.Vpc:
        return IsolatedVpc(
            stack,
            "Vpc",
            cidr="10.1.0.0/16",
            zones=["eu-west-1a", "eu-west-1b"],
            log_settings=self.log_settings,
        ).vpc

    def repository(self) -> ecr.IRepository:
        return ecr.Repository(self.neighbours, "Repository")

    def artifacts(self) -> ArtifactStore:
        if self._artifacts is None:
            self._artifacts = ArtifactStore(
                self.neighbours, "Artifacts", naming=self.naming, key=self.key
            )
        return self._artifacts

    def container(self, **changes: Any) -> ModelContainer:
        """A container of a model, in an image of ours."""
        if self._images is None:
            self._images = self.repository()
        arguments: dict[str, Any] = {
            "image": OwnImage(self._images, DIGEST),
            "files": ModelFiles("mlflow/1/models/m-1/artifacts/", MODEL_DIGEST),
        }
        return ModelContainer(**{**arguments, **changes})

    def database(self) -> MetadataDatabase:
        return MetadataDatabase(
            self.neighbours,
            "Database",
            vpc=self.network.vpc,
            security_group=self.network.security_group(self.neighbours, "Group", "Database"),
            naming=self.naming,
            key=self.key,
            instance_type=ec2.InstanceType("t4g.medium"),
            log_settings=self.log_settings,
        )

    def alarms(self) -> Alarms:
        if self._alarms is None:
            self._alarms = Alarms(sns.Topic(self.neighbours, "Topic"), "mlops-blue")
        return self._alarms

    def access(self, **changes: Any) -> TrackingAccess:
        return TrackingAccess(self.stack, "Access", naming=self.naming, key=self.key, **changes)

    def server(self) -> TrackingServer:
        return TrackingServer(
            self.stack,
            "Mlflow",
            network=self.network,
            repository=self.repository(),
            digest=DIGEST,
            database=self.database(),
            artifacts=self.artifacts(),
            access=self.access(),
            log_settings=self.log_settings,
        )

    def releases(self) -> ReleaseStore:
        if self._releases is None:
            self._releases = ReleaseStore(
                self.neighbours,
                "Releases",
                naming=self.naming,
                key=self.key,
                logs=self.artifacts().access_logs,
            )
        return self._releases

    def undelivered(self) -> UndeliveredEvents:
        return UndeliveredEvents(
            self.stack, "Undelivered", alarms=self.alarms(), says="Nothing was started."
        )

    def tools(self) -> ReleaseTools:
        """What builds work with, each the least that it can be."""
        function = lambda_.Function(
            self.neighbours,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context): ..."),
        )
        api = InferenceApi(
            self.neighbours,
            "Api",
            naming=self.naming,
            invoker=function,
            vpc_endpoint=self.network.endpoints["execute-api"],
            log_settings=self.log_settings,
        )
        return ReleaseTools(
            artifacts=self.artifacts(),
            login=self.login(),
            login_name="release",
            tracking=self.tracking(),
            tracking_uri="http://mlflow.test:5000",
            api_key=api.key,
            invocation_url=api.invocation_url,
            topic=self.alarms().topic,
        )

    def login(self) -> secretsmanager.ISecret:
        return secretsmanager.Secret(self.neighbours, "Login", encryption_key=self.key)

    def tracking(self) -> ec2.ISecurityGroup:
        return self.network.security_group(self.neighbours, "Tracking", "MLflow")

    def builds(self) -> ReleaseBuilds:
        return ReleaseBuilds(
            self.stack,
            "Builds",
            naming=self.naming,
            network=self.network,
            repository=self.repository(),
            digest=DIGEST,
            store=self.releases(),
            key=self.key,
            tools=self.tools(),
            log_settings=self.log_settings,
            alarms=self.alarms(),
        )

    def role(self, construct_id: str = "Role") -> iam.Role:
        return iam.Role(
            self.stack, construct_id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        )

    def template(self) -> Template:
        return Template.from_stack(self.stack)


class ZonedStack(Stack):
    """A stack that knows its zones, so that nothing is looked up."""

    @property
    def availability_zones(self) -> list[str]:
        return ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def listed(value: object) -> set[str]:
    """What a statement names, as one or as several."""
    return {str(each) for each in (value if isinstance(value, list) else [value])}


@pytest.fixture
def bench(feature_flags: dict[str, object], tmp_path: Path) -> Bench:
    return Bench(feature_flags, tmp_path / "cdk.out")


@pytest.fixture
def statements() -> Callable[[Template], list[dict[str, object]]]:
    """Every statement of the identity policies of a template."""

    def collect(template: Template) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            for policy in template.find_resources(kind).values():
                found += policy["Properties"]["PolicyDocument"]["Statement"]
        return found

    return collect
