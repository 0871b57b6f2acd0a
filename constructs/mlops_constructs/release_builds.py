"""The builds that a release runs in: one project for each set of rights, in the network."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.alarms import Alarms
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.release_rights import CALLS, ReleaseRights, ReleaseTools
from mlops_constructs.release_store import APP, ReleaseStore
from mlops_constructs.sites import site_of
from mlops_constructs.tracking_task import PORT

BUILDSPEC = "releasing/buildspec.yaml"
"""Where the app says what a build runs."""

PREPARE, INSPECT, DEPLOY = "prepare", "inspect", "deploy"
"""Before a person approves: for a release, and for a change of the platform. And afterwards."""

CLOSE = "close"
"""What no pipeline runs: it writes down how one ended, and compares. It has the role of deploy."""

PIPELINE = "CODEPIPELINE"
"""What a project's source and artifacts are where its pipeline brings them along."""

PROJECTS = (PREPARE, INSPECT, DEPLOY, CLOSE)

STEPS: Mapping[str, str] = {
    "prepare": PREPARE,
    "deploy": DEPLOY,
    "verify": DEPLOY,
    "close": CLOSE,
    "drift": CLOSE,
    "platform-prepare": INSPECT,
    "platform-deploy": DEPLOY,
    "platform-close": CLOSE,
}
"""The project that each step runs in: all but the first ones may have to put a version back."""

OF_RELEASES = ("RELEASE_LOGIN", "TRACKING_URI", "INVOCATION_URL", "INVOCATION_KEY")
"""What ``inspect`` is not told: what is proposed asks neither MLflow nor the API."""

# A deployment waits for its canary, and what is prepared behind it waits for both.
# Longer than this no build lasts. `releasing/platform_deploy.py` says how long before its end a
# change of the platform begins no more endpoints, and goes on when its stage is tried again.
# https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
# https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html
MINUTES = 480


