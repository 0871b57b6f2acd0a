"""What we know of the emulator's insides: this fails when it changes under us."""

import asyncio
import importlib.metadata
import importlib.util
import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack import app
from ministack.core import lambda_runtime, responses, router
from ministack.services import (
    alb,
    cloudformation,
    cloudwatch,
    ecs,
    eventbridge,
    rds,
    s3,
    stepfunctions,
)
from ministack.services.cloudformation import handlers, provisioners, stacks

from local.extensions import hooks


def test_is_the_version_that_we_know() -> None:
    assert importlib.metadata.version("ministack") == hooks.PINNED
    hooks.verify()


def test_requirements_pin_the_same_version() -> None:
    from tests.conftest import ROOT

    pins = (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert f"ministack=={hooks.PINNED}" in pins


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (provisioners._provision_resource, "resource_type logical_id props stack_name"),
        (
            provisioners._delete_resource,
            "resource_type physical_id props stack_name logical_id",
        ),
        (
            provisioners._update_resource,
            "resource_type physical_id old_props new_props stack_name logical_id old_attrs",
        ),
        (stacks._runs_on_worker_thread, "resource_type"),
        (router.detect_service, "method path headers query_params"),
        (ecs._mark_task_stopped, "task_arn task reason stop_code exit_code"),
        (responses.request_scope, "account_id region"),
        (eventbridge._apply_input_transformer, "transformer rule view"),
        (eventbridge._dispatch_event, "event view"),
        (eventbridge._invoke_target, "target event rule view"),
        (eventbridge._pattern_event_view, "event"),
        (eventbridge._put_events, "data allow_aws_source"),
        (lambda_runtime.Worker._spawn, "self"),
    ],
)
def test_functions_take_what_we_give(function: object, parameters: str) -> None:
    assert callable(function)
    assert list(inspect.signature(function).parameters) == parameters.split()


@pytest.mark.parametrize("resource_type", hooks.REPLACED)
def test_types_that_we_run_besides_are_recorded_by_it(resource_type: str) -> None:
    assert {"create", "update", "delete"} <= set(provisioners._RESOURCE_HANDLERS[resource_type])


@pytest.mark.parametrize("resource_type", hooks.ADDED)
def test_types_that_we_add_are_unknown_to_it(resource_type: str) -> None:
    assert resource_type not in provisioners._RESOURCE_HANDLERS


def test_tables_and_stores_are_where_we_reach_for_them() -> None:
    assert isinstance(app.SERVICE_HANDLERS, dict)
    assert isinstance(router.SERVICE_PATTERNS, dict)
    assert hasattr(rds, "_instances")
    assert hasattr(alb, "_lbs")
    assert {"RunTask", "StopTask"} <= set(ecs._ACTION_MAP)
    assert hasattr(ecs, "_tasks")
    for name in hooks.CLOUDWATCH:
        assert hasattr(cloudwatch, name), name
    for name in hooks.STEP_FUNCTIONS:
        assert hasattr(stepfunctions, name), name
    for name in hooks.EVENTBRIDGE:
        assert hasattr(eventbridge, name), name
    assert "version_id" in inspect.signature(s3._fire_s3_event).parameters


def test_stacks_are_described_as_their_templates_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_ACTION_HANDLERS", dict(handlers._ACTION_HANDLERS))
    hooks.describe_stacks_as_declared()
    stack = {
        "StackName": "one",
        "StackId": "arn",
        "StackStatus": "UPDATE_COMPLETE",
        "Description": "",
        "_template": {"Description": "model iris version 2"},
    }
    with responses.request_scope("000000000000", "eu-west-1"):
        cloudformation._stacks["one"] = stack
        try:
            _, _, body = handlers._ACTION_HANDLERS["DescribeStacks"]({"StackName": ["one"]})
        finally:
            del cloudformation._stacks["one"]
    assert "<Description>model iris version 2</Description>" in str(body)


