"""The builds that a release runs in: one project for each set of rights, in the network."""

from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.endpoint_policies import bootstrap_resources
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import MODELS_PREFIX, Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.release_store import (
    APP,
    ATTEMPTS,
    DRIFT,
    PROMOTIONS,
    RECORDS,
    SOURCE,
    ReleaseStore,
)
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.sites import site_of
from mlops_constructs.tracking_task import PORT

BUILDSPEC = "releasing/buildspec.yaml"
"""Where the app says what a build runs."""

PROJECTS = (PREPARE, DEPLOY) = ("prepare", "deploy")
"""Before a person approves, and afterwards."""

# A deployment waits for its canary, and what is prepared behind it waits for both.
# https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
MINUTES = 480

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
_PIPELINES = (
    "codepipeline:GetPipelineExecution",
    "codepipeline:GetPipelineState",
    "codepipeline:ListActionExecutions",
    "codepipeline:PutApprovalResult",
)
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
)


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


class ReleaseBuilds(Construct):
    """Two CodeBuild projects with the same image and source, and rights of their own.

    What ``prepare`` does happens before anybody has approved: it looks at what is and what would
    be. ``deploy`` alone takes the roles that change the account, asks the API, and writes down
    what serves.

    CodeBuild pulls the image over a network of its own, as itself; what runs in it, its source and
    its artifacts go through the VPC:
    https://docs.aws.amazon.com/codebuild/latest/userguide/private-registry-sample-create-project.html
    https://docs.aws.amazon.com/codebuild/latest/userguide/vpc-support.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the names of the projects start with.
    network
        Where the builds run.
    repository
        Repository of the image, which lets CodeBuild pull.
    digest
        Digest of the image, ``sha256:...``.
    store
        The bucket of releases.
    key
        Encrypts what builds write.
    tools
        What builds work with besides.
    log_settings
        How logs are kept.

    Attributes
    ----------
    projects : dict of str to aws_cdk.aws_codebuild.CfnProject
        The projects: ``prepare`` and ``deploy``.
    roles : dict of str to mlops_constructs.platform_role.PlatformRole
        The role of each.

    Examples
    --------
    >>> builds = ReleaseBuilds(  # doctest: +SKIP
    ...     stack, "Builds", naming=naming, network=network, repository=repository,
    ...     digest=f"sha256:{'a' * 64}", store=store, key=key, tools=tools, log_settings=settings)
    """

    CALLS = (
        ServiceCall("apigateway", "release builds", "read the API's key", ("apigateway:GET",)),
        ServiceCall("cloudformation", "release builds", "compare, deploy and explain", _DEPLOYING),
        ServiceCall("codepipeline", "release builds", "reject what is overtaken", _PIPELINES),
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
        ServiceCall(
            "sts", "cdk of releases", "takes its roles", ("sts:AssumeRole",), bootstrap=True
        ),
        ServiceCall("sts", "release builds", "learn whose they are", ("sts:GetCallerIdentity",)),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        network: PrivateNetwork,
        repository: ecr.IRepository,
        digest: str,
        store: ReleaseStore,
        key: kms.IKey,
        tools: ReleaseTools,
        log_settings: LogSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        network.require(self, self.CALLS)
        self._naming = naming
        self._network = network
        self._image = repository.repository_uri_for_digest(digest)
        self._store = store
        self._key = key
        self._tools = tools
        self._log = log_settings.group(self, "Log")
        self._group = network.security_group(self, "BuildGroup", "Release builds")
        network.connect_to_aws(self._group)
        self._group.connections.allow_to(
            tools.tracking, ec2.Port.tcp(PORT), "Reads aliases, writes tags"
        )
        self.roles = {name: self._role(name) for name in PROJECTS}
        self._grant_prepare(self.roles[PREPARE])
        self._grant_deploy(self.roles[DEPLOY])
        self.projects = {name: self._project(name) for name in PROJECTS}

    def _project(self, name: str) -> codebuild.CfnProject:
        of = codebuild.CfnProject
        variables = {
            "RELEASE_ENV": self._naming.environment,
            "RELEASE_BUCKET": self._store.bucket.bucket_name,
            "RELEASE_LOGIN": self._tools.login_name,
            "RELEASE_TOPIC": self._tools.topic.topic_arn,
            "TRACKING_URI": self._tools.tracking_uri,
            "INVOCATION_URL": self._tools.invocation_url,
            "INVOCATION_KEY": self._tools.api_key.key_id,
        }
        project = of(
            self,
            name.title(),
            name=self._naming.build(name),
            description=f"Releases of {self._naming.prefix}: {name}",
            service_role=self.roles[name].role_arn,
            # Of a build that no pipeline starts; a pipeline brings source and artifacts along.
            source=of.SourceProperty(
                type="S3",
                location=f"{self._store.bucket.bucket_name}/{APP}",
                build_spec=BUILDSPEC,
            ),
            artifacts=of.ArtifactsProperty(type="NO_ARTIFACTS"),
            environment=of.EnvironmentProperty(
                type="LINUX_CONTAINER",
                compute_type="BUILD_GENERAL1_SMALL",
                image=self._image,
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=False,
                environment_variables=[
                    of.EnvironmentVariableProperty(name=key, value=value, type="PLAINTEXT")
                    for key, value in variables.items()
                ],
            ),
            encryption_key=self._key.key_arn,
            logs_config=of.LogsConfigProperty(
                cloud_watch_logs=of.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=self._log.log_group_name, stream_name=name
                )
            ),
            vpc_config=of.VpcConfigProperty(
                vpc_id=self._network.vpc.vpc_id,
                subnets=self._network.subnet_ids,
                security_group_ids=[self._group.security_group_id],
            ),
            timeout_in_minutes=MINUTES,
        )
        # CodeBuild tries at once whether the role may place it into the VPC.
        project.node.add_dependency(self.roles[name])
        acknowledge(
            project,
            "The role is named by its ARN already: the check takes Fn::GetAtt for Ref here.",
            "CloudFormation-Validate::E3050",
        )
        acknowledge(
            project,
            "The image is one of ours, by its digest; a rule cannot read an address that is put"
            " together at deployment.",
            "AwsSolutions-CB5",
        )
        acknowledge(
            project,
            "The source is an object of S3, which needs no OAuth; the rule takes an address that"
            " is put together at deployment for a repository's.",
            "HIPAA.Security-CodeBuildProjectSourceRepoUrl",
            "PCI.DSS.321-CodeBuildProjectSourceRepoUrl",
        )
        return project

    def _role(self, name: str) -> PlatformRole:
        """A role with what every build does: it looks, writes its journal, and tells."""
        site = site_of(self)
        role = PlatformRole(
            self,
            f"{name.title()}Role",
            # https://docs.aws.amazon.com/codebuild/latest/userguide/cross-service-confused-deputy-prevention.html
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": site.account,
                        "aws:SourceArn": site.arn(
                            "codebuild", f"project/{self._naming.build(name)}"
                        ),
                    }
                },
            ),
            description=f"Release builds: {name}",
        )
        self._log.grant_write(role)
        self._network.grant_attach(role)
        self._lend_interfaces(role)
        self._tools.artifacts.grant_read(role, f"{MODELS_PREFIX}/")
        self._store.grant_build(role)
        self._store.grant_read(role, SOURCE, PROMOTIONS, RECORDS)
        self._store.grant_read_write(role, ATTEMPTS)
        self._store.grant_artifacts(role)
        grant(
            grantee=role,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[self._tools.login.secret_arn],
        )
        grant_through(self._key, role, "secretsmanager", "kms:Decrypt")
        self._allow(
            role,
            "An endpoint's names end in its name or in the hash of what it serves.",
            _ENDPOINTS,
            *(
                site.arn("sagemaker", f"{kind}/{self._naming.endpoint('*')}")
                for kind in ("endpoint", "endpoint-config", "model")
            ),
        )
        self._allow(
            role,
            "The environment has a pipeline for each endpoint that is followed.",
            _PIPELINES,
            site.arn("codepipeline", self._naming.pipeline("*")),
        )
        grant(
            grantee=role,
            actions=["sns:Publish"],
            resource_arns=[self._tools.topic.topic_arn],
        )
        grant_through(self._key, role, "sns", "kms:Decrypt", "kms:GenerateDataKey")
        self._allow(
            role,
            "Every endpoint has a stack of its own, which CloudFormation numbers.",
            _STACKS,
            site.arn("cloudformation", f"stack/{self._naming.stack('Endpoint-*/*')}"),
        )
        return role

    def _lend_interfaces(self, role: PlatformRole) -> None:
        """Let CodeBuild, and no other service, use interfaces in the isolated subnets.

        https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html
        """
        site = site_of(self)
        interfaces = site.arn("ec2", "network-interface/*")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ec2:CreateNetworkInterfacePermission"],
                resources=[interfaces],
                conditions={
                    "StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"},
                    "ArnEquals": {
                        "ec2:Subnet": [
                            site.arn("ec2", f"subnet/{subnet}")
                            for subnet in self._network.subnet_ids
                        ]
                    },
                },
            )
        )
        acknowledge(
            role,
            "Interfaces have no name before they are created; the condition names the subnets.",
            f"AwsSolutions-IAM5[Resource::{interfaces}]",
        )

    def _grant_prepare(self, role: PlatformRole) -> None:
        """Whether the images of a release are there."""
        self._allow(
            role,
            "An endpoint may be served by any image of the environment.",
            ["ecr:DescribeImages"],
            site_of(self).arn("ecr", f"repository/{self._naming.repository('*')}"),
        )

    def _grant_deploy(self, role: PlatformRole) -> None:
        """Take the roles of `cdk bootstrap`, ask as users do, write down what serves.

        CloudFormation and its own role do the rest of a deployment. The key's value is asked for
        as the key's users do: https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKey.html
        """
        site = site_of(self)
        key = site.arn("apigateway", f"/apikeys/{self._tools.api_key.key_id}", account="")
        grant(
            grantee=role,
            actions=["sts:AssumeRole"],
            resource_arns=bootstrap_resources(site)["sts"],
        )
        self._allow(
            role,
            "A policy holds 6,144 letters, and no list of a hundred endpoints; one API of the"
            " account answers for all of them, at this path, and AWS numbers it.",
            ["execute-api:Invoke"],
            site.arn("execute-api", "*/v1/POST/endpoints/*/invocations"),
        )
        grant(
            grantee=role,
            actions=["apigateway:GET"],
            resource_arns=[key],
        )
        self._store.grant_read_write(role, RECORDS, DRIFT)

    def _allow(
        self, role: PlatformRole, reason: str, actions: tuple[str, ...] | list[str], *arns: str
    ) -> None:
        """Actions on resources that are named by a pattern, for a reason."""
        grant(grantee=role, actions=actions, resource_arns=arns)
        acknowledge(role, reason, *(f"AwsSolutions-IAM5[Resource::{arn}]" for arn in arns))
