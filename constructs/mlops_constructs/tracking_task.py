"""A task of the tracking server's image: what it may write to, what it acts as, where it logs."""

import hashlib
import json
from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.platform_role import PlatformRole

PORT = 5000
"""Where the server listens, and the load balancer too."""

PROGRAM = "tracking-server"
"""The image's program: without a word more it serves, and with one it does that and ends."""

USER = "10001"
"""The image's own user, which is not root."""

SCRATCH = "scratch"
"""The volume for temporary files, as the root file system is read-only."""


class TrackingTask(Construct):
    """A task definition of the image: not root, nothing writable but a scratch volume.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    purpose
        What its tasks do, for who reads the list of roles: ``Runs the tracking server``.
    image
        The image.
    environment
        The variables of the container, none of which is secret.
    log
        Where the container logs to.
    cpu
        CPU units of a task; 1024 are one vCPU.
    memory_mib
        Memory of a task, in MiB; Fargate pairs it with `cpu`.

    Attributes
    ----------
    definition : aws_cdk.aws_ecs.FargateTaskDefinition
        The task definition.

    Examples
    --------
    >>> task = TrackingTask(  # doctest: +SKIP
    ...     stack, "Task", purpose="Runs the tracking server", image=image,
    ...     environment={"WORKERS": "2"}, log=log)
    >>> database.grant_read_secret(task.role)  # doctest: +SKIP
    """

    CONTAINER = "Mlflow"

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        purpose: str,
        image: ecs.ContainerImage,
        environment: Mapping[str, str],
        log: logs.ILogGroup,
        cpu: int = 1024,
        memory_mib: int = 2048,
    ) -> None:
        super().__init__(scope, construct_id)
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=cpu,
            memory_limit_mib=memory_mib,
            volumes=[ecs.Volume(name=SCRATCH)],
            task_role=self._role("Role", purpose),
            execution_role=self._role("ExecutionRole", f"{purpose}: starts its tasks"),
        )
        self._add_container(image, environment, log)

    @property
    def role(self) -> iam.IRole:
        """What the program acts as."""
        return self.definition.task_role

    @property
    def version(self) -> str:
        """A hash of what its tasks are: another where ECS would make another revision."""
        resource = self.definition.node.default_child
        assert isinstance(resource, ecs.CfnTaskDefinition)
        content = Stack.of(self).resolve(
            [
                resource.container_definitions,
                resource.volumes,
                resource.cpu,
                resource.memory,
                resource.task_role_arn,
                resource.execution_role_arn,
            ]
        )
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _role(self, construct_id: str, description: str) -> iam.Role:
        return PlatformRole(
            self,
            construct_id,
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description=description,
        )

    def _add_container(
        self, image: ecs.ContainerImage, environment: Mapping[str, str], log: logs.ILogGroup
    ) -> None:
        linux = ecs.LinuxParameters(self, "Linux", init_process_enabled=True)
        linux.drop_capabilities(ecs.Capability.ALL)
        container = self.definition.add_container(
            self.CONTAINER,
            image=image,
            command=[PROGRAM],
            environment=dict(environment),
            user=USER,
            readonly_root_filesystem=True,
            linux_parameters=linux,
            logging=ecs.LogDrivers.aws_logs(
                stream_prefix="mlflow",
                log_group=log,
                mode=ecs.AwsLogDriverMode.NON_BLOCKING,
            ),
            port_mappings=[ecs.PortMapping(container_port=PORT)],
        )
        container.add_mount_points(
            ecs.MountPoint(
                container_path="/tmp",  # noqa: S108 - the container's own, on its own volume
                source_volume=SCRATCH,
                read_only=False,
            )
        )
        acknowledge(
            self.definition.obtain_execution_role(),
            "A token for ECR names no repository; pulling does.",
            "AwsSolutions-IAM5[Resource::*]",
        )
        acknowledge(
            self.definition,
            "The variables name resources, and none is secret: the program reads its secrets"
            " itself.",
            "AwsSolutions-ECS2",
        )