class ReleaseBuilds(Construct):
    """CodeBuild projects with the same image and source, and rights of their own.

    What ``prepare`` and ``inspect`` do happens before anybody has approved: they look at what is
    and what would be. ``inspect`` runs an app that is proposed, which nobody has approved either:
    what a release runs with, what it hands on, what waits for a person and MLflow are out of its
    reach. So it has a security group of its own, which reaches AWS's endpoints alone.
    ``deploy`` alone takes the roles that change the account, asks the API, and writes down what
    serves. ``close`` does so too, where a pipeline ended before that: an alarm says that it could
    not, since nobody else would.

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
    alarms
        What makes the alarm.

    Attributes
    ----------
    projects : dict of str to aws_cdk.aws_codebuild.CfnProject
        The projects: ``prepare``, ``inspect``, ``deploy`` and ``close``.
    roles : dict of str to mlops_constructs.platform_role.PlatformRole
        The role of each but ``close``.

    Examples
    --------
    >>> builds = ReleaseBuilds(  # doctest: +SKIP
    ...     stack, "Builds", naming=naming, network=network, repository=repository,
    ...     digest=f"sha256:{'a' * 64}", store=store, key=key, tools=tools, log_settings=settings,
    ...     alarms=alarms)
    """

    CALLS = CALLS
    """What they call of AWS."""

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
        alarms: Alarms,
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
        asking = network.security_group(self, "BuildGroup", "Release builds")
        inspecting = network.security_group(self, "InspectGroup", "Builds of what is proposed")
        for group in (asking, inspecting):
            network.connect_to_aws(group)
        asking.connections.allow_to(
            tools.tracking, ec2.Port.tcp(PORT), "Reads aliases, writes tags"
        )
        self._groups = {PREPARE: asking, INSPECT: inspecting, DEPLOY: asking, CLOSE: asking}
        self.roles = {name: self._role(name) for name in (PREPARE, INSPECT)}
        self.roles[DEPLOY] = self._role(DEPLOY, CLOSE)
        rights = ReleaseRights(site_of(self), naming, store, key, tools)
        for role in self.roles.values():
            rights.grant_build(role)
        for name in (PREPARE, DEPLOY):
            rights.grant_release(self.roles[name])
        rights.grant_prepare(self.roles[PREPARE])
        rights.grant_inspect(self.roles[INSPECT])
        rights.grant_deploy(self.roles[DEPLOY])
        self.projects = {name: self._project(name) for name in PROJECTS}
        alarms.above(
            self,
            "Unfinished",
            # https://docs.aws.amazon.com/codebuild/latest/userguide/monitoring-metrics.html
            cloudwatch.Metric(
                namespace="AWS/CodeBuild",
                metric_name="FailedBuilds",
                dimensions_map={"ProjectName": naming.build(CLOSE)},
                statistic="Sum",
                period=Duration.minutes(5),
            ),
            1,
            "How a release or a change of the platform ended could not be written down, or what"
            f" serves not be compared: see the latest build of {naming.build(CLOSE)}.",
            periods=1,
        )

    def _project(self, name: str) -> codebuild.CfnProject:
        of, role = codebuild.CfnProject, self.roles.get(name) or self.roles[DEPLOY]
        alone = name == CLOSE
        project = of(
            self,
            name.title(),
            name=self._naming.build(name),
            description=f"Releases of {self._naming.prefix}: {name}",
            service_role=role.role_arn,
            # https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectSource.html
            source=of.SourceProperty(
                type="S3" if alone else PIPELINE,
                location=f"{self._store.bucket.bucket_name}/{APP}" if alone else None,
                build_spec=BUILDSPEC,
            ),
            artifacts=of.ArtifactsProperty(type="NO_ARTIFACTS" if alone else PIPELINE),
            environment=of.EnvironmentProperty(
                type="LINUX_CONTAINER",
                compute_type="BUILD_GENERAL1_SMALL",
                image=self._image,
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=False,
                environment_variables=[
                    of.EnvironmentVariableProperty(name=key, value=value, type="PLAINTEXT")
                    for key, value in self._variables(name).items()
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
                security_group_ids=[self._groups[name].security_group_id],
            ),
            timeout_in_minutes=MINUTES,
        )
        # CodeBuild tries at once whether the role may place it into the VPC.
        project.node.add_dependency(role)
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
            "The source is an object of S3, by a pipeline or by its address, which needs no OAuth;"
            " the rule knows repositories alone.",
            "HIPAA.Security-CodeBuildProjectSourceRepoUrl",
            "PCI.DSS.321-CodeBuildProjectSourceRepoUrl",
        )
        return project

    def _variables(self, name: str) -> dict[str, str]:
        """What the builds of a project are told, beside what their pipeline says."""
        variables = {
            "RELEASE_ENV": self._naming.environment,
            "RELEASE_BUCKET": self._store.bucket.bucket_name,
            "RELEASE_LOGIN": self._tools.login_name,
            "RELEASE_TOPIC": self._tools.topic.topic_arn,
            "TRACKING_URI": self._tools.tracking_uri,
            "INVOCATION_URL": self._tools.invocation_url,
            "INVOCATION_KEY": self._tools.api_key.key_id,
        }
        left_out = OF_RELEASES if name == INSPECT else ()
        return {key: value for key, value in variables.items() if key not in left_out}

    def _role(self, name: str, *others: str) -> PlatformRole:
        """A role that runs in the network and writes its log, as some projects."""
        site = site_of(self)
        projects = [
            site.arn("codebuild", f"project/{self._naming.build(it)}") for it in (name, *others)
        ]
        role = PlatformRole(
            self,
            f"{name.title()}Role",
            # https://docs.aws.amazon.com/codebuild/latest/userguide/cross-service-confused-deputy-prevention.html
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": site.account,
                        "aws:SourceArn": projects if others else projects[0],
                    }
                },
            ),
            description=f"Release builds: {name}",
        )
        self._log.grant_write(role)
        self._network.grant_attach(role)
        self._lend_interfaces(role)
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
