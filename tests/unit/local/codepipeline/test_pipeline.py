"""Pipelines: stages are locked, newer executions overtake, people approve, events tell it all."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core.responses import request_scope

from local.extensions.codebuild.service import CodeBuild
from local.extensions.codepipeline.actions import Actions, Approvals
from local.extensions.codepipeline.execution import ActionError, ActionRun, Execution
from local.extensions.codepipeline.service import CodePipeline, PipelineResource
from local.extensions.json_service import RefusedError
from local.pace import Pace
from tests.unit.local.codebuild.emulated import SCOPE, Emulated, project, zipped
from tests.unit.local.test_processes import eventually

ROLE = "arn:aws:iam::000000000000:role/pipeline"


class Gate:
    """Actions that go on when they are told to, instead of builds.

    Attributes
    ----------
    asked : list of str
        The configuration of each that has begun.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._open: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def perform(self, execution: Execution, run: ActionRun) -> None:
        asked = run.configuration["Asked"]
        self.asked.append(asked)
        assert self._of(asked).wait(20)
        if asked.startswith("bad"):
            raise ActionError("JobFailed", "it was bad")
        run.variables = {"ANSWER": f"answer to {asked}"}

    def open(self, *asked: str) -> None:
        for each in asked:
            self._of(each).set()

    def _of(self, asked: str) -> threading.Event:
        with self._lock:
            return self._open.setdefault(asked, threading.Event())


def action(name: str, asked: str, **changes: Any) -> dict[str, Any]:
    kind = {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"}
    return {"name": name, "actionTypeId": kind, "configuration": {"Asked": asked}, **changes}


def approval(**configuration: str) -> dict[str, Any]:
    kind = {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}
    return {"name": "Person", "actionTypeId": kind, "configuration": configuration}


def structure(*stages: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "name": "release",
        "roleArn": ROLE,
        "pipelineType": "V2",
        "executionMode": "SUPERSEDED",
        "artifactStore": {"type": "S3", "location": "store"},
        "variables": [{"name": "N"}],
        "stages": [
            {"name": name, "actions": actions}
            for name, actions in zip(("First", "Second", "Third"), stages, strict=False)
        ],
        **changes,
    }


SOURCE: dict[str, Any] = {
    "name": "App",
    "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"},
    "configuration": {"S3Bucket": "sources", "S3ObjectKey": "app.zip"},
    "outputArtifacts": [{"name": "Source"}],
}


def revision(source: str, version: str) -> dict[str, str]:
    return {
        "actionName": source,
        "revisionType": "S3_OBJECT_VERSION_ID",
        "revisionValue": version,
    }


TWO_STAGES = structure(
    [action("One", "first-#{variables.N}")], [action("Two", "second-#{variables.N}")]
)


@pytest.fixture(autouse=True)
def scope() -> Iterator[None]:
    with request_scope(*SCOPE):
        yield


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open(*gate.asked)


@pytest.fixture
def events() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def host(tmp_path: Path) -> Emulated:
    host = Emulated(tmp_path)
    host.pace = Pace(60)
    return host


@pytest.fixture
def service(host: Emulated, gate: Gate, events: list[tuple[Any, ...]]) -> CodePipeline:
    approvals = Approvals(host)
    actions = {"CodeBuild": gate.perform, "Manual": approvals.perform}
    return CodePipeline(actions, approvals, lambda *event: events.append(event))


def start(service: CodePipeline, number: str) -> str:
    variables = [{"name": "N", "value": number}]
    answer = service.do("StartPipelineExecution", {"name": "release", "variables": variables})
    return str(answer["pipelineExecutionId"])


def execution(service: CodePipeline, identity: str) -> dict[str, Any]:
    asked = {"pipelineName": "release", "pipelineExecutionId": identity}
    found: dict[str, Any] = service.do("GetPipelineExecution", asked)["pipelineExecution"]
    return found


def becomes(service: CodePipeline, identity: str, status: str) -> bool:
    return eventually(lambda: bool(execution(service, identity)["status"] == status))


