"""The steps that prepare a version of the tracking server: a runbook of Systems Manager's.

https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_constructs.tracking_task import PROGRAM

ROLE = "AutomationAssumeRole"
"""The parameter that the runbook's role is given by; Systems Manager looks for this name."""

TASK = "TaskDefinition"
"""The parameter that the runbook is run for."""

EXECUTION = "{{ automation:EXECUTION_ID }}"

CURRENT, OUTDATED, EMPTY = "0", "3", "4"
"""How ``check`` ends: nothing to migrate, a schema with data, a database without one."""

TASK_SECONDS = 15 * 60
"""How long a task may take that changes no schema."""

LONG_SECONDS = 3 * 60 * 60
"""How long a snapshot may take, and how long the migration."""

PATIENCE_SECONDS = 3 * TASK_SECONDS + 3 * LONG_SECONDS
"""How long the whole runbook may take: three short tasks, and the database, snapshot, migration."""

Step = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where the runbook works, and on what.

    Parameters
    ----------
    cluster
        Name of the cluster that runs the tasks.
    container
        Name of their container.
    subnets, group
        Where they stand.
    log
        Name of their log group, for who has to read it.
    database
        Identifier of the database instance.
    version
        What is prepared, for the tag of the snapshot: the image's digest.
    """

    cluster: str
    container: str
    subnets: Sequence[str]
    group: str
    log: str
    database: str
    version: str

    @property
    def snapshot(self) -> str:
        """What the names of snapshots start with."""
        return f"{self.database}-before-"


def runbook(place: Place) -> dict[str, Any]:
    """The content of the runbook: examine, take a snapshot of what is old, migrate, grant, try.

    A task's exit code decides what is next. Whatever fails leads to a step that fails too, and
    whose only desired value is what to do: it is shown with the inputs of the step.

    Parameters
    ----------
    place
        Where it works.

    Examples
    --------
    >>> place = Place("Cluster", "Mlflow", ["subnet-1"], "sg-1", "Log", "mlflow", "sha256:1")
    >>> [step["name"] for step in runbook(place)["mainSteps"]][:4]
    ['RunCheck', 'AwaitCheck', 'ReadCheck', 'JudgeCheck']
    """
    restore = f"restore the snapshot {place.snapshot}{EXECUTION}, if there is one"
    migrated = "The schema is that of the new version."
    goes_on = "The version before goes on serving."
    read = f"Read the task's log in {place.log}"
    return {
        "schemaVersion": "0.3",
        "description": f"Prepares the tracking server {place.version}. {goes_on}",
        "assumeRole": f"{{{{ {ROLE} }}}}",
        "parameters": {
            ROLE: {"type": "String", "description": "ARN of the role that the steps act as."},
            TASK: {"type": "String", "description": "ARN of the task definition that is run."},
        },
        "mainSteps": [
            *_run(place, "Check", TASK_SECONDS),
            _branch(
                "JudgeCheck",
                [
                    _choice("ReadCheck", OUTDATED, "AwaitDatabase"),
                    _choice("ReadCheck", CURRENT, "RunMigrate"),
                    _choice("ReadCheck", EMPTY, "RunMigrate"),
                ],
                Default="CheckFailed",
            ),
            *_snapshot(place),
            *_run(place, "Migrate", LONG_SECONDS),
            _succeeded("Migrate"),
            *_run(place, "Grant", TASK_SECONDS),
            _succeeded("Grant"),
            # After the first grant there is an administrator who can ask.
            *_run(place, "Smoke", TASK_SECONDS),
            {**_succeeded("Smoke"), "isEnd": True},
            _failed_task(place, "Check", f"Nothing was changed. {read}, and deploy again."),
            _fail(
                "SnapshotFailed",
                "rds",
                "DescribeDBInstances",
                {"DBInstanceIdentifier": place.database},
                "$.DBInstances[0].DBInstanceStatus",
                "No snapshot was made, and nothing was changed. Read the events of the database"
                f" {place.database}, and deploy again.",
            ),
            _failed_task(
                place,
                "Migrate",
                f"{goes_on} {read}; {restore}, as docs/upgrades.md says, and deploy again.",
            ),
            _failed_task(
                place,
                "Grant",
                f"{migrated} {goes_on} {read}; mend tracking.access, and deploy again.",
            ),
            _failed_task(
                place,
                "Smoke",
                f"{migrated} {goes_on} {read}; mend it and deploy again, or {restore}.",
            ),
        ],
    }


def _run(place: Place, name: str, seconds: int) -> list[Step]:
    """Run a command of the image, wait for its end, and read how it ended."""
    failed = f"step:{name}Failed"
    network = {
        "subnets": list(place.subnets),
        "securityGroups": [place.group],
        "assignPublicIp": "DISABLED",
    }
    command = {"name": place.container, "command": [PROGRAM, name.lower()]}
    task = {"cluster": place.cluster, "tasks": [f"{{{{ Run{name}.Task }}}}"]}
    return [
        _step(
            f"Run{name}",
            "executeAwsApi",
            "ecs",
            "RunTask",
            {
                "cluster": place.cluster,
                "taskDefinition": f"{{{{ {TASK} }}}}",
                "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": network},
                "overrides": {"containerOverrides": [command]},
                "startedBy": EXECUTION,
            },
            outputs=[_output("Task", "$.tasks[0].taskArn")],
        ),
        _step(
            f"Await{name}",
            "waitForAwsResourceProperty",
            "ecs",
            "DescribeTasks",
            {**task, "PropertySelector": "$.tasks[0].lastStatus", "DesiredValues": ["STOPPED"]},
            timeoutSeconds=seconds,
            onFailure=failed,
        ),
        _step(
            f"Read{name}",
            "executeAwsApi",
            "ecs",
            "DescribeTasks",
            task,
            # A number, which Automation makes a text: branches compare texts.
            outputs=[_output("ExitCode", "$.tasks[0].containers[0].exitCode")],
            onFailure=failed,
        ),
    ]


def _snapshot(place: Place) -> list[Step]:
    """Take a snapshot of the database, as soon as it is in a state to be taken one of."""
    failed = {"onFailure": "step:SnapshotFailed"}
    database = {"DBInstanceIdentifier": place.database}
    snapshot = {"DBSnapshotIdentifier": f"{place.snapshot}{EXECUTION}"}
    status = {"PropertySelector": "$.DBSnapshots[0].Status"}
    return [
        _step(
            "AwaitDatabase",
            "waitForAwsResourceProperty",
            "rds",
            "DescribeDBInstances",
            {
                **database,
                "PropertySelector": "$.DBInstances[0].DBInstanceStatus",
                "DesiredValues": ["available"],
            },
            timeoutSeconds=LONG_SECONDS,
            **failed,
        ),
        _step(
            "CreateSnapshot",
            "executeAwsApi",
            "rds",
            "CreateDBSnapshot",
            {**database, **snapshot, "Tags": [{"Key": "before", "Value": place.version}]},
            **failed,
        ),
        _step(
            "AwaitSnapshot",
            "waitForAwsResourceProperty",
            "rds",
            "DescribeDBSnapshots",
            {**snapshot, **status, "DesiredValues": ["available", "failed"]},
            timeoutSeconds=LONG_SECONDS,
            **failed,
        ),
        _step(
            "AssertSnapshot",
            "assertAwsResourceProperty",
            "rds",
            "DescribeDBSnapshots",
            {**snapshot, **status, "DesiredValues": ["available"]},
            **failed,
        ),
    ]


def _succeeded(name: str) -> Step:
    """Go on where the task ended well."""
    well = {"Variable": f"{{{{ Read{name}.ExitCode }}}}", "StringEquals": "0"}
    return _branch(f"Judge{name}", [{"NextStep": f"{name}Failed", "Not": well}])


def _failed_task(place: Place, name: str, what_to_do: str) -> Step:
    """Fail, with why ECS stopped the task."""
    task = {"cluster": place.cluster, "tasks": [f"{{{{ Run{name}.Task }}}}"]}
    selector = "$.tasks[0].stoppedReason"
    return _fail(f"{name}Failed", "ecs", "DescribeTasks", task, selector, what_to_do)


def _fail(
    name: str,
    service: str,
    api: str,
    inputs: Mapping[str, Any],
    selector: str,
    what_to_do: str,
) -> Step:
    """Fail, because a property is not what to do; Automation shows both."""
    asserted = {**inputs, "PropertySelector": selector, "DesiredValues": [what_to_do]}
    return _step(name, "assertAwsResourceProperty", service, api, asserted, isEnd=True)


def _choice(read: str, code: str, then: str) -> dict[str, str]:
    return {"NextStep": then, "Variable": f"{{{{ {read}.ExitCode }}}}", "StringEquals": code}


def _branch(name: str, choices: list[dict[str, Any]], **inputs: str) -> Step:
    return {"name": name, "action": "aws:branch", "inputs": {"Choices": choices, **inputs}}


def _step(
    name: str,
    action: str,
    service: str,
    api: str,
    inputs: Mapping[str, Any],
    **options: Any,
) -> Step:
    return {
        "name": name,
        "action": f"aws:{action}",
        "inputs": {"Service": service, "Api": api, **inputs},
        **options,
    }


def _output(name: str, selector: str) -> dict[str, str]:
    return {"Name": name, "Selector": selector, "Type": "String"}
