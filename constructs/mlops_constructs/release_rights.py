"""What the builds of releases may do: a set of rights for each project."""

from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.endpoint_policies import bootstrap_resources
from mlops_constructs.naming import MODELS_PREFIX, Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.release_store import (
    APP,
    ATTEMPTS,
    DRIFT,
    PLATFORM,
    PROMOTIONS,
    RECORDS,
    SOURCE,
    ReleaseStore,
)
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.sites import Site

TAKEN, PREPARED = "App", "Prepared"
"""What a pipeline of an endpoint takes, and what its first step hands on."""
PROPOSAL = "Proposed"
"""What the pipeline of the platform takes. Its first step hands on by another way.

CodePipeline names a folder of its bucket by the first ten letters of each, so that rights tell them
apart where the names of the pipelines are cut to the same letters:
https://docs.aws.amazon.com/codepipeline/latest/userguide/welcome-introducing-artifacts.html
"""

_STACKS = (
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
)
_ENDPOINTS = (
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
)
_EXECUTIONS = (
    "codepipeline:GetPipelineExecution",
    "codepipeline:GetPipelineState",
    "codepipeline:ListActionExecutions",
)
_APPROVE = "codepipeline:PutApprovalResult"
_STOP = "codepipeline:StopPipelineExecution"
# What the cdk CLI asks of the bucket and the parameter of its bootstrap, once it has their role.
# https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
_PUBLISHING = (
    "s3:GetBucketLocation",
    "s3:GetEncryptionConfiguration",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
)
_DEPLOYING = (
    *_STACKS,
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackResources",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplateSummary",
    "cloudformation:ListStackResources",
    "cloudformation:RollbackStack",
    "cloudformation:UpdateTerminationProtection",
)

CALLS = (
    ServiceCall("apigateway", "release builds", "read the API's key", ("apigateway:GET",)),
    ServiceCall("cloudformation", "release builds", "compare, deploy and explain", _DEPLOYING),
    ServiceCall(
        "codepipeline",
        "release builds",
        "reject or stop what is overtaken",
        (*_EXECUTIONS, _APPROVE, _STOP),
    ),
    ServiceCall("ecr.api", "release builds", "look for images", ("ecr:DescribeImages",)),
    ServiceCall("execute-api", "release builds", "try a release", ("execute-api:Invoke",)),
    ServiceCall(
        "logs",
        "release builds",
        "write their logs",
        ("logs:CreateLogStream", "logs:PutLogEvents"),
    ),
    ServiceCall("sagemaker.api", "release builds", "see what serves", _ENDPOINTS),
    ServiceCall(
        "secretsmanager",
        "release builds",
        "read MLflow's login",
        ("secretsmanager:GetSecretValue",),
    ),
    ServiceCall("sns", "release builds", "tell how a release ended", ("sns:Publish",)),
    ServiceCall(
        S3,
        "release builds",
        "read the app and models, write records",
        (
            *ArtifactStore.READ,
            *ReleaseStore.READ,
            *ReleaseStore.WRITE,
            *ReleaseStore.LIST,
            *ReleaseStore.LOCATE,
        ),
    ),
    ServiceCall(S3, "cdk of releases", "publishes templates", _PUBLISHING, bootstrap=True),
    ServiceCall(
        "ssm",
        "cdk of releases",
        "reads the version of its bootstrap",
        ("ssm:GetParameter",),
        bootstrap=True,
    ),
    ServiceCall("sts", "cdk of releases", "takes its roles", ("sts:AssumeRole",), bootstrap=True),
    ServiceCall("sts", "release builds", "learn whose they are", ("sts:GetCallerIdentity",)),
)
"""What any of them calls of AWS."""


@dataclass(frozen=True)
class ReleaseTools:
    """What builds work with, beside the bucket of releases.

    Parameters
    ----------
    artifacts
        Where the files of models are read.
    login
        Name and password of the user of MLflow, as JSON.
    login_name
        That user's name.
    tracking
        MLflow's load balancer.
    tracking_uri
        Its address.
    api_key
        The key of the API that a release is tried through.
    invocation_url
        The API's address.
    topic
        Who is told how a release ended.
    """

    artifacts: ArtifactStore
    login: secretsmanager.ISecret
    login_name: str
    tracking: ec2.IConnectable
    tracking_uri: str
    api_key: apigateway.IApiKey
    invocation_url: str
    topic: sns.ITopic