def stage_state(service: CodePipeline, name: str) -> dict[str, Any]:
    (found,) = [
        state
        for state in service.do("GetPipelineState", {"name": "release"})["stageStates"]
        if state["stageName"] == name
    ]
    state: dict[str, Any] = found
    return state


def asked(gate: Gate, what: str) -> Callable[[], bool]:
    return lambda: what in gate.asked


def test_stages_follow_each_other_with_what_variables_say(
    service: CodePipeline, gate: Gate
) -> None:
    second = "#{Asked.ANSWER} in #{codepipeline.PipelineExecutionId}"
    declared = structure(
        [action("One", "first-#{variables.N}", namespace="Asked")], [action("Two", second)]
    )
    service.create(declared)
    one = start(service, "7")
    gate.open("first-7", f"answer to first-7 in {one}")
    assert becomes(service, one, "Succeeded"), execution(service, one)
    assert execution(service, one)["variables"] == [{"name": "N", "resolvedValue": "7"}]
    details = service.do("ListActionExecutions", {"pipelineName": "release"})
    newest = details["actionExecutionDetails"][0]
    assert newest["input"]["resolvedConfiguration"]["Asked"] == gate.asked[1]
    assert newest["input"]["configuration"]["Asked"] == second


class TestSuperseded:
    def test_an_execution_in_a_stage_stays_and_one_that_waits_gives_way(
        self, service: CodePipeline, gate: Gate
    ) -> None:
        service.create(TWO_STAGES)
        one, two, three = (start(service, number) for number in "123")
        assert eventually(asked(gate, "first-1"))
        assert execution(service, two)["status"] == "Superseded"
        assert three in execution(service, two)["statusSummary"]
        waiting = stage_state(service, "First")["inboundExecutions"]
        assert [each["pipelineExecutionId"] for each in waiting] == [three]
        gate.open("first-1", "second-1", "first-3", "second-3")
        assert becomes(service, one, "Succeeded")
        assert becomes(service, three, "Succeeded")
        assert gate.asked.index("second-1") > gate.asked.index("first-1")
        assert "first-2" not in gate.asked

    def test_between_stages_too(self, service: CodePipeline, gate: Gate) -> None:
        service.create(TWO_STAGES)
        gate.open("first-1", "first-2", "first-3")
        one = start(service, "1")
        assert eventually(asked(gate, "second-1"))
        two = start(service, "2")
        assert eventually(lambda: bool(stage_state(service, "Second")["inboundExecutions"]))
        three = start(service, "3")
        assert becomes(service, two, "Superseded")
        gate.open("second-1", "second-3")
        assert becomes(service, one, "Succeeded")
        assert becomes(service, three, "Succeeded")
        assert gate.asked == ["first-1", "second-1", "first-2", "first-3", "second-3"]


def test_queued_executions_wait_their_turn(service: CodePipeline, gate: Gate) -> None:
    service.create({**TWO_STAGES, "executionMode": "QUEUED"})
    ids = [start(service, number) for number in "123"]
    for number in "123":
        gate.open(f"first-{number}", f"second-{number}")
    assert all(becomes(service, each, "Succeeded") for each in ids)
    assert [each for each in gate.asked if each.startswith("first")] == [
        "first-1",
        "first-2",
        "first-3",
    ]


def test_a_failed_action_fails_the_execution_and_frees_its_stage(
    service: CodePipeline, gate: Gate
) -> None:
    service.create(structure([action("One", "#{variables.N}")], [action("Two", "never")]))
    bad, good = start(service, "bad"), start(service, "good")
    gate.open("bad", "good", "never")
    assert becomes(service, bad, "Failed")
    assert execution(service, bad)["statusSummary"] == "First.One: it was bad"
    assert becomes(service, good, "Succeeded")
    details = service.do(
        "ListActionExecutions",
        {"pipelineName": "release", "filter": {"pipelineExecutionId": bad}},
    )["actionExecutionDetails"]
    assert [each["actionName"] for each in details] == ["One"]
    failed = details[0]["output"]["executionResult"]["errorDetails"]
    assert failed == {"code": "JobFailed", "message": "it was bad"}


