"""What pipelines of releases are made of, and what CodePipeline acts as in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.encryption_key import grant_through
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.release_builds import STEPS, ReleaseBuilds
from mlops_constructs.release_store import ReleaseStore
from mlops_constructs.sites import site_of

Action = codepipeline.CfnPipeline.ActionDeclarationProperty
Stage = codepipeline.CfnPipeline.StageDeclarationProperty


@dataclass(frozen=True)
class PipelineParts:
    """The parts of pipelines that take an object of the bucket, and run steps on it.

    Parameters
    ----------
    naming
        What the names of build projects start with.
    builds
        What the steps run in.
    store
        The bucket of what starts a pipeline, and of what its steps hand on.
    key
        Encrypts what steps hand on.
    topic
        Who is told that something waits for a person; nobody where nobody approves.

    Examples
    --------
    >>> parts = PipelineParts(naming, builds, store, key, topic)  # doctest: +SKIP
    >>> parts.step("prepare", {"RELEASE_ENDPOINT": "iris"}, "App", "Prepared")  # doctest: +SKIP
    """

    naming: Naming
    builds: ReleaseBuilds
    store: ReleaseStore
    key: kms.IKey
    topic: sns.ITopic | None

    def pipeline(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        role: PlatformRole,
        variable: str,
        describes: str,
        stages: Sequence[Stage],
    ) -> codepipeline.CfnPipeline:
        """A pipeline in which the newest execution overtakes those that wait.

        A pipeline is started when it is made, but not by a change of it. Its variable has no
        default, so that no step is run without the value that an event gives.
        https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-about-starting.html

        Parameters
        ----------
        scope, construct_id
            Where the pipeline stands in the tree.
        name
            Its name.
        role
            What CodePipeline acts as.
        variable, describes
            What every execution is given, and what that says.
        stages
            Its stages.
        """
        of = codepipeline.CfnPipeline
        pipeline = of(
            scope,
            construct_id,
            name=name,
            pipeline_type="V2",
            execution_mode="SUPERSEDED",
            role_arn=role.role_arn,
            restart_execution_on_update=False,
            artifact_store=of.ArtifactStoreProperty(
                type="S3",
                location=self.store.bucket.bucket_name,
                encryption_key=of.EncryptionKeyProperty(id=self.key.key_arn, type="KMS"),
            ),
            variables=[of.VariableDeclarationProperty(name=variable, description=describes)],
            stages=list(stages),
        )
        pipeline.node.add_dependency(role)
        return pipeline

    def source(self, name: str, key: str, made: str, namespace: str = "") -> Stage:
        """A stage that takes an object, which starts nothing by itself.

        Parameters
        ----------
        name
            Name of its action.
        key
            The key of the object.
        made
            The artifact that it becomes.
        namespace
            What its version is told under, as ``#{Source.VersionId}``; it is not where empty.
            https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html
        """
        action = Action(
            name=name,
            namespace=namespace or None,
            action_type_id=_kind("Source", "S3"),
            configuration={
                "S3Bucket": self.store.bucket.bucket_name,
                "S3ObjectKey": key,
                "PollForSourceChanges": "false",
            },
            output_artifacts=[_output(made)],
        )
        return Stage(name="Source", actions=[action])

    def step(
        self, title: str, step: str, told: Mapping[str, str], given: str, made: str = ""
    ) -> Stage:
        """A stage that runs a step in its project, on what the stage before it made.

        Parameters
        ----------
        title
            Name of the stage, and what its action's variables are told under.
        step
            The step.
        told
            What it is told besides.
        given
            The artifact that it runs on.
        made
            The artifact that becomes of that; none where empty.
        """
        variables = {
            "RELEASE_STEP": step,
            **told,
            "RELEASE_EXECUTION": "#{codepipeline.PipelineExecutionId}",
        }
        action = Action(
            name=title,
            namespace=title,
            action_type_id=_kind("Build", "CodeBuild"),
            configuration={
                "ProjectName": self.naming.build(STEPS[step]),
                "EnvironmentVariables": json.dumps(plain(variables), separators=(",", ":")),
            },
            input_artifacts=[codepipeline.CfnPipeline.InputArtifactProperty(name=given)],
            output_artifacts=[_output(made)] if made else [],
        )
        return Stage(name=title, actions=[action])

    def approval(self) -> list[Stage]:
        """The stage in which a person approves what `Prepare` said; none where nobody does."""
        if self.topic is None:
            return []
        action = Action(
            name="Approve",
            action_type_id=_kind("Approval", "Manual"),
            configuration={
                "CustomData": "#{Prepare.HEADLINE}",
                "NotificationArn": self.topic.topic_arn,
            },
        )
        return [Stage(name="Approve", actions=[action])]

    def role(
        self,
        scope: Construct,
        *,
        pipelines: str,
        projects: Sequence[str],
        source: str,
        artifacts: Sequence[str],
        description: str,
    ) -> PlatformRole:
        """What CodePipeline acts as: it hands on artifacts, and starts builds.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html

        Parameters
        ----------
        scope
            Where the role stands in the tree.
        pipelines
            ARN of the pipeline that takes it, or a pattern of several.
        projects
            The projects that their steps run in.
        source
            The key of the object that they take.
        artifacts
            What the keys of their artifacts start with.
        description
            What the role is for.
        """
        role = PlatformRole(
            scope,
            "PipelineRole",
            # https://docs.aws.amazon.com/codepipeline/latest/userguide/security-iam.html
            assumed_by=iam.ServicePrincipal(
                "codepipeline.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": site_of(scope).account},
                    "ArnLike": {"aws:SourceArn": pipelines},
                },
            ),
            description=description,
            path=self.naming.pipelines_path,
        )
        self.store.grant_pipeline(role, source, *artifacts)
        grant(
            grantee=role,
            actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"],
            resource_arns=[self.builds.projects[name].attr_arn for name in projects],
        )
        if self.topic:
            grant(grantee=role, actions=["sns:Publish"], resource_arns=[self.topic.topic_arn])
            grant_through(self.key, role, "sns", "kms:Decrypt", "kms:GenerateDataKey")
        return role


def plain(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Variables of a build, as CodeBuild and CodePipeline take them.

    Examples
    --------
    >>> plain({"RELEASE_STEP": "drift"})
    [{'name': 'RELEASE_STEP', 'value': 'drift', 'type': 'PLAINTEXT'}]
    """
    return [
        {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
    ]


def _kind(category: str, provider: str) -> codepipeline.CfnPipeline.ActionTypeIdProperty:
    return codepipeline.CfnPipeline.ActionTypeIdProperty(
        category=category, owner="AWS", provider=provider, version="1"
    )


def _output(name: str) -> codepipeline.CfnPipeline.OutputArtifactProperty:
    return codepipeline.CfnPipeline.OutputArtifactProperty(name=name)