class TestEvents:
    """What we do to events: they come to added targets, and name versions of objects."""

    TARGET = "arn:aws:codepipeline:eu-west-1:000000000000:release"

    @pytest.fixture(autouse=True)
    def scope(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for module, name in (
            (eventbridge, "_invoke_target"),
            (eventbridge, "_dispatch_event"),
            (s3, "_fire_s3_event"),
        ):
            monkeypatch.setattr(module, name, getattr(module, name))
        with responses.request_scope("000000000000", "eu-west-1"):
            yield
            eventbridge.reset()

    @pytest.fixture
    def started(self) -> list[tuple[str, Any, str]]:
        found: list[tuple[str, Any, str]] = []
        hooks.add_event_target("codepipeline", lambda *words: found.append(words))
        return found

    def rule(self, source: str, **target: Any) -> None:
        pattern = json.dumps({"source": [source]})
        eventbridge._ensure_default_bus()
        eventbridge._put_rule({"Name": "rule", "EventPattern": pattern})
        given = {"Id": "one", "Arn": self.TARGET, **target}
        eventbridge._put_targets({"Rule": "rule", "Targets": [given]})

    def test_of_a_service_of_ours(self, started: list[tuple[str, Any, str]]) -> None:
        self.rule("aws.codebuild")
        hooks.publish_event(
            ("000000000000", "eu-west-1"), "aws.codebuild", "Kind", {"a": 1}, ["arn"]
        )
        ((arn, event, rule),) = started
        assert arn == self.TARGET
        assert (event["detail-type"], event["detail"]) == ("Kind", {"a": 1})
        assert rule.endswith("rule/rule")

    def test_of_an_object_with_its_version(
        self, started: list[tuple[str, Any, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hooks.name_versions_in_events()
        template = '{"variables":[{"name":"N","value":<version>}],"sourceRevisions":[<version>]}'
        paths = {"version": "$.detail.object.version-id"}
        transformer = {"InputPathsMap": paths, "InputTemplate": template}
        self.rule("aws.s3", InputTransformer=transformer)
        xml = "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"
        monkeypatch.setattr(s3, "_notification_bucket_region", lambda _: "eu-west-1")
        s3._bucket_notifications["bucket"] = xml
        try:
            s3._fire_s3_event("bucket", "key", "s3:ObjectCreated:Put", version_id="v7")
        finally:
            del s3._bucket_notifications["bucket"]
        ((_, given, _),) = started
        assert given == {"variables": [{"name": "N", "value": "v7"}], "sourceRevisions": ["v7"]}

    def test_what_cannot_be_started_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        def refuse(*_: object) -> None:
            raise ValueError("not today")

        hooks.add_event_target("codepipeline", refuse)
        self.rule("aws.codebuild")
        hooks.publish_event(("000000000000", "eu-west-1"), "aws.codebuild", "Kind", {}, [])
        assert "not today" in caplog.text


class TestSecrets:
    """What we do to a secret behind its back is what its service then says of it."""

    @pytest.fixture
    def secret(self) -> Iterator[str]:
        name = "contract"
        ask("CreateSecret", Name=name, SecretString="{}")
        yield name
        ask("DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=True)

    def test_a_version_without_a_value(self, secret: str) -> None:
        for version in ("one", "two"):
            hooks.add_pending_version(secret, version)
        labels = ask("DescribeSecret", SecretId=secret)["VersionIdsToStages"]
        assert labels["two"] == ["AWSPENDING"]
        assert labels.get("one", []) == []
        assert "SecretString" not in ask(
            "GetSecretValue", SecretId=secret, VersionStage="AWSPENDING"
        )
        hooks.remove_version(secret, "two")
        described = hooks.describe_secret(secret)
        assert described is not None
        assert "two" not in described["VersionIdsToStages"]
        assert hooks.describe_secret("other") is None

    def test_who_rotates_it(self, secret: str) -> None:
        hooks.set_rotation(secret, "arn", {"AutomaticallyAfterDays": 3})
        described = ask("DescribeSecret", SecretId=secret)
        assert described["RotationEnabled"]
        assert described["RotationLambdaARN"] == "arn"
        assert described["RotationRules"] == {"AutomaticallyAfterDays": 3}
        hooks.set_rotation(secret, "", {})
        assert not ask("DescribeSecret", SecretId=secret)["RotationEnabled"]

    def test_one_operation_is_answered_in_its_place(
        self, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def answer(*_: object) -> tuple[int, dict[str, str], bytes]:
            return 200, {}, b'{"ours": true}'

        monkeypatch.setattr(app, "SERVICE_HANDLERS", dict(app.SERVICE_HANDLERS))
        hooks.replace_operation("secretsmanager", "RotateSecret", answer)
        assert ask("RotateSecret", SecretId=secret) == {"ours": True}
        assert ask("DescribeSecret", SecretId=secret)["Name"] == secret


def ask(operation: str, **asked: object) -> dict[str, Any]:
    """What the emulator's Secrets Manager answers."""
    headers = {"x-amz-target": f"secretsmanager.{operation}"}
    _, _, body = asyncio.run(
        app.SERVICE_HANDLERS["secretsmanager"]("POST", "/", headers, json.dumps(asked).encode(), {})
    )
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_it_cannot_start_containers_of_its_own() -> None:
    assert importlib.util.find_spec("docker") is None


class TestVerify:
    """Each change is noticed, and all are told together."""

    def test_another_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hooks, "PINNED", "0.0.1")
        with pytest.raises(hooks.ContractError, match=r"not 0\.0\.1"):
            hooks.verify()

    def test_a_handler_that_is_gone_and_one_that_is_new(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handlers = dict(provisioners._RESOURCE_HANDLERS)
        del handlers["AWS::ECS::Service"]
        handlers["AWS::SageMaker::Model"] = {"create": print}
        monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", handlers)
        with pytest.raises(hooks.ContractError) as raised:
            hooks.verify()
        assert "AWS::ECS::Service has no handler" in str(raised.value)
        assert "AWS::SageMaker::Model is now its own" in str(raised.value)

    @pytest.mark.parametrize(("module", "name"), [(rds, "_instances"), (ecs, "_ACTION_MAP")])
    def test_a_store_that_is_gone(
        self, module: object, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(module, name)
        with pytest.raises(hooks.ContractError, match=f"{name} is gone"):
            hooks.verify()
