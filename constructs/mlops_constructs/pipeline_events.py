"""The events that start pipelines of releases, and the builds that no pipeline runs."""

import json
from collections.abc import Mapping

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.pipeline_parts import plain
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.release_builds import STEPS, ReleaseBuilds
from mlops_constructs.release_store import ReleaseStore
from mlops_constructs.sites import site_of
from mlops_constructs.undelivered_events import UndeliveredEvents

UNHAPPY = ("FAILED", "CANCELED", "STOPPED", "SUPERSEDED")
"""The ends of an execution that no step of it has written down.

https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
"""


class PipelineEvents:
    """The rules of a construct, and the role that starts what they name.

    Parameters
    ----------
    scope
        The construct that the rules and the role stand in.
    builds
        What the steps run in.
    store
        The bucket that tells of what is written to it.
    undelivered
        Where an event goes that started nothing.
    pipelines
        ARN of the pipeline that is started, or a pattern of several.
    closes
        The step that writes down how an execution ended.
    description
        What the role is for.

    Attributes
    ----------
    role : mlops_constructs.platform_role.PlatformRole
        What EventBridge acts as: it starts pipelines and builds.

    Examples
    --------
    >>> rules = PipelineEvents(  # doctest: +SKIP
    ...     self, builds=builds, store=store, undelivered=undelivered, pipelines=arn,
    ...     closes="close", description="Starts release pipelines")
    >>> rules.close("IrisEnded", "mlops-blue-release-iris", "A release failed")  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        *,
        builds: ReleaseBuilds,
        store: ReleaseStore,
        undelivered: UndeliveredEvents,
        pipelines: str,
        closes: str,
        description: str,
    ) -> None:
        self._scope = scope
        self._builds = builds
        self._store = store
        self._undelivered = undelivered
        self._closes = closes
        self.role = self._starting_role(pipelines, description)

    def start(
        self,
        construct_id: str,
        key: str,
        pipeline: str,
        started: Mapping[str, object],
        says: str,
        *,
        enabled: bool = True,
    ) -> None:
        """Start a pipeline with the version of an object that was written.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

        Parameters
        ----------
        construct_id
            Id of the rule.
        key
            The key of the object.
        pipeline
            ARN of the pipeline.
        started
            What the pipeline is started with: ``<version>`` stands for the version.
        says
            What the rule does, in words.
        enabled
            Whether it does so now.
        """
        # EventBridge puts the quotation marks round a value by itself.
        template = json.dumps(started, separators=(",", ":")).replace('"<version>"', "<version>")
        self._rule(
            construct_id,
            says,
            self._undelivered.target(
                "Pipeline",
                pipeline,
                self.role,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    input_paths_map={"version": "$.detail.object.version-id"},
                    input_template=template,
                ),
            ),
            pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [self._store.bucket.bucket_name]},
                    "object": {"key": [key]},
                },
            },
            enabled=enabled,
        )

    def close(
        self, construct_id: str, pipeline: str, says: str, told: Mapping[str, str] | None = None
    ) -> None:
        """Write down an execution that ended before its last step.

        Parameters
        ----------
        construct_id
            Id of the rule.
        pipeline
            Name of the pipeline.
        says
            What the rule does, in words.
        told
            What the step is told, beside the execution.
        """
        template = self._overrides({"RELEASE_STEP": self._closes, **(told or {})})
        # In place of a value, without quotation marks: EventBridge adds them.
        named = '{"name":"RELEASE_EXECUTION","value":<execution>,"type":"PLAINTEXT"}'
        self._rule(
            construct_id,
            says,
            self._undelivered.target(
                "Build",
                self._project(self._closes),
                self.role,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    input_paths_map={"execution": "$.detail.execution-id"},
                    input_template=f"{template[:-2]},{named}]}}",
                ),
            ),
            pattern={
                "source": ["aws.codepipeline"],
                "detail-type": ["CodePipeline Pipeline Execution State Change"],
                "detail": {"pipeline": [pipeline], "state": list(UNHAPPY)},
            },
        )

    def regularly(self, construct_id: str, step: str, schedule: str, says: str) -> None:
        """Run a step by the clock.

        Parameters
        ----------
        construct_id
            Id of the rule.
        step
            The step.
        schedule
            When, such as ``cron(0 17 * * ? *)``.
        says
            What the rule does, in words.
        """
        target = self._undelivered.target(
            "Build", self._project(step), self.role, input=self._overrides({"RELEASE_STEP": step})
        )
        self._rule(construct_id, says, target, schedule=schedule)

    def _overrides(self, variables: Mapping[str, str]) -> str:
        """What a build is started with.

        https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
        """
        given = {"environmentVariablesOverride": plain(variables)}
        return json.dumps(given, separators=(",", ":"))

    def _starting_role(self, pipelines: str, description: str) -> PlatformRole:
        role = PlatformRole(
            self._scope,
            "StartRole",
            assumed_by=iam.ServicePrincipal(
                "events.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site_of(self._scope).account}},
            ),
            description=description,
        )
        grant(
            grantee=role,
            actions=["codepipeline:StartPipelineExecution"],
            resource_arns=[pipelines],
        )
        grant(
            grantee=role,
            actions=["codebuild:StartBuild"],
            resource_arns=[self._project(self._closes)],
        )
        return role

    def _project(self, step: str) -> str:
        return self._builds.projects[STEPS[step]].attr_arn

    def _rule(
        self,
        construct_id: str,
        description: str,
        target: events.CfnRule.TargetProperty,
        *,
        pattern: Mapping[str, object] | None = None,
        schedule: str | None = None,
        enabled: bool = True,
    ) -> None:
        events.CfnRule(
            self._scope,
            construct_id,
            description=description,
            event_pattern=pattern,
            schedule_expression=schedule,
            state=None if enabled else "DISABLED",
            targets=[target],
        )
