"""The Release stack: what follows the aliases of models."""

from pathlib import Path

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs.platform_pipeline import PlatformPipeline
from mlops_constructs.promotion_receiver import PromotionReceiver
from mlops_constructs.release_builds import ReleaseBuilds
from mlops_constructs.release_pipelines import ReleasePipelines
from mlops_constructs.release_rights import ReleaseTools
from mlops_constructs.release_store import ReleaseStore
from mlops_constructs.undelivered_events import UndeliveredEvents
from stacks.api import ApiStack
from stacks.config import Environment
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.release_config import ReleaseSettings
from stacks.tracking import TrackingStack

PROMOTER_SOURCE = Path(__file__).parent.parent / "lambda" / "promoter"


class ReleaseStack(PlatformStack):
    """The receiver of what MLflow tells, and a pipeline for each endpoint that is followed.

    One more pipeline changes the platform itself, and this stack last.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    settings
        What is followed, and how.
    network
        Where the receiver and the builds run.
    data
        Where promotions and records are kept, and the image of the builds.
    store
        The bucket of promotions and records.
    tracking
        MLflow, which is asked, and told how releases ended.
    api
        What releases are tried through.
    digest
        Digest of the builds' image.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        settings: ReleaseSettings,
        network: NetworkStack,
        data: DataStack,
        store: ReleaseStore,
        tracking: TrackingStack,
        api: ApiStack,
        digest: str,
    ) -> None:
        super().__init__(
            scope, construct_id, environment=environment, holds="Releases that follow aliases"
        )
        # Its stage logs once the account's setting is made, which the Api stack does.
        self.add_stack_dependency(api)
        login = tracking.access.users[settings.login]
        undelivered = UndeliveredEvents(
            self,
            "Undelivered",
            alarms=data.alarms,
            says="An event started nothing: a release or a change of the platform was not begun, or"
            " not written down. The queue's messages say which; 'make release-again' asks for the"
            " release again, 'make platform' for the change.",
        )
        receiver = PromotionReceiver(
            self,
            "Receiver",
            naming=environment.naming,
            network=network.network,
            source=PROMOTER_SOURCE,
            store=store,
            key=data.key,
            login=login,
            tracking=tracking.server.load_balancer,
            tracking_uri=tracking.server.uri,
            followed=environment.followed,
            minutes=settings.reconcile,
            undelivered=undelivered,
            log_settings=network.log_settings,
            alarms=data.alarms,
            removal_policy=self.removal_policy,
        )
        network.perimeter.close_secret(receiver.secret)
        builds = ReleaseBuilds(
            self,
            "Builds",
            naming=environment.naming,
            network=network.network,
            repository=data.images[settings.image].repository,
            digest=digest,
            store=store,
            key=data.key,
            tools=ReleaseTools(
                artifacts=data.artifacts,
                login=login,
                login_name=settings.login,
                tracking=tracking.server.load_balancer,
                tracking_uri=tracking.server.uri,
                api_key=api.api.key,
                invocation_url=api.api.invocation_url,
                topic=data.alarms.topic,
            ),
            log_settings=network.log_settings,
            alarms=data.alarms,
        )
        pipelines = ReleasePipelines(
            self,
            "Pipelines",
            naming=environment.naming,
            endpoints=settings.follow,
            builds=builds,
            store=store,
            key=data.key,
            topic=data.alarms.topic,
            undelivered=undelivered,
            approve=settings.approve,
            start=settings.run_by == "aws",
        )
        platform = PlatformPipeline(
            self,
            "Platform",
            naming=environment.naming,
            builds=builds,
            store=store,
            key=data.key,
            topic=data.alarms.topic,
            undelivered=undelivered,
            approve=settings.approve_platform,
        )
        CfnOutput(self, "PlatformPipelineName", value=platform.pipeline.ref)
        CfnOutput(self, "PromotionsUrl", value=receiver.url)
        CfnOutput(self, "WebhookSecretArn", value=receiver.secret.secret_arn)
        CfnOutput(self, "ReleaseBucket", value=store.bucket.bucket_name)
        for endpoint, pipeline in pipelines.pipelines.items():
            title = endpoint.title().replace("-", "")
            CfnOutput(self, f"{title}Pipeline", value=pipeline.ref)
