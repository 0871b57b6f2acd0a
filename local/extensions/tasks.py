"""Tasks of ECS: the task definition's own command, as processes.

``AWS::ECS::Service`` keeps them running behind the balancer; ``RunTask`` runs one to its end.
"""

import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local.extensions import hooks
from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.load_balancer import LoadBalancers
from local.host import Host
from local.images import find_image
from local.processes import Process
from local.servers import Server
from local.state import free_port
from operations.errors import OperationError

START_SECONDS = 120


class Program(NamedTuple):
    """What a task runs.

    Parameters
    ----------
    name
        What it is called in the logs.
    command
        Program and arguments.
    environment
        What it is given, but for its port.
    """

    name: str
    command: list[str]
    environment: dict[str, str]


class Programs:
    """The one container of a task definition, as a process.

    Parameters
    ----------
    host
        Where it runs.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._numbers = itertools.count(1)

    def make(
        self, task_definition: str, region: str, override: Mapping[str, Any] | None = None
    ) -> Program:
        """Find the program of a task definition.

        Parameters
        ----------
        task_definition
            Its ARN.
        region
            Where it is registered.
        override
            What a run of it has instead: another command, further variables.

        Raises
        ------
        OperationError
            Where it cannot run here.
        """
        override = override or {}
        container = self._container(task_definition, region)
        image = find_image(container["image"])
        words = list(override.get("command") or container.get("command", []))
        name = f"{image.name}-{next(self._numbers)}"
        environment = image.environment(self._host.environment(region, self._folder(name)))
        # What the image itself holds: a file with the certificates of the database.
        environment["DATABASE_CA"] = self._host.address("database certificates")
        for variable in [*container.get("environment", []), *override.get("environment", [])]:
            environment[variable["name"]] = variable["value"]
        return Program(name, image.command(words), environment)

    def start(self, program: Program, port: int) -> Process:
        """Start a program, which a network of its own would give its port.

        Parameters
        ----------
        program
            The program.
        port
            A free one.
        """
        log = self._host.state.logs / f"task-{program.name}.log"
        environment = {**program.environment, "PORT": str(port)}
        return self._host.run(program.command, log, environment, self._folder(program.name))

    def _folder(self, name: str) -> Path:
        return self._host.state.run / "tasks" / name

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


class OneOffTasks:
    """What ``RunTask`` runs: a process each, whose end is that of the task.

    Parameters
    ----------
    programs
        What they run.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._running: dict[str, Process] = {}

    def start(self, task: Mapping[str, Any]) -> None:
        """Run a task that the emulator has recorded as running.

        Parameters
        ----------
        task
            As ``DescribeTasks`` describes it.
        """
        arn, scope = task["taskArn"], account_and_region()
        overrides: Sequence[Mapping[str, Any]] = task["overrides"].get("containerOverrides", ())
        try:
            override = overrides[0] if overrides else None
            program = self._programs.make(task["taskDefinitionArn"], scope[1], override)
            process = self._programs.start(program, free_port())
        except (OperationError, OSError) as error:
            hooks.end_task(arn, scope, str(error), None)
            return
        self._running[arn] = process
        threading.Thread(
            target=self._await, args=(arn, scope, process), name=program.name, daemon=True
        ).start()

    def stop(self, arn: str) -> None:
        """Stop the process of a task, if it has one."""
        process = self._running.get(arn)
        if process:
            process.stop()

    def _await(self, arn: str, scope: tuple[str, str], process: Process) -> None:
        status = process.wait()
        self._running.pop(arn, None)
        # A container that a signal ends has its number, and 128.
        code = status if status >= 0 else 128 - status
        said = f": {process.last_words()}" if code else ""
        hooks.end_task(arn, scope, f"Essential container in task exited{said}", code)


class Service:
    """A service whose tasks run.

    Parameters
    ----------
    host
        Where they run.
    balancers
        What sends connections to them.
    programs
        What they run.
    """

    def __init__(self, host: Host, balancers: LoadBalancers, programs: Programs) -> None:
        self._host = host
        self._balancers = balancers
        self._programs = programs
        self._record = hooks.Original("AWS::ECS::Service")
        self._tasks: dict[str, list[Server]] = {}

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
        group = properties["LoadBalancers"][0]["TargetGroupArn"]
        health = self._health_path(group, region)
        started: list[Server] = []
        try:
            for _ in range(int(properties.get("DesiredCount", 1))):
                program = self._programs.make(properties["TaskDefinition"], region)
                started.append(self._start(program, health))
        except Exception:
            for task in started:
                task.stop()
            raise
        old = self._tasks.get(service, [])
        self._tasks[service] = started
        self._balancers.set_targets(group, started)
        for task in old:
            task.stop()

    def _start(self, program: Program, health: str) -> Server:
        server = Server(
            program.name,
            lambda port: self._programs.start(program, port),
            health,
            START_SECONDS,
        )
        self._host.on_stop(server.stop)
        return server

    def _health_path(self, group: str, region: str) -> str:
        described = self._host.client("elbv2", region).describe_target_groups(
            TargetGroupArns=[group]
        )
        return str(described["TargetGroups"][0].get("HealthCheckPath", "/"))