def test_a_variable_that_nothing_gives_fails_the_action(service: CodePipeline) -> None:
    service.create(structure([action("One", "#{Other.NAME}")], [action("Two", "x")]))
    one = start(service, "1")
    assert becomes(service, one, "Failed")
    assert "#{Other.NAME} has no value" in execution(service, one)["statusSummary"]


def test_actions_of_one_order_run_at_once_and_others_after_them(
    service: CodePipeline, gate: Gate
) -> None:
    service.create(
        structure([action("A", "a"), action("B", "b"), action("C", "c", runOrder=2)], [])
    )
    one = start(service, "1")
    assert eventually(lambda: set(gate.asked) == {"a", "b"})
    gate.open("a", "b", "c")
    assert becomes(service, one, "Succeeded")
    assert gate.asked[2] == "c"


class TestApproval:
    @pytest.fixture
    def waits(self, service: CodePipeline) -> str:
        service.create(structure([approval(CustomData="#{variables.N}")], [action("Two", "end")]))
        return start(service, "1")

    def token(self, service: CodePipeline) -> str:
        def latest() -> dict[str, Any]:
            (state,) = stage_state(service, "First")["actionStates"]
            found: dict[str, Any] = state.get("latestExecution", {})
            return found

        assert eventually(lambda: "token" in latest())
        assert latest()["status"] == "InProgress"
        return str(latest()["token"])

    def put(self, service: CodePipeline, token: str, status: str) -> None:
        service.do(
            "PutApprovalResult",
            {
                "pipelineName": "release",
                "stageName": "First",
                "actionName": "Person",
                "token": token,
                "result": {"summary": "because", "status": status},
            },
        )

    def test_is_given(self, service: CodePipeline, gate: Gate, waits: str) -> None:
        gate.open("end")
        token = self.token(service)
        with pytest.raises(RefusedError, match="is not of this approval"):
            self.put(service, "other", "Approved")
        assert gate.asked == []
        self.put(service, token, "Approved")
        assert becomes(service, waits, "Succeeded")
        with pytest.raises(RefusedError, match="No approval waits"):
            self.put(service, token, "Approved")

    def test_is_refused(self, service: CodePipeline, gate: Gate, waits: str) -> None:
        self.put(service, self.token(service), "Rejected")
        assert becomes(service, waits, "Failed")
        assert execution(service, waits)["statusSummary"] == "First.Person: because"
        assert gate.asked == []

    def test_a_newer_execution_waits_while_somebody_is_asked(
        self, service: CodePipeline, gate: Gate, waits: str
    ) -> None:
        token = self.token(service)
        newer = start(service, "2")
        assert execution(service, waits)["status"] == "InProgress"
        self.put(service, token, "Rejected")
        assert becomes(service, waits, "Failed")
        assert eventually(lambda: self.token(service) != token)
        assert execution(service, newer)["status"] == "InProgress"

    def test_nobody_answers_in_time(self, service: CodePipeline, host: Emulated) -> None:
        host.pace = Pace(0.01)
        late = {**approval(), "timeoutInMinutes": 5}
        service.create(structure([late], [action("Two", "end")]))
        one = start(service, "1")
        assert becomes(service, one, "Failed")
        assert "Nobody answered within 5 minutes" in execution(service, one)["statusSummary"]


