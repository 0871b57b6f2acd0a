"""Runbooks, step by step; and this platform's own, whatever its tasks end with."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.extensions.automation import Runbook, StepError, select
from mlops_constructs.preparation_runbook import ROLE, TASK, Place, runbook
from operations.errors import OperationError

VARIABLES = {ROLE: "role", TASK: "task:1", "automation:EXECUTION_ID": "7"}
PLACE = Place("Cluster", "Mlflow", ["subnet-1"], "sg-1", "Log", "mlflow", "sha256:1")


def step(action: str, name: str = "Step", **more: Any) -> dict[str, Any]:
    return {"name": name, "action": f"aws:{action}", **more}


def asking(action: str, name: str = "Step", **more: Any) -> dict[str, Any]:
    inputs = {"Service": "ecs", "Api": "DescribeTasks", **more.pop("inputs", {})}
    return step(action, name, inputs=inputs, **more)


class Services:
    """Answers as AWS would: tasks end with the exit codes that a test wants."""

    def __init__(self, codes: Mapping[str, int | None], snapshot: str = "available") -> None:
        self.codes = codes
        self.snapshot = snapshot
        self.did: list[str] = []
        self.said: list[str] = []

    def call(self, service: str, api: str, inputs: dict[str, Any]) -> Any:
        if api == "RunTask":
            (override,) = inputs["overrides"]["containerOverrides"]
            command = override["command"][1]
            self.did.append(command)
            return {"tasks": [{"taskArn": command}], "failures": []}
        if api == "DescribeTasks":
            (command,) = inputs["tasks"]
            code = self.codes.get(command, 0)
            container = {} if code is None else {"exitCode": code}
            why = "CannotPullContainerError" if code is None else f"{command} said why"
            task = {"lastStatus": "STOPPED", "containers": [container], "stoppedReason": why}
            return {"tasks": [task]}
        if api == "CreateDBSnapshot":
            self.did.append(inputs["DBSnapshotIdentifier"])
            return {}
        if api == "DescribeDBSnapshots":
            return {"DBSnapshots": [{"Status": self.snapshot}]}
        return {"DBInstances": [{"DBInstanceStatus": "available"}]}

    def prepare(self) -> None:
        Runbook(runbook(PLACE)).run(VARIABLES, self.call, self.said.append, pause=0)


class TestThePlatformsOwn:
    def test_an_empty_database_has_nothing_to_keep(self) -> None:
        services = Services({"check": 4})
        services.prepare()
        assert services.did == ["check", "migrate", "grant", "smoke"]

    def test_a_current_one_has_not_either(self) -> None:
        services = Services({"check": 0})
        services.prepare()
        assert services.did == ["check", "migrate", "grant", "smoke"]

    def test_an_old_one_has(self) -> None:
        services = Services({"check": 3})
        services.prepare()
        assert services.did == ["check", "mlflow-before-7", "migrate", "grant", "smoke"]

    @pytest.mark.parametrize(
        ("command", "code", "did"),
        [
            ("check", 1, ["check"]),
            ("check", 2, ["check"]),
            ("check", None, ["check"]),
            ("migrate", 1, ["check", "migrate"]),
            ("migrate", 3, ["check", "migrate"]),
            ("migrate", 137, ["check", "migrate"]),
            ("grant", 1, ["check", "migrate", "grant"]),
            ("smoke", 1, ["check", "migrate", "grant", "smoke"]),
            ("smoke", None, ["check", "migrate", "grant", "smoke"]),
        ],
    )
    def test_whatever_fails_is_the_last(
        self, command: str, code: int | None, did: list[str]
    ) -> None:
        services = Services({command: code})
        with pytest.raises(OperationError, match=f"{command.capitalize()}Failed") as raised:
            services.prepare()
        assert services.did == did
        why = "CannotPullContainerError" if code is None else f"{command} said why"
        assert why in str(raised.value)

    def test_nothing_is_migrated_without_its_snapshot(self) -> None:
        services = Services({"check": 3}, snapshot="failed")
        with pytest.raises(OperationError, match="No snapshot was made, and nothing was changed"):
            services.prepare()
        assert services.did == ["check", "mlflow-before-7"]

    def test_each_step_is_told(self) -> None:
        services = Services({"grant": 1})
        with pytest.raises(OperationError):
            services.prepare()
        assert services.said[0] == "RunCheck: done"
        assert services.said[-1].startswith("GrantFailed: failed: grant said why")


class TestActions:
    def test_an_output_is_a_variable_of_later_steps(self) -> None:
        seen = []

        def call(service: str, api: str, inputs: dict[str, Any]) -> Any:
            seen.append(inputs)
            return {"tasks": [{"taskArn": "arn", "cpu": 7, "tags": ["a"]}]}

        outputs = [
            {"Name": "Task", "Selector": "$.tasks[0].taskArn", "Type": "String"},
            {"Name": "Cpu", "Selector": "$.tasks[0].cpu"},
            {"Name": "Tags", "Selector": "$.tasks[0].tags", "Type": "StringList"},
        ]
        first = asking("executeAwsApi", "First", outputs=outputs)
        given = {"task": "{{First.Task}}", "text": "{{ First.Cpu }}!", "tags": "{{ First.Tags }}"}
        Runbook({"mainSteps": [first, asking("executeAwsApi", "Second", inputs=given)]}).run(
            {}, call
        )
        assert seen[1] == {"task": "arn", "text": "7!", "tags": ["a"]}

    def test_what_is_waited_for_may_not_be_there_yet(self) -> None:
        answers = [{"tasks": []}, {"tasks": [{"lastStatus": "STOPPED"}]}]
        inputs = {"PropertySelector": "$.tasks[0].lastStatus", "DesiredValues": ["STOPPED"]}
        Runbook({"mainSteps": [asking("waitForAwsResourceProperty", inputs=inputs)]}).run(
            {}, lambda *_: answers.pop(0), pause=0
        )
        assert not answers

    def test_waiting_has_an_end(self) -> None:
        inputs = {"PropertySelector": "$.status", "DesiredValues": ["STOPPED"]}
        wait = asking("waitForAwsResourceProperty", inputs=inputs, timeoutSeconds=0)
        with pytest.raises(OperationError, match="longer than 0 s"):
            Runbook({"mainSteps": [wait]}).run({}, lambda *_: {}, pause=0)

    def test_a_refused_call_fails_its_step(self) -> None:
        def refuse(*_: object) -> Any:
            raise ClientError({"Error": {"Code": "Denied", "Message": "no"}}, "RunTask")

        with pytest.raises(OperationError, match=r"Step: .*Denied.*no"):
            Runbook({"mainSteps": [asking("executeAwsApi")]}).run({}, refuse)

    @pytest.mark.parametrize(
        ("outputs", "inputs", "said"),
        [
            ([{"Name": "A", "Selector": "$.nothing"}], {}, r"no \$\.nothing"),
            ([{"Name": "A", "Selector": "$..deep"}], {}, "not understood"),
            ([], {"task": "{{ Earlier.Task }}"}, "Nothing has given Earlier.Task"),
        ],
    )
    def test_what_is_not_there_fails_its_step(
        self, outputs: list[dict[str, str]], inputs: dict[str, str], said: str
    ) -> None:
        asked = asking("executeAwsApi", outputs=outputs, inputs=inputs)
        with pytest.raises(OperationError, match=said):
            Runbook({"mainSteps": [asked]}).run({}, lambda *_: {})

    def test_a_failure_that_leads_on_is_a_failure_in_the_end(self) -> None:
        well = {"PropertySelector": "$.a", "DesiredValues": ["None"]}
        steps = [
            asking("executeAwsApi", "First", inputs={"a": "{{ b }}"}, onFailure="step:Last"),
            asking("assertAwsResourceProperty", "Never", inputs=well),
            asking("assertAwsResourceProperty", "Last", inputs=well),
        ]
        said: list[str] = []
        with pytest.raises(OperationError, match="First"):
            Runbook({"mainSteps": steps}).run({}, lambda *_: {}, said.append)
        assert said == ["First: failed: Nothing has given b.", "Last: done"]

    def test_a_branch_takes_the_first_that_holds_or_the_default(self) -> None:
        choices = [
            {"Variable": "{{ code }}", "StringEquals": "3", "NextStep": "Three"},
            {"Not": {"Variable": "{{ code }}", "StringEquals": "0"}, "NextStep": "Other"},
        ]
        branch = step("branch", inputs={"Choices": choices, "Default": "Zero"})
        ends = [asking("executeAwsApi", name, isEnd=True) for name in ("Three", "Other", "Zero")]
        for code, name in (("3", "Three"), ("9", "Other"), ("0", "Zero")):
            said: list[str] = []
            Runbook({"mainSteps": [branch, *ends]}).run({"code": code}, lambda *_: {}, said.append)
            assert said == ["Step: done", f"{name}: done"]

    def test_a_branch_to_nowhere_ends_where_it_says_so(self) -> None:
        inputs = {"Choices": [{"Variable": "{{ a }}", "StringEquals": "b", "NextStep": "Next"}]}
        steps = [step("branch", inputs=inputs, isEnd=True), asking("executeAwsApi", "Next")]
        said: list[str] = []
        Runbook({"mainSteps": steps}).run({"a": "c"}, lambda *_: {}, said.append)
        assert said == ["Step: done"]


class TestBadInput:
    def test_an_action_that_nothing_here_does(self) -> None:
        content = copy.deepcopy(runbook(PLACE))
        content["mainSteps"][0]["action"] = "aws:executeScript"
        with pytest.raises(OperationError, match=r"aws:executeScript.*Use aws:assert"):
            Runbook(content)

    def test_no_steps(self) -> None:
        with pytest.raises(OperationError, match="no steps"):
            Runbook({})

    def test_another_kind_of_path(self) -> None:
        with pytest.raises(StepError):
            select({}, "$.tasks[*].taskArn")
