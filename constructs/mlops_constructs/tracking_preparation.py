"""What happens to the database before a version of the tracking server serves."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.metadata_database import MetadataDatabase
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.preparation_runbook import PATIENCE_SECONDS, ROLE, TASK, Place, runbook
from mlops_constructs.sites import site_of
from mlops_constructs.tracking_access import TrackingAccess
from mlops_constructs.tracking_server import TrackingServer
from mlops_constructs.tracking_task import TrackingTask


class TrackingPreparation(Construct):
    """The gate of a deployment: the service is touched when its database is ready, or not at all.

    A State Manager association runs a runbook when it is made, and CloudFormation waits for its
    success. It is waited for until its status is another than pending, so that a failure is told
    at once:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ssm-association.html
    https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ssm

    Association and runbook have a hash of what they prepare in their logical ids. Each version so
    has its own: CloudFormation makes the new pair before it touches the service, and takes the
    old away when everything is done. A rollback takes the new pair away and runs nothing.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    server
        The server. Its service waits for the preparation.
    version
        What is prepared, for the tag of the snapshot: the digest of the image.
    database
        What is migrated.
    naming
        What the name of the database starts with, and so those of its snapshots.
    log_settings
        How the tasks' log is kept.
    access
        Who may do what. The tasks read all of its logins.

    Attributes
    ----------
    task : mlops_constructs.tracking_task.TrackingTask
        What is run, with one command after another.
    association : aws_cdk.aws_ssm.CfnAssociation
        What runs it.

    Examples
    --------
    >>> TrackingPreparation(  # doctest: +SKIP
    ...     stack, "Preparation", server=server, version="sha256:...", database=database,
    ...     naming=naming, log_settings=settings, access=access)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        server: TrackingServer,
        version: str,
        database: MetadataDatabase,
        naming: Naming,
        log_settings: LogSettings,
        access: TrackingAccess,
    ) -> None:
        super().__init__(scope, construct_id)
        log = log_settings.group(self, "Log")
        self.task = server.task(
            self,
            "Task",
            purpose="Prepares the tracking server's database",
            log=log,
            environment={
                "DATABASE_MASTER_SECRET_ARN": database.master_secret.secret_arn,
                **access.preparation_environment,
            },
        )
        database.grant_read_master_secret(self.task.role)
        access.grant_read_logins(self.task.role)
        place = Place(
            cluster=server.cluster.cluster_name,
            container=TrackingTask.CONTAINER,
            subnets=server.subnets,
            group=server.group.security_group_id,
            log=log.log_group_name,
            database=f"{naming.prefix}-{MetadataDatabase.NAME}",
            version=version,
        )
        content = runbook(place)
        digest = self._digest(content)
        name = f"{naming.prefix}-prepare-{digest}"
        role = self._role(server.cluster, database, place.snapshot, name)
        document = ssm.CfnDocument(
            self, "Runbook", name=name, content=content, document_type="Automation"
        )
        self.association = ssm.CfnAssociation(
            self,
            "Association",
            name=document.ref,
            automation_target_parameter_name=TASK,
            targets=[
                ssm.CfnAssociation.TargetProperty(
                    key="ParameterValues", values=[self.task.definition.task_definition_arn]
                )
            ],
            parameters={ROLE: [role.role_arn]},
            max_concurrency="1",
            # The first failure is one too many: with one allowed, the association would succeed.
            # https://docs.aws.amazon.com/systems-manager/latest/userguide/running-automations-scale-controls.html
            max_errors="0",
            wait_for_success_timeout_seconds=PATIENCE_SECONDS,
        )
        for resource in (document, self.association):
            logical_id = Stack.of(self).get_logical_id(resource)
            resource.override_logical_id(f"{logical_id}{digest.upper()}")
        # The tasks need all of their rights, and every rule of their group.
        self.association.node.add_dependency(role, self.task, server.group)
        server.service.node.add_dependency(self.association)

    def _digest(self, content: dict[str, Any]) -> str:
        """A hash of all that is prepared, and by what steps."""
        prepared = json.dumps([Stack.of(self).resolve(content), self.task.version], sort_keys=True)
        return hashlib.sha256(prepared.encode()).hexdigest()[:8]

    def _role(
        self, cluster: ecs.Cluster, database: MetadataDatabase, snapshots: str, document: str
    ) -> iam.Role:
        role = PlatformRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "ssm.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site_of(self).account}},
            ),
            description="Prepares the tracking server's database: tasks and a snapshot",
        )
        _let_run(role, cluster, self.task.definition)
        _let_take_snapshots(role, database, snapshots)
        _let_start(role, document)
        return role


def _let_run(role: iam.Role, cluster: ecs.Cluster, task: ecs.FargateTaskDefinition) -> None:
    """The one task definition, on the one cluster, with its own roles."""
    site = site_of(role)
    here = {"ArnEquals": {"ecs:cluster": cluster.cluster_arn}}

    def tasks_of(name: str) -> str:
        return site.arn("ecs", f"task/{name}/*")

    _allow(role, ["ecs:RunTask"], [task.task_definition_arn], here)
    _allow(role, ["ecs:DescribeTasks"], [tasks_of(cluster.cluster_name)], here)
    _allow(
        role,
        ["iam:PassRole"],
        [task.task_role.role_arn, task.obtain_execution_role().role_arn],
        {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    )
    resource = cluster.node.default_child
    assert isinstance(resource, ecs.CfnCluster)
    acknowledge(
        role,
        "A task has no name before it is run.",
        f"AwsSolutions-IAM5[Resource::{tasks_of(f'<{Stack.of(role).get_logical_id(resource)}>')}]",
    )


def _let_take_snapshots(role: iam.Role, database: MetadataDatabase, prefix: str) -> None:
    """Of the one database, with names of the one prefix."""
    instance = database.instance.instance_arn
    snapshots = site_of(role).arn("rds", f"snapshot:{prefix}*")
    _allow(role, ["rds:DescribeDBInstances"], [instance])
    _allow(role, ["rds:CreateDBSnapshot"], [instance, snapshots])
    _allow(role, ["rds:AddTagsToResource", "rds:DescribeDBSnapshots"], [snapshots])
    acknowledge(
        role,
        "A snapshot is named after the run that takes it.",
        f"AwsSolutions-IAM5[Resource::{snapshots}]",
    )


def _let_start(role: iam.Role, document: str) -> None:
    """The automation of an association starts another for each target, and looks how it ends."""
    site = site_of(role)
    definition = site.arn("ssm", f"automation-definition/{document}:*")
    execution = site.arn("ssm", "automation-execution/*")
    _allow(role, ["ssm:StartAutomationExecution"], [definition])
    _allow(role, ["ssm:GetAutomationExecution"], [execution])
    acknowledge(
        role,
        "A run of the one runbook has no name before it.",
        f"AwsSolutions-IAM5[Resource::{definition}]",
        f"AwsSolutions-IAM5[Resource::{execution}]",
    )


def _allow(
    role: iam.IRole,
    actions: list[str],
    resources: list[str],
    conditions: Mapping[str, Any] | None = None,
) -> None:
    grant(grantee=role, actions=actions, resource_arns=resources, conditions=conditions)