class TestStop:
    def stop(self, service: CodePipeline, identity: str, *, abandon: bool) -> None:
        request = {"pipelineName": "release", "pipelineExecutionId": identity, "reason": "why"}
        service.do("StopPipelineExecution", {**request, "abandon": abandon})

    def test_waits_for_the_actions_that_run(self, service: CodePipeline, gate: Gate) -> None:
        service.create(TWO_STAGES)
        one = start(service, "1")
        assert eventually(asked(gate, "first-1"))
        self.stop(service, one, abandon=False)
        assert execution(service, one)["status"] == "Stopping"
        gate.open("first-1")
        assert becomes(service, one, "Stopped")
        assert execution(service, one)["statusSummary"] == "why"
        assert gate.asked == ["first-1"]

    def test_leaves_them_to_themselves(self, service: CodePipeline, gate: Gate) -> None:
        service.create(TWO_STAGES)
        one = start(service, "1")
        assert eventually(asked(gate, "first-1"))
        self.stop(service, one, abandon=True)
        assert becomes(service, one, "Stopped")
        (details,) = service.do("ListActionExecutions", {"pipelineName": "release"})[
            "actionExecutionDetails"
        ]
        assert details["status"] == "Abandoned"
        two = start(service, "2")
        gate.open("first-1", "first-2", "second-2")
        assert becomes(service, two, "Succeeded")
        assert execution(service, one)["status"] == "Stopped"
        with pytest.raises(RefusedError, match="is Stopped"):
            self.stop(service, one, abandon=True)

    def test_what_waits_ends_at_once(self, service: CodePipeline, gate: Gate) -> None:
        service.create(TWO_STAGES)
        one, two = start(service, "1"), start(service, "2")
        self.stop(service, two, abandon=False)
        assert execution(service, two)["status"] == "Stopped"
        gate.open("first-1", "second-1")
        assert becomes(service, one, "Succeeded")
        assert "first-2" not in gate.asked


class TestUpdate:
    """What runs comes to its end; its execution fails all the same."""

    def test_what_is_in_a_stage_fails_when_its_action_ends(
        self, service: CodePipeline, gate: Gate
    ) -> None:
        service.create(TWO_STAGES)
        one = start(service, "1")
        assert eventually(asked(gate, "first-1"))
        service.change({**TWO_STAGES, "executionMode": "QUEUED"})
        assert execution(service, one)["status"] == "InProgress"
        gate.open("first-1")
        assert becomes(service, one, "Failed")
        assert "was updated" in execution(service, one)["statusSummary"]
        (details,) = service.do("ListActionExecutions", {"pipelineName": "release"})[
            "actionExecutionDetails"
        ]
        assert details["status"] == "Succeeded"
        assert gate.asked == ["first-1"]

    def test_so_does_what_is_in_the_last_stage(self, service: CodePipeline, gate: Gate) -> None:
        service.create(TWO_STAGES)
        gate.open("first-1")
        one = start(service, "1")
        assert eventually(asked(gate, "second-1"))
        service.change(TWO_STAGES)
        gate.open("second-1")
        assert becomes(service, one, "Failed")

    def test_nothing_is_started_and_what_comes_later_runs(
        self, service: CodePipeline, gate: Gate
    ) -> None:
        service.create(TWO_STAGES)
        service.change(TWO_STAGES)
        assert service.do("ListPipelineExecutions", {"pipelineName": "release"}) == {
            "pipelineExecutionSummaries": []
        }
        gate.open("first-2", "second-2")
        assert becomes(service, start(service, "2"), "Succeeded")


def test_events_come_in_order(
    service: CodePipeline, gate: Gate, events: list[tuple[Any, ...]]
) -> None:
    service.create(structure([action("One", "#{variables.N}")], [action("Two", "end")]))
    gate.open("bad", "good", "end")
    assert becomes(service, start(service, "bad"), "Failed")
    assert becomes(service, good := start(service, "good"), "Succeeded")

    def told(kind: str) -> list[str]:
        wanted = f"CodePipeline {kind} Execution State Change"
        return [event[3]["state"] for event in events if event[2] == wanted]

    assert eventually(lambda: len(told("Pipeline")) == 4)
    assert told("Pipeline") == ["STARTED", "FAILED", "STARTED", "SUCCEEDED"]
    assert told("Stage") == ["STARTED", "FAILED", *["STARTED", "SUCCEEDED"] * 2]
    assert told("Action") == ["STARTED", "FAILED", *["STARTED", "SUCCEEDED"] * 2]
    scope, source, _, detail, resources = events[-1]
    assert (scope, source) == (SCOPE, "aws.codepipeline")
    assert (detail["pipeline"], detail["execution-id"]) == ("release", good)
    assert resources == ["arn:aws:codepipeline:eu-west-1:000000000000:release"]


