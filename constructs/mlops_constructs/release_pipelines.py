"""A pipeline for each endpoint that is followed, and the events that start and end it."""

from collections.abc import Sequence

from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.naming import Naming
from mlops_constructs.pipeline_events import PipelineEvents
from mlops_constructs.pipeline_parts import PipelineParts
from mlops_constructs.release_builds import DEPLOY, PREPARE, ReleaseBuilds
from mlops_constructs.release_rights import PREPARED, TAKEN
from mlops_constructs.release_store import APP, PROMOTIONS, ReleaseStore
from mlops_constructs.sites import site_of
from mlops_constructs.undelivered_events import UndeliveredEvents

DAILY = "cron(0 17 * * ? *)"


class ReleasePipelines(Construct):
    """One pipeline for each endpoint: prepare, approve, deploy, verify.

    A promotion that is written to the bucket starts the pipeline of its endpoint. Of promotions
    that wait between two stages, the newest overtakes the others.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the names of the pipelines start with.
    endpoints
        Names of the endpoints.
    builds
        What the steps run in.
    store
        The bucket of promotions, and of what steps hand on.
    key
        Encrypts what steps hand on.
    topic
        Who is told that a release waits for a person.
    undelivered
        Where an event goes that started nothing.
    approve
        Whether a person approves each release: yes.
    start
        Whether a promotion starts its pipeline: yes. Where not, something outside releases it.

    Attributes
    ----------
    pipelines : dict of str to aws_cdk.aws_codepipeline.CfnPipeline
        The pipeline of each endpoint.
    role : mlops_constructs.platform_role.PlatformRole
        What CodePipeline acts as, over its own network.

    Raises
    ------
    FaultsError
        Where no endpoint is named, or one twice.

    Examples
    --------
    >>> ReleasePipelines(  # doctest: +SKIP
    ...     stack, "Pipelines", naming=naming, endpoints=["iris"], builds=builds, store=store,
    ...     key=key, topic=topic, undelivered=undelivered)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        endpoints: Sequence[str],
        builds: ReleaseBuilds,
        store: ReleaseStore,
        key: kms.IKey,
        topic: sns.ITopic,
        undelivered: UndeliveredEvents,
        approve: bool = True,
        start: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(endpoints))
        self._naming = naming
        self._parts = PipelineParts(naming, builds, store, key, topic if approve else None)
        every = self._arn("*")
        self.role = self._parts.role(
            self,
            pipelines=every,
            projects=[PREPARE, DEPLOY],
            source=APP,
            artifacts=[f"{naming.pipeline_artifacts}{it}/" for it in (TAKEN, PREPARED)],
            description="Release pipelines",
        )
        self.pipelines = {endpoint: self._pipeline(endpoint) for endpoint in sorted(endpoints)}
        rules = PipelineEvents(
            self,
            builds=builds,
            store=store,
            undelivered=undelivered,
            pipelines=every,
            closes="close",
            description="Starts release pipelines, and builds that end them",
        )
        acknowledge(
            rules.role,
            "A policy holds 6,144 letters, and no list of a hundred pipelines: they are those of"
            " this environment, which only its rules start.",
            f"AwsSolutions-IAM5[Resource::{every}]",
        )
        for endpoint in self.pipelines:
            rules.start(
                f"{_title(endpoint)}Promoted",
                f"{PROMOTIONS}{endpoint}.json",
                self._arn(endpoint),
                {"variables": [{"name": "PROMOTION", "value": "<version>"}]},
                f"Releases {endpoint}: its promotion was written",
                enabled=start,
            )
            rules.close(
                f"{_title(endpoint)}Ended",
                naming.pipeline(endpoint),
                f"Writes down how a release of {endpoint} failed",
                {"RELEASE_ENDPOINT": endpoint},
            )
        rules.regularly("Drift", "drift", DAILY, "Compares what serves with what is recorded")

    def _pipeline(self, endpoint: str) -> codepipeline.CfnPipeline:
        parts = self._parts
        told = {"RELEASE_ENDPOINT": endpoint, "RELEASE_PROMOTION": "#{variables.PROMOTION}"}
        return parts.pipeline(
            self,
            _title(endpoint),
            name=self._naming.pipeline(endpoint),
            role=self.role,
            variable="PROMOTION",
            describes="Version of the object that says what is promoted",
            stages=[
                # A new app releases nothing: it is what the next promotion is released with.
                parts.source(TAKEN, APP, TAKEN),
                parts.step("Prepare", "prepare", told, TAKEN, PREPARED),
                *parts.approval(),
                parts.step("Deploy", "deploy", told, PREPARED),
                parts.step("Verify", "verify", told, PREPARED),
            ],
        )

    def _arn(self, endpoint: str) -> str:
        return site_of(self).arn("codepipeline", self._naming.pipeline(endpoint))


def _title(endpoint: str) -> str:
    return endpoint.title().replace("-", "")


def _faults(endpoints: Sequence[str]) -> list[Fault]:
    faults = [
        Fault("endpoints", f"'{name}' twice", "each once", "Remove one.")
        for name in sorted({name for name in endpoints if endpoints.count(name) > 1})
    ]
    if not endpoints:
        faults.append(Fault("endpoints", "nothing", "an endpoint or more", "Follow one."))
    return faults
