"""A pipeline for each endpoint that is followed, and the events that start and end it."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.release_builds import DEPLOY, PREPARE, ReleaseBuilds
from mlops_constructs.release_store import APP, PROMOTIONS, ReleaseStore
from mlops_constructs.sites import site_of
from mlops_constructs.undelivered_events import UndeliveredEvents

STEPS: Mapping[str, str] = {
    "prepare": PREPARE,
    "deploy": DEPLOY,
    "verify": DEPLOY,
    "close": DEPLOY,
    "drift": DEPLOY,
}
"""The project that each step runs in: all but the first may have to put a version back."""

UNHAPPY = ("FAILED", "CANCELED", "STOPPED", "SUPERSEDED")
"""The ends of an execution that no step of it has written down.

https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
"""

DAILY = "cron(0 17 * * ? *)"
SOURCE_ARTIFACT, PREPARED = "App", "Prepared"


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
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(endpoints))
        self._naming = naming
        self._builds = builds
        self._store = store
        self._key = key
        self._topic = topic if approve else None
        self._undelivered = undelivered
        self.role = self._pipeline_role()
        self.pipelines = {endpoint: self._pipeline(endpoint) for endpoint in sorted(endpoints)}
        self._starter = self._starting_role()
        for endpoint in self.pipelines:
            self._start(endpoint)
            self._close(endpoint)
        self._rule(
            "Drift",
            "Compares what serves with what is recorded",
            self._step_target("drift", {}),
            schedule=DAILY,
        )

    def _pipeline(self, endpoint: str) -> codepipeline.CfnPipeline:
        of = codepipeline.CfnPipeline
        title = _title(endpoint)
        pipeline = of(
            self,
            title,
            name=self._naming.pipeline(endpoint),
            pipeline_type="V2",
            execution_mode="SUPERSEDED",
            role_arn=self.role.role_arn,
            restart_execution_on_update=False,
            artifact_store=of.ArtifactStoreProperty(
                type="S3",
                location=self._store.bucket.bucket_name,
                encryption_key=of.EncryptionKeyProperty(id=self._key.key_arn, type="KMS"),
            ),
            variables=[
                of.VariableDeclarationProperty(
                    name="PROMOTION",
                    description="Version of the object that says what is promoted",
                )
            ],
            stages=[
                self._stage("Source", self._source()),
                self._stage("Prepare", self._step("prepare", endpoint, SOURCE_ARTIFACT, PREPARED)),
                *([self._stage("Approve", self._approval(self._topic))] if self._topic else []),
                self._stage("Deploy", self._step("deploy", endpoint, PREPARED)),
                self._stage("Verify", self._step("verify", endpoint, PREPARED)),
            ],
        )
        pipeline.node.add_dependency(self.role)
        return pipeline

    def _stage(
        self, name: str, action: codepipeline.CfnPipeline.ActionDeclarationProperty
    ) -> codepipeline.CfnPipeline.StageDeclarationProperty:
        return codepipeline.CfnPipeline.StageDeclarationProperty(name=name, actions=[action])

    def _source(self) -> codepipeline.CfnPipeline.ActionDeclarationProperty:
        of = codepipeline.CfnPipeline
        return of.ActionDeclarationProperty(
            name=SOURCE_ARTIFACT,
            action_type_id=_action("Source", "S3"),
            configuration={
                "S3Bucket": self._store.bucket.bucket_name,
                "S3ObjectKey": APP,
                # A new app releases nothing: it is what the next promotion is released with.
                "PollForSourceChanges": "false",
            },
            output_artifacts=[of.OutputArtifactProperty(name=SOURCE_ARTIFACT)],
        )

    def _step(
        self, step: str, endpoint: str, given: str, made: str = ""
    ) -> codepipeline.CfnPipeline.ActionDeclarationProperty:
        of = codepipeline.CfnPipeline
        variables = {
            "RELEASE_STEP": step,
            "RELEASE_ENDPOINT": endpoint,
            "RELEASE_PROMOTION": "#{variables.PROMOTION}",
            "RELEASE_EXECUTION": "#{codepipeline.PipelineExecutionId}",
        }
        return of.ActionDeclarationProperty(
            name=step.title(),
            namespace=step.title(),
            action_type_id=_action("Build", "CodeBuild"),
            configuration={
                "ProjectName": self._naming.build(STEPS[step]),
                "EnvironmentVariables": json.dumps(_variables(variables), separators=(",", ":")),
            },
            input_artifacts=[of.InputArtifactProperty(name=given)],
            output_artifacts=[of.OutputArtifactProperty(name=made)] if made else [],
        )

    def _approval(self, topic: sns.ITopic) -> codepipeline.CfnPipeline.ActionDeclarationProperty:
        return codepipeline.CfnPipeline.ActionDeclarationProperty(
            name="Approve",
            action_type_id=_action("Approval", "Manual"),
            configuration={
                "CustomData": "#{Prepare.HEADLINE}",
                "NotificationArn": topic.topic_arn,
            },
        )

    def _start(self, endpoint: str) -> None:
        """Start the pipeline of `endpoint` with the version of the promotion that was written.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
        """
        self._rule(
            f"{_title(endpoint)}Promoted",
            f"Releases {endpoint}: its promotion was written",
            self._undelivered.target(
                "Pipeline",
                self._pipeline_arn(endpoint),
                self._starter,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    input_paths_map={"version": "$.detail.object.version-id"},
                    input_template='{"variables":[{"name":"PROMOTION","value":<version>}]}',
                ),
            ),
            pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [self._store.bucket.bucket_name]},
                    "object": {"key": [f"{PROMOTIONS}{endpoint}.json"]},
                },
            },
        )

    def _close(self, endpoint: str) -> None:
        """Write down an execution of `endpoint` that ended before its last step."""
        pipeline = self._naming.pipeline(endpoint)
        self._rule(
            f"{_title(endpoint)}Ended",
            f"Writes down how a release of {endpoint} failed",
            self._step_target(
                "close", {"RELEASE_ENDPOINT": endpoint}, execution="$.detail.execution-id"
            ),
            pattern={
                "source": ["aws.codepipeline"],
                "detail-type": ["CodePipeline Pipeline Execution State Change"],
                "detail": {"pipeline": [pipeline], "state": list(UNHAPPY)},
            },
        )

    def _step_target(
        self, step: str, variables: Mapping[str, str], execution: str = ""
    ) -> events.CfnRule.TargetProperty:
        """A build of one step that no pipeline runs.

        https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
        """
        given = _variables({"RELEASE_STEP": step, **variables})
        overrides = json.dumps(given, separators=(",", ":"))
        if not execution:
            told = {"input": f'{{"environmentVariablesOverride":{overrides}}}'}
            return self._undelivered.target("Build", self._project_arn(step), self._starter, **told)
        # In place of a value, without quotation marks: EventBridge adds them.
        named = '{"name":"RELEASE_EXECUTION","value":<execution>,"type":"PLAINTEXT"}'
        template = f'{{"environmentVariablesOverride":[{overrides[1:-1]},{named}]}}'
        return self._undelivered.target(
            "Build",
            self._project_arn(step),
            self._starter,
            input_transformer=events.CfnRule.InputTransformerProperty(
                input_paths_map={"execution": execution}, input_template=template
            ),
        )

    def _rule(
        self,
        construct_id: str,
        description: str,
        target: events.CfnRule.TargetProperty,
        *,
        pattern: Mapping[str, object] | None = None,
        schedule: str | None = None,
    ) -> None:
        events.CfnRule(
            self,
            construct_id,
            description=description,
            event_pattern=pattern,
            schedule_expression=schedule,
            targets=[target],
        )

    def _pipeline_role(self) -> PlatformRole:
        """What CodePipeline acts as: it hands on artifacts, and starts builds.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html
        """
        role = PlatformRole(
            self,
            "PipelineRole",
            # https://docs.aws.amazon.com/codepipeline/latest/userguide/security-iam.html
            assumed_by=iam.ServicePrincipal(
                "codepipeline.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": site_of(self).account},
                    "ArnLike": {"aws:SourceArn": self._pipeline_arn("*")},
                },
            ),
            description="Release pipelines",
            path=self._naming.pipelines_path,
        )
        self._store.grant_pipeline(role)
        grant(
            grantee=role,
            actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"],
            resource_arns=[project.attr_arn for project in self._builds.projects.values()],
        )
        if self._topic:
            grant(grantee=role, actions=["sns:Publish"], resource_arns=[self._topic.topic_arn])
            grant_through(self._key, role, "sns", "kms:Decrypt", "kms:GenerateDataKey")
        return role

    def _starting_role(self) -> PlatformRole:
        """What EventBridge acts as: it starts pipelines and builds."""
        role = PlatformRole(
            self,
            "StartRole",
            assumed_by=iam.ServicePrincipal(
                "events.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site_of(self).account}},
            ),
            description="Starts release pipelines, and builds that end them",
        )
        every = self._pipeline_arn("*")
        grant(
            grantee=role,
            actions=["codepipeline:StartPipelineExecution"],
            resource_arns=[every],
        )
        acknowledge(
            role,
            "A policy holds 6,144 letters, and no list of a hundred pipelines: they are those of"
            " this environment, which only its rules start.",
            f"AwsSolutions-IAM5[Resource::{every}]",
        )
        grant(
            grantee=role,
            actions=["codebuild:StartBuild"],
            resource_arns=[self._project_arn("close")],
        )
        return role

    def _pipeline_arn(self, endpoint: str) -> str:
        return site_of(self).arn("codepipeline", self._naming.pipeline(endpoint))

    def _project_arn(self, step: str) -> str:
        return self._builds.projects[STEPS[step]].attr_arn


def _action(category: str, provider: str) -> codepipeline.CfnPipeline.ActionTypeIdProperty:
    return codepipeline.CfnPipeline.ActionTypeIdProperty(
        category=category, owner="AWS", provider=provider, version="1"
    )


def _variables(named: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in named.items()]


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