class TestService:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"pipelineType": "V1"}, "it is of type V1"),
            ({"executionMode": "PARALLEL"}, "PARALLEL: use"),
            ({"artifactStore": None}, "artifactStore"),
        ],
    )
    def test_what_does_not_run_here_is_refused(
        self, service: CodePipeline, changes: dict[str, Any], message: str
    ) -> None:
        declared = {key: value for key, value in {**TWO_STAGES, **changes}.items() if value}
        with pytest.raises(RefusedError, match=message):
            service.create(declared)

    def test_all_faults_come_together(self, service: CodePipeline) -> None:
        other = action("One", "x")
        other["actionTypeId"]["provider"] = "ECS"
        declared = structure([other], [action("Two", "x")], pipelineType="V1")
        declared["stages"][1]["onFailure"] = {"result": "ROLLBACK"}
        with pytest.raises(RefusedError, match=r"V1.*First\.One: Build by ECS; Second: onFailure"):
            service.create(declared)

    def test_a_variable_without_a_value_is_refused(self, service: CodePipeline) -> None:
        service.create(TWO_STAGES)
        with pytest.raises(RefusedError, match="N has no value"):
            service.do("StartPipelineExecution", {"name": "release"})
        with pytest.raises(RefusedError, match="M is not declared"):
            service.do(
                "StartPipelineExecution",
                {"name": "release", "variables": [{"name": "M", "value": "1"}]},
            )

    def test_creation_starts_it_where_every_variable_has_a_default(
        self, service: CodePipeline, gate: Gate
    ) -> None:
        service.create(TWO_STAGES)
        assert service.do("ListPipelineExecutions", {"pipelineName": "release"}) == {
            "pipelineExecutionSummaries": []
        }
        service.remove("release")
        service.create({**TWO_STAGES, "variables": [{"name": "N", "defaultValue": "none"}]})
        (summary,) = service.do("ListPipelineExecutions", {"pipelineName": "release"})[
            "pipelineExecutionSummaries"
        ]
        assert summary["trigger"]["triggerType"] == "CreatePipeline"
        assert eventually(asked(gate, "first-none"))

    def test_a_rule_starts_it(self, service: CodePipeline, gate: Gate) -> None:
        arn = service.create(TWO_STAGES).arn
        service.start_for_rule(arn, {"variables": [{"name": "N", "value": "9"}]}, "arn:rule")
        assert eventually(asked(gate, "first-9"))
        (summary,) = service.do("ListPipelineExecutions", {"pipelineName": "release"})[
            "pipelineExecutionSummaries"
        ]
        assert summary["trigger"] == {
            "triggerType": "CloudWatchEvent",
            "triggerDetail": "arn:rule",
        }

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"actionName": "Two"}, "Two is no source action"),
            ({"revisionType": "COMMIT_ID"}, "COMMIT_ID does not run here"),
        ],
    )
    def test_a_revision_is_of_an_object_of_a_source(
        self, service: CodePipeline, changes: dict[str, str], message: str
    ) -> None:
        service.create(structure([SOURCE], [action("Two", "end")]))
        given = {**revision("App", "v1"), **changes}
        with pytest.raises(RefusedError, match=message):
            service.do(
                "StartPipelineExecution",
                {
                    "name": "release",
                    "variables": [{"name": "N", "value": "1"}],
                    "sourceRevisions": [given],
                },
            )

    def test_a_pipeline_of_a_template(self, service: CodePipeline) -> None:
        kind = {"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1"}
        build = {
            "Name": "One",
            "ActionTypeId": kind,
            "Configuration": {"Asked": "x", "BatchEnabled": False},
            "RunOrder": "2",
        }
        properties = {
            "Name": "release",
            "RoleArn": ROLE,
            "PipelineType": "V2",
            "ArtifactStore": {"Type": "S3", "Location": "store"},
            "Variables": [{"Name": "N"}],
            "Stages": [
                {"Name": "First", "Actions": [build]},
                {"Name": "Second", "Actions": [{**build, "Name": "Two"}]},
            ],
        }
        resource = PipelineResource(service)
        created = resource.create("Pipeline", properties, "stack")
        assert created == ("release", {"Version": "1"})
        kept = service.do("GetPipeline", {"name": "release"})["pipeline"]
        (first,) = kept["stages"][0]["actions"]
        assert first["runOrder"] == 2
        assert first["configuration"] == {"Asked": "x", "BatchEnabled": "false"}
        same = resource.update("release", properties, properties, "stack", "Pipeline")
        assert same.attributes == {"Version": "1"}
        changed = resource.update(
            "release", properties, {**properties, "ExecutionMode": "QUEUED"}, "stack", "Pipeline"
        )
        assert changed.attributes == {"Version": "2"}
        resource.delete("release", properties)
        assert service.do("ListPipelines", {}) == {"pipelines": []}


