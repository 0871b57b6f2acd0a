"""One-off tasks: what ``RunTask`` runs here is the image's own command, and its end is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core.responses import request_scope
from ministack.services import ecs

from local.extensions import hooks
from local.extensions.associations import CLOSING, Association, Document
from local.extensions.tasks import OneOffTasks, Programs
from local.host import Host
from local.images import ProcessImage
from local.state import StateFolder
from operations.errors import OperationError
from tests.unit.local.test_processes import eventually

SCOPE = ("000000000000", "eu-west-1")
IMAGE = ProcessImage("tool", f"sha256:{'c' * 64}")
PROGRAM = """#!/bin/sh
case $1 in
  well) echo "$GREETING $EXTRA at $PORT" ;;
  badly) echo "the schema is newer" >&2; exit 3 ;;
  killed) kill -9 $$ ;;
  *) sleep 60 ;;
esac
"""


class Ecs:
    """The emulator's ECS, without the way over HTTP."""

    def __getattr__(self, operation: str) -> Any:
        action = "".join(word.capitalize() for word in operation.split("_"))

        def call(**request: Any) -> Any:
            with request_scope(*SCOPE):
                status, _, body = ecs._ACTION_MAP[action](request)
            assert status == 200, body
            return json.loads(body)

        return call


class LocalHost(Host):
    """A host whose emulator is asked directly."""

    def client(self, service: str, region: str) -> Any:
        assert (service, region) == ("ecs", SCOPE[1])
        return Ecs()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHost]:
    monkeypatch.setattr("local.images.STORE", tmp_path / "images")
    monkeypatch.setattr(ecs, "_ACTION_MAP", dict(ecs._ACTION_MAP))
    programs = IMAGE.folder / "bin"
    programs.mkdir(parents=True)
    (programs / "tool").write_text(PROGRAM)
    (programs / "tool").chmod(0o755)
    (IMAGE.folder / "installed").touch()
    host = LocalHost(StateFolder(tmp_path), "http://127.0.0.1:1")
    tasks = OneOffTasks(Programs(host))
    hooks.run_tasks(tasks.start, tasks.stop)
    yield host
    host.stop()
    with request_scope(*SCOPE):
        ecs.reset()


def define(image: str = f"registry/blue/tool@{IMAGE.digest}") -> str:
    container = {
        "name": "Tool",
        "image": image,
        "command": ["tool"],
        "environment": [{"name": "GREETING", "value": "hello"}],
    }
    made = Ecs().register_task_definition(family="tool", containerDefinitions=[container])
    return str(made["taskDefinition"]["taskDefinitionArn"])


def run(command: str, definition: str = "", **override: Any) -> str:
    made = Ecs().run_task(
        cluster="one",
        taskDefinition=definition or define(),
        overrides={
            "containerOverrides": [{"name": "Tool", "command": ["tool", command], **override}]
        },
    )
    (task,) = made["tasks"]
    return str(task["taskArn"])


def described(arn: str) -> dict[str, Any]:
    (task,) = Ecs().describe_tasks(cluster="one", tasks=[arn])["tasks"]
    return dict(task)


def ended(arn: str) -> dict[str, Any]:
    assert eventually(lambda: described(arn)["lastStatus"] == "STOPPED")
    return described(arn)


class TestRunTask:
    def test_runs_the_command_of_the_override_with_its_environment(self, host: LocalHost) -> None:
        task = ended(run("well", environment=[{"name": "EXTRA", "value": "you"}]))
        assert task["containers"][0]["exitCode"] == 0
        assert task["stopCode"] == "EssentialContainerExited"
        (log,) = host.state.logs.glob("task-tool-*.log")
        assert log.read_text().startswith("hello you at ")

    def test_tells_the_exit_code_and_the_last_words(self, host: LocalHost) -> None:
        task = ended(run("badly"))
        assert task["containers"][0]["exitCode"] == 3
        assert "the schema is newer" in task["stoppedReason"]

    def test_tells_the_signal_as_a_container_does(self, host: LocalHost) -> None:
        assert ended(run("killed"))["containers"][0]["exitCode"] == 137

    def test_a_task_that_runs_is_said_to_run_until_it_is_stopped(self, host: LocalHost) -> None:
        arn = run("forever")
        assert described(arn)["lastStatus"] == "RUNNING"
        Ecs().stop_task(cluster="one", task=arn)
        assert described(arn)["lastStatus"] == "STOPPED"
        assert not running_in(str(host.state.run / "tasks"))

    def test_nothing_outlives_the_platform(self, host: LocalHost) -> None:
        run("forever")
        mine = str(host.state.run / "tasks")
        assert running_in(mine)
        host.stop()
        assert not running_in(mine)

    def test_an_image_that_is_not_installed_never_starts(self, host: LocalHost) -> None:
        task = ended(run("well", define("registry/blue/tool@sha256:none")))
        assert task["stopCode"] == "TaskFailedToStart"
        assert "CannotPullContainerError" in task["stoppedReason"]
        assert task["containers"][0].get("exitCode") is None