@dataclass(frozen=True)
class ReleaseRights:
    """What each role of a build is granted.

    Parameters
    ----------
    site
        Where the builds are deployed.
    naming
        What the names of all that they work with start with.
    store
        The bucket of releases.
    key
        Encrypts it.
    tools
        What builds work with besides.

    Examples
    --------
    >>> rights = ReleaseRights(site, naming, store, key, tools)  # doctest: +SKIP
    >>> rights.grant_build(role)  # doctest: +SKIP
    """

    site: Site
    naming: Naming
    store: ReleaseStore
    key: kms.IKey
    tools: ReleaseTools

    def grant_build(self, role: PlatformRole) -> None:
        """Take the app, see what is recorded, and tell: what every build does."""
        self.store.grant_build(role)
        self.store.grant_read(role, SOURCE, RECORDS)
        grant(
            grantee=role,
            actions=["sns:Publish"],
            resource_arns=[self.tools.topic.topic_arn],
        )
        grant_through(self.key, role, "sns", "kms:Decrypt", "kms:GenerateDataKey")

    def grant_release(self, role: PlatformRole) -> None:
        """Look at endpoints and models, and write how far a release has come."""
        self.tools.artifacts.grant_read(role, f"{MODELS_PREFIX}/")
        self.store.grant_read(role, PROMOTIONS)
        self.store.grant_read_write(role, ATTEMPTS)
        grant(
            grantee=role,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[self.tools.login.secret_arn],
        )
        grant_through(self.key, role, "secretsmanager", "kms:Decrypt")
        self._allow(
            role,
            "An endpoint's names end in its name or in the hash of what it serves.",
            _ENDPOINTS,
            *(
                self.site.arn("sagemaker", f"{kind}/{self.naming.endpoint('*')}")
                for kind in ("endpoint", "endpoint-config", "model")
            ),
        )
        self._allow(
            role,
            "The environment has a pipeline for each endpoint that is followed.",
            (*_EXECUTIONS, _APPROVE),
            self.site.arn("codepipeline", self.naming.pipeline("*")),
        )

    def grant_prepare(self, role: PlatformRole) -> None:
        """See what is deployed of an endpoint, and whether its images are there."""
        self._look_for_images(role)
        folder = self.naming.pipeline_artifacts
        self.store.grant_read(role, f"{folder}{TAKEN}/")
        self.store.grant_artifacts(role, f"{folder}{PREPARED}/")
        self._allow(
            role,
            "Every endpoint has a stack of its own, which CloudFormation numbers.",
            _STACKS,
            self._stacks("Endpoint-*"),
        )
        self._allow(
            role,
            "An endpoint is proved with the stacks it stands on, which CloudFormation numbers.",
            ["cloudformation:GetTemplate"],
            self._stacks("Network"),
            self._stacks("Data"),
        )

    def grant_inspect(self, role: PlatformRole) -> None:
        """Compare what is proposed with what there is, and stop what waits for its approval.

        Whoever may answer an approval may also give it, so that a proposal could approve the one
        before it. To stop an execution lets nothing through:
        https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-stop.html
        It may write over what another proposal handed on, which is refused then by its digest; the
        code of the other one it may only read.
        """
        self._look_for_images(role)
        self.store.grant_read(role, self._proposals())
        self.store.grant_read_write(role, PLATFORM)
        grant(
            grantee=role,
            actions=[*_EXECUTIONS, _STOP],
            resource_arns=[self._platform_pipeline()],
        )
        self._allow(
            role,
            "A change of the platform is compared with every stack of the environment, which"
            " CloudFormation numbers.",
            ["cloudformation:DescribeStacks", "cloudformation:GetTemplate"],
            self._stacks("*"),
        )

    def grant_deploy(self, role: PlatformRole) -> None:
        """Take the roles of `cdk bootstrap`, ask as users do, write down what serves.

        CloudFormation and its own role do the rest of a deployment. The key's value is asked for
        as the key's users do: https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKey.html
        """
        key = self.site.arn("apigateway", f"/apikeys/{self.tools.api_key.key_id}", account="")
        grant(
            grantee=role,
            actions=["sts:AssumeRole"],
            resource_arns=bootstrap_resources(self.site)["sts"],
        )
        self._allow(
            role,
            "A policy holds 6,144 letters, and no list of a hundred endpoints; one API of the"
            " account answers for all of them, at this path, and AWS numbers it.",
            ["execute-api:Invoke"],
            self.site.arn("execute-api", "*/v1/POST/endpoints/*/invocations"),
            self.site.arn("execute-api", "*/v1/GET/endpoints/*/invocations/*"),
        )
        grant(
            grantee=role,
            actions=["apigateway:GET"],
            resource_arns=[key],
        )
        self.store.grant_read(role, f"{self.naming.pipeline_artifacts}{PREPARED}/")
        self.store.grant_read_write(role, RECORDS, DRIFT)
        self._grant_platform(role)

    def _grant_platform(self, role: PlatformRole) -> None:
        """Run what was proposed, and ask again for releases that have to follow."""
        self.store.grant_read(role, self._proposals())
        self.store.grant_replace(role, APP)
        self.store.grant_read_write(role, PLATFORM, PROMOTIONS)
        grant(grantee=role, actions=_EXECUTIONS, resource_arns=[self._platform_pipeline()])
        self._allow(
            role,
            "A change of the platform deploys every stack of the environment, which CloudFormation"
            " numbers.",
            _STACKS,
            self._stacks("*"),
        )

    def _look_for_images(self, role: PlatformRole) -> None:
        self._allow(
            role,
            "An endpoint may be served by any image of the environment.",
            ["ecr:DescribeImages"],
            self.site.arn("ecr", f"repository/{self.naming.repository('*')}"),
        )

    def _stacks(self, name: str) -> str:
        return self.site.arn("cloudformation", f"stack/{self.naming.stack(name)}/*")

    def _proposals(self) -> str:
        """Where the files of proposals stand, which CodePipeline alone writes."""
        return f"{self.naming.platform_artifacts}{PROPOSAL}/"

    def _platform_pipeline(self) -> str:
        return self.site.arn("codepipeline", self.naming.platform_pipeline)

    def _allow(
        self, role: PlatformRole, reason: str, actions: tuple[str, ...] | list[str], *arns: str
    ) -> None:
        """Actions on resources that are named by a pattern, for a reason."""
        grant(grantee=role, actions=actions, resource_arns=arns)
        acknowledge(role, reason, *(f"AwsSolutions-IAM5[Resource::{arn}]" for arn in arns))
