"""The pipeline that changes the platform itself, and the events that start and end it."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.naming import Naming
from mlops_constructs.pipeline_events import PipelineEvents
from mlops_constructs.pipeline_parts import PipelineParts
from mlops_constructs.release_builds import DEPLOY, INSPECT, ReleaseBuilds
from mlops_constructs.release_rights import PROPOSAL
from mlops_constructs.release_store import PROPOSED, ReleaseStore
from mlops_constructs.sites import site_of
from mlops_constructs.undelivered_events import UndeliveredEvents

SOURCE = "Source"
"""The action that takes what is proposed, and what its version is told under."""


class PlatformPipeline(Construct):
    """The pipeline of the platform's own changes: prepare, approve, deploy.

    A checkout that is written to the bucket as what is proposed starts it, with the very version
    that was written. Of those that wait between two stages, the newest overtakes the others.

    The stack that it stands in is deployed by its last step. An update of a pipeline lets what
    runs come to its end, and then has its execution fail, so that this step is the last one, and
    nothing is started anew:
    https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-edit.html

    Both steps run in the files that were proposed, which CodePipeline alone writes. What the first
    one hands on to the last stands where any first step may write, and is taken by the digest that
    the first one exports: variables are an execution's own.
    https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the name of the pipeline starts with.
    builds
        What the steps run in.
    store
        The bucket of what is proposed, and of its files.
    key
        Encrypts them.
    topic
        Who is told that a change waits for a person.
    undelivered
        Where an event goes that started nothing.
    approve
        Whether a person approves each change: yes.

    Attributes
    ----------
    pipeline : aws_cdk.aws_codepipeline.CfnPipeline
        The pipeline.
    role : mlops_constructs.platform_role.PlatformRole
        What CodePipeline acts as, over its own network.

    Examples
    --------
    >>> PlatformPipeline(  # doctest: +SKIP
    ...     stack, "Platform", naming=naming, builds=builds, store=store, key=key, topic=topic,
    ...     undelivered=undelivered)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        builds: ReleaseBuilds,
        store: ReleaseStore,
        key: kms.IKey,
        topic: sns.ITopic,
        undelivered: UndeliveredEvents,
        approve: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        name = naming.platform_pipeline
        arn = site_of(self).arn("codepipeline", name)
        parts = PipelineParts(naming, builds, store, key, topic if approve else None)
        self.role = parts.role(
            self,
            pipelines=arn,
            projects=[INSPECT, DEPLOY],
            source=PROPOSED,
            artifacts=[f"{naming.platform_artifacts}{PROPOSAL}/"],
            description="The pipeline of the platform's own changes",
        )
        told = {"RELEASE_PROPOSAL": f"#{{{SOURCE}.VersionId}}"}
        handed_on = {"RELEASE_DIGEST": "#{Prepare.DIGEST}"}
        self.pipeline = parts.pipeline(
            self,
            "Pipeline",
            name=name,
            role=self.role,
            variable="PROPOSAL",
            describes="Version of the object that holds what is proposed",
            stages=[
                parts.source(SOURCE, PROPOSED, PROPOSAL, namespace=SOURCE),
                parts.step("Prepare", "platform-prepare", told, PROPOSAL),
                *parts.approval(),
                parts.step("Deploy", "platform-deploy", {**told, **handed_on}, PROPOSAL),
            ],
        )
        rules = PipelineEvents(
            self,
            builds=builds,
            store=store,
            undelivered=undelivered,
            pipelines=arn,
            closes="platform-close",
            description="Starts the pipeline of the platform, and builds that end it",
        )
        rules.start(
            "Proposed",
            PROPOSED,
            arn,
            {
                "variables": [{"name": "PROPOSAL", "value": "<version>"}],
                # https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-trigger-source-overrides.html
                "sourceRevisions": [
                    {
                        "actionName": SOURCE,
                        "revisionType": "S3_OBJECT_VERSION_ID",
                        "revisionValue": "<version>",
                    }
                ],
            },
            "Changes the platform: a checkout was proposed",
        )
        rules.close("Ended", name, "Writes down how a change of the platform failed")