def running_in(folder: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if str((entry / "cwd").readlink()).startswith(folder):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def runbook(command: str) -> dict[str, Any]:
    """A runbook that runs the tool once, and fails where it does."""
    task = {"Service": "ecs", "Api": "DescribeTasks", "cluster": "one", "tasks": ["{{ Run.Task }}"]}
    override = {"name": "Tool", "command": ["tool", command]}
    return {
        "schemaVersion": "0.3",
        "mainSteps": [
            {
                "name": "Run",
                "action": "aws:executeAwsApi",
                "inputs": {
                    "Service": "ecs",
                    "Api": "RunTask",
                    "cluster": "one",
                    "taskDefinition": "{{ Definition }}",
                    "overrides": {"containerOverrides": [override]},
                },
                "outputs": [{"Name": "Task", "Selector": "$.tasks[0].taskArn"}],
            },
            {
                "name": "Await",
                "action": "aws:waitForAwsResourceProperty",
                "inputs": {
                    **task,
                    "PropertySelector": "$.tasks[0].lastStatus",
                    "DesiredValues": ["STOPPED"],
                },
            },
            {
                "name": "Judge",
                "action": "aws:assertAwsResourceProperty",
                "inputs": {
                    **task,
                    "PropertySelector": "$.tasks[0].stoppedReason",
                    "DesiredValues": ["Essential container in task exited"],
                },
            },
        ],
    }


class TestAssociation:
    @pytest.fixture
    def documents(self) -> Document:
        return Document()

    def bind(self, host: LocalHost, documents: Document, name: str) -> None:
        properties = {
            "Name": name,
            "AutomationTargetParameterName": "Definition",
            "Targets": [{"Key": "ParameterValues", "Values": [define()]}],
            "Parameters": {"AutomationAssumeRole": ["arn:role"]},
        }
        with request_scope(*SCOPE):
            Association(host, documents).create("Binding", properties, "stack")

    def test_runs_a_runbook_of_the_stacks(self, host: LocalHost, documents: Document) -> None:
        made = documents.create("Runbook", {"Content": runbook("well")}, "stack")
        self.bind(host, documents, made.physical_id)
        log = host.state.logs / f"runbook-{made.physical_id}.log"
        assert [line.split(" ", 1)[1] for line in log.read_text().splitlines()] == [
            "Run: done",
            "Await: done",
            "Judge: done",
        ]

    def test_fails_with_the_last_words_of_a_task(
        self, host: LocalHost, documents: Document
    ) -> None:
        documents.create("Runbook", {"Name": "prepare", "Content": runbook("badly")}, "stack")
        with pytest.raises(OperationError, match="the schema is newer"):
            self.bind(host, documents, "prepare")

    def test_knows_no_other_runbook(self, host: LocalHost, documents: Document) -> None:
        documents.create("Runbook", {"Name": "prepare", "Content": runbook("well")}, "stack")
        documents.delete("prepare", {})
        with pytest.raises(OperationError, match=f"'prepare' does not run.*{CLOSING}"):
            self.bind(host, documents, "prepare")

    def test_a_recorded_snapshot_is_called_one(
        self, host: LocalHost, documents: Document, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inputs = {"Service": "rds", "Api": "CreateDBSnapshot", "DBSnapshotIdentifier": "a"}
        steps = [{"name": "Create", "action": "aws:executeAwsApi", "inputs": inputs}]
        documents.create("Runbook", {"Name": "snap", "Content": {"mainSteps": steps}}, "stack")

        class Rds:
            def create_db_snapshot(self, **_: str) -> dict[str, str]:
                return {}

        monkeypatch.setattr(host, "client", lambda *_: Rds())
        properties = {
            "Name": "snap",
            "AutomationTargetParameterName": "Definition",
            "Targets": [{"Key": "ParameterValues", "Values": ["any"]}],
        }
        with request_scope(*SCOPE):
            Association(host, documents).create("Binding", properties, "stack")
        said = (host.state.logs / "runbook-snap.log").read_text()
        assert "recorded, and nothing is copied" in said
