"""``AWS::ECS::Service``: the task definition's own command, as processes behind the balancer."""

import itertools
from typing import Any

from local.extensions import hooks
from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.load_balancer import LoadBalancers
from local.host import Host
from local.images import find_image
from local.processes import Process
from local.servers import Server
from operations.errors import OperationError

START_SECONDS = 120


class Service:
    """A service whose tasks run.

    Parameters
    ----------
    host
        Where they run.
    balancers
        What sends connections to them.
    """

    def __init__(self, host: Host, balancers: LoadBalancers) -> None:
        self._host = host
        self._balancers = balancers
        self._record = hooks.Original("AWS::ECS::Service")
        self._tasks: dict[str, list[Server]] = {}
        self._numbers = itertools.count(1)

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Start the tasks, and wait until the load balancer would send to them."""
        created = self._record.create(logical_id, properties, stack)
        self._replace(created.physical_id, properties)
        return created

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Start the new tasks beside the old, and stop the old when the new are healthy."""
        updated = self._record.update(physical_id, old, new, stack, logical_id)
        self._replace(updated.physical_id, new)
        return updated

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Stop the tasks."""
        for task in self._tasks.pop(physical_id, []):
            task.stop()
        self._record.delete(physical_id, properties)

    def _replace(self, service: str, properties: Properties) -> None:
        region = account_and_region()[1]
        container = self._container(properties["TaskDefinition"], region)
        group = properties["LoadBalancers"][0]["TargetGroupArn"]
        health = self._health_path(group, region)
        started: list[Server] = []
        try:
            for _ in range(int(properties.get("DesiredCount", 1))):
                started.append(self._start(container, health, region))
        except Exception:
            for task in started:
                task.stop()
            raise
        old = self._tasks.get(service, [])
        self._tasks[service] = started
        self._balancers.set_targets(group, started)
        for task in old:
            task.stop()

    def _start(self, container: dict[str, Any], health: str, region: str) -> Server:
        image = find_image(container["image"])
        name = f"{image.name}-{next(self._numbers)}"
        folder = self._host.state.run / "tasks" / name
        log = self._host.state.logs / f"task-{name}.log"
        command = image.command(list(container.get("command", [])))
        environment = image.environment(self._host.environment(region, folder))
        environment |= {
            variable["name"]: variable["value"] for variable in container.get("environment", [])
        }

        def start(port: int) -> Process:
            # What an image holds and a network of its own would give: a file and a free port.
            certificates = self._host.address("database certificates")
            given = {**environment, "PORT": str(port), "DATABASE_CA": certificates}
            return self._host.run(command, log, given, folder)

        server = Server(name, start, health, START_SECONDS)
        self._host.on_stop(server.stop)
        return server

    def _container(self, task_definition: str, region: str) -> dict[str, Any]:
        """The one container of a task definition."""
        described = self._host.client("ecs", region).describe_task_definition(
            taskDefinition=task_definition
        )
        containers = described["taskDefinition"]["containerDefinitions"]
        if len(containers) != 1:
            raise OperationError(
                f"The task {task_definition} has {len(containers)} containers.",
                "Here a task has one: the others would need its network.",
            )
        container: dict[str, Any] = containers[0]
        if container.get("secrets"):
            raise OperationError(
                "The task asks for secrets in its environment.",
                "Let the program read them with its role, as the platform's do.",
            )
        return container

    def _health_path(self, group: str, region: str) -> str:
        described = self._host.client("elbv2", region).describe_target_groups(
            TargetGroupArns=[group]
        )
        return str(described["TargetGroups"][0].get("HealthCheckPath", "/"))