class TestActions:
    """What carries actions out: an object of S3, and a real build."""

    def test_from_an_object_to_what_a_build_makes_of_it(self, host: Emulated) -> None:
        spec = (
            "{version: 0.2, env: {exported-variables: [HEADLINE]}, phases: {build: {commands:"
            " ['HEADLINE=\"$(cat given) by $WHO\"', 'echo $HEADLINE > made']}},"
            " artifacts: {files: [made]}}"
        )
        codebuild = CodeBuild(host, lambda *_: None)
        codebuild.create(project(spec))
        host.s3.put_object("sources", "app.zip", zipped(given="something"))
        approvals = Approvals(host)
        service = CodePipeline(
            Actions(host, codebuild, approvals).by_provider, approvals, lambda *_: None
        )
        who = json.dumps([{"name": "WHO", "value": "#{variables.N}", "type": "PLAINTEXT"}])
        build = action(
            "Make",
            "",
            configuration={"ProjectName": "builder", "EnvironmentVariables": who},
            inputArtifacts=[{"name": "Source"}],
            outputArtifacts=[{"name": "Made"}],
            namespace="Make",
        )
        again = {**build, "name": "Again", "inputArtifacts": [{"name": "Made"}]}
        again = {**again, "outputArtifacts": [], "namespace": "Again"}
        service.create(structure([SOURCE], [build], [again]))
        one = start(service, "ana")
        # The second build is not given what the first was.
        assert eventually(lambda: execution(service, one)["status"] == "Failed", 20)
        details = service.do("ListActionExecutions", {"pipelineName": "release"})
        failed, made, read = details["actionExecutionDetails"]
        assert read["output"]["outputVariables"]["VersionId"] == "v1"
        assert made["output"]["outputVariables"] == {"HEADLINE": "something by ana"}
        error = failed["output"]["executionResult"]["errorDetails"]
        assert error["code"] == "JobFailed"
        assert "Build terminated with state: FAILED. BUILD: COMMAND_EXECUTION" in error["message"]
        host.stop()

    def test_a_rule_names_the_version_and_steps_are_told_which(
        self, host: Emulated, gate: Gate
    ) -> None:
        approvals = Approvals(host)
        sources = Actions(host, CodeBuild(host, lambda *_: None), approvals).by_provider
        actions = {**sources, "CodeBuild": gate.perform}
        service = CodePipeline(actions, approvals, lambda *_: None)
        told = action("Two", "#{App.VersionId}")
        arn = service.create(structure([{**SOURCE, "namespace": "App"}], [told])).arn
        for content in ("first", "second", "third"):
            host.s3.put_object("sources", "app.zip", zipped(given=content))
        given = {"variables": [{"name": "N", "value": "1"}]}
        for version in ("v2", "v1"):
            revisions = {"sourceRevisions": [revision("App", version)]}
            service.start_for_rule(arn, {**given, **revisions}, "arn:rule")
            assert eventually(asked(gate, version))
            gate.open(version)
        service.start_for_rule(arn, given, "arn:rule")
        assert eventually(asked(gate, "v3"))

    def test_an_object_that_is_not_there(self, host: Emulated) -> None:
        approvals = Approvals(host)
        actions = Actions(host, CodeBuild(host, lambda *_: None), approvals).by_provider
        with request_scope(*SCOPE):
            execution = Execution({"name": "x"}, 1, SCOPE, {}, {})
        run = ActionRun("First", {"name": "App"})
        run.configuration = {"S3Bucket": "sources", "S3ObjectKey": "none.zip"}
        with pytest.raises(ActionError, match=r"s3://sources/none\.zip cannot be read"):
            actions["S3"](execution, run)
