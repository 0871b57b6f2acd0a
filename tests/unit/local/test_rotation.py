"""RotateSecret, with a fake of the emulator's secrets and of the function that is called."""

import asyncio
import io
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.extensions import hooks
from local.extensions.rotation import STEPS, Rotations, RotationSchedule

ARN, FUNCTION = "arn:secret", "arn:function"


class FakeEmulator:
    """A secret's labels, and a function that is called; it stands for the host as well."""

    def __init__(self) -> None:
        self.record: dict[str, Any] = {"ARN": ARN, "Name": "login", "RotationLambdaARN": None}
        self.labels: dict[str, list[str]] = {"first": ["AWSCURRENT"]}
        self.steps: list[str] = []
        self.versions: set[str] = set()
        self.fails = ""
        self.variables = {"DATABASE_CA": "/in/lambda", "KEPT": "yes"}

    # The host, and its client of Lambda.
    def client(self, service: str, region: str) -> "FakeEmulator":
        assert service == "lambda"
        return self

    def address(self, part: str) -> str:
        return "/here/ca.pem"

    def get_function_configuration(self, **_: str) -> dict[str, Any]:
        return {"Environment": {"Variables": self.variables}}

    def update_function_configuration(self, **asked: Any) -> None:
        self.variables = asked["Environment"]["Variables"]

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        event = json.loads(Payload)
        assert (FunctionName, event["SecretId"]) == (FUNCTION, ARN)
        assert self.labels[event["ClientRequestToken"]] == ["AWSPENDING"]
        assert self.variables == {"DATABASE_CA": "/here/ca.pem", "KEPT": "yes"}
        self.steps.append(event["Step"])
        self.versions.add(event["ClientRequestToken"])
        if self.fails == "call":
            raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
        if self.fails == event["Step"]:
            said = io.BytesIO(b'{"errorMessage": "the step failed"}')
            return {"FunctionError": "Unhandled", "Payload": said}
        if event["Step"] == "finishSecret":
            self.labels = {"first": [], event["ClientRequestToken"]: ["AWSCURRENT", "AWSPENDING"]}
        return {"Payload": io.BytesIO(b"null")}

    # What the hooks do with the emulator's own store.
    def describe(self, secret: str) -> dict[str, Any] | None:
        return {**self.record, "VersionIdsToStages": self.labels} if secret == ARN else None

    def set_rotation(self, secret: str, function: str, rules: dict[str, Any]) -> None:
        self.record |= {"RotationLambdaARN": function, "RotationRules": rules}

    def add(self, secret: str, version: str) -> None:
        self.labels[version] = ["AWSPENDING"]

    def remove(self, secret: str, version: str) -> None:
        del self.labels[version]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> FakeEmulator:
    fake = FakeEmulator()
    monkeypatch.setattr(hooks, "describe_secret", fake.describe)
    monkeypatch.setattr(hooks, "set_rotation", fake.set_rotation)
    monkeypatch.setattr(hooks, "add_pending_version", fake.add)
    monkeypatch.setattr(hooks, "remove_version", fake.remove)
    return fake


def ask(emulator: FakeEmulator, **asked: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"SecretId": ARN, **asked}).encode()
    status, _, answer = asyncio.run(Rotations(emulator).answer("POST", "/", {}, body, {}))  # type: ignore[arg-type]
    return status, json.loads(answer)


def wait(emulator: FakeEmulator, steps: tuple[str, ...], labels: int = 2) -> None:
    deadline = time.monotonic() + 5
    while tuple(emulator.steps) != steps or len(emulator.labels) != labels:
        assert time.monotonic() < deadline, (emulator.steps, emulator.labels)
        time.sleep(0.01)


class TestRotateSecret:
    def test_runs_every_step_with_one_version(self, emulator: FakeEmulator) -> None:
        status, answer = ask(emulator, RotationLambdaARN=FUNCTION)
        assert status == 200
        wait(emulator, STEPS)
        assert emulator.versions == {answer["VersionId"]}
        assert "AWSCURRENT" in emulator.labels[answer["VersionId"]]

    def test_stops_where_a_step_fails_and_goes_on_with_that_version(
        self, emulator: FakeEmulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        emulator.set_rotation(ARN, FUNCTION, {})
        emulator.fails = "setSecret"
        _, answer = ask(emulator)
        wait(emulator, STEPS[:2])
        emulator.fails = ""
        status, refusal = ask(emulator)
        assert (status, refusal["__type"]) == (400, "InvalidRequestException")
        assert "is tried again" in refusal["message"]
        wait(emulator, (*STEPS[:2], *STEPS))
        assert emulator.versions == {answer["VersionId"]}
        assert "the step failed" in caplog.text

    def test_a_function_that_cannot_be_called_is_said(
        self, emulator: FakeEmulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        emulator.fails = "call"
        ask(emulator, RotationLambdaARN=FUNCTION)
        deadline = time.monotonic() + 5
        while "TooManyRequests" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @pytest.mark.parametrize(
        ("asked", "code"),
        [
            ({"SecretId": "arn:other"}, "ResourceNotFoundException"),
            ({}, "InvalidRequestException"),
        ],
    )
    def test_refuses_what_cannot_be(
        self, asked: dict[str, str], code: str, emulator: FakeEmulator
    ) -> None:
        status, answer = ask(emulator, **asked)
        assert (status, answer["__type"]) == (400, code)
        assert emulator.steps == []

    def test_is_only_tried_out_where_it_is_not_to_be_now(self, emulator: FakeEmulator) -> None:
        ask(emulator, RotationLambdaARN=FUNCTION, RotateImmediately=False)
        wait(emulator, ("testSecret",), labels=1)
        assert emulator.labels == {"first": ["AWSCURRENT"]}


class TestSchedule:
    def test_is_noted_tried_out_and_taken_back(self, emulator: FakeEmulator) -> None:
        schedule = RotationSchedule(Rotations(emulator))  # type: ignore[arg-type]
        rules = {"AutomaticallyAfterDays": 30}
        properties = {"SecretId": ARN, "RotationLambdaARN": FUNCTION, "RotationRules": rules}
        created = schedule.create("Schedule", properties, "stack")
        assert created.physical_id == ARN
        assert emulator.record["RotationRules"] == rules
        wait(emulator, ("testSecret",), labels=1)
        schedule.delete(ARN, properties)
        assert emulator.record["RotationLambdaARN"] == ""
