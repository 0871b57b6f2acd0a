"""Builds: their commands are run, in order, and their end says what happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core.responses import request_scope

from local.extensions.codebuild.artifacts import Place
from local.extensions.codebuild.builds import Build
from local.extensions.codebuild.service import CodeBuild, Project
from local.extensions.json_service import RefusedError
from tests.conftest import ROOT
from tests.unit.local.codebuild.emulated import SCOPE, Emulated, project, unzipped, zipped
from tests.unit.local.test_processes import eventually, running


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Emulated]:
    host = Emulated(tmp_path)
    with request_scope(*SCOPE):
        yield host
    host.stop()


@pytest.fixture
def events() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def service(host: Emulated, events: list[tuple[Any, ...]]) -> CodeBuild:
    return CodeBuild(host, lambda *event: events.append(event))


def phases(**commands: str) -> str:
    """A buildspec with one command for each phase."""
    lines = [f"  {name}: {{commands: [{command!r}]}}" for name, command in commands.items()]
    return "\n".join(["version: 0.2", "phases:", *lines])


def ran(service: CodeBuild, spec: str, **request: Any) -> dict[str, Any]:
    """What is known of a build when it has ended."""
    return ended(service, begun(service, spec, **request))


def begun(service: CodeBuild, spec: str, **request: Any) -> str:
    service.create(project(spec))
    return str(service.do("StartBuild", {"projectName": "builder", **request})["build"]["id"])


def ended(service: CodeBuild, build: str) -> dict[str, Any]:
    def record() -> dict[str, Any]:
        found: dict[str, Any] = service.do("BatchGetBuilds", {"ids": [build]})["builds"][0]
        return found

    assert eventually(lambda: bool(record()["buildComplete"]), 20)
    return record()


def statuses(record: dict[str, Any]) -> dict[str, str]:
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in record["phases"]}


def said(host: Emulated) -> list[str]:
    """What the commands printed."""
    (file,) = host.state.logs.glob("build-*.log")
    return [line for line in file.read_text().splitlines() if not line.startswith("[Container]")]


def test_commands_run_in_order_and_each_finds_what_the_one_before_has_set(
    service: CodeBuild, host: Emulated
) -> None:
    spec = phases(
        install="export ONE=1; cd /",
        pre_build="echo one=$ONE in $(pwd)",
        build="echo $CODEBUILD_BUILD_ID",
        post_build="echo succeeding=$CODEBUILD_BUILD_SUCCEEDING",
    )
    record = ran(service, spec)
    assert record["buildStatus"] == "SUCCEEDED", record
    assert said(host) == ["one=1 in /", record["id"], "succeeding=1"]
    assert set(host.logs.lines) >= set(said(host))


def test_a_failing_command_ends_its_phase_and_after_build_post_build_still_runs(
    service: CodeBuild, host: Emulated
) -> None:
    spec = phases(build="echo before; (exit 3)", post_build="echo $CODEBUILD_BUILD_SUCCEEDING")
    record = ran(service, spec)
    assert record["buildStatus"] == "FAILED"
    assert statuses(record)["BUILD"] == "FAILED"
    assert statuses(record)["POST_BUILD"] == "SUCCEEDED"
    assert said(host) == ["before", "0"]
    (context,) = next(each for each in record["phases"] if each["phaseType"] == "BUILD")["contexts"]
    assert context["statusCode"] == "COMMAND_EXECUTION_ERROR"
    assert "exit status 3" in context["message"]


def test_after_a_phase_before_build_fails_nothing_more_runs(
    service: CodeBuild, host: Emulated
) -> None:
    record = ran(service, phases(install="false", build="echo never", post_build="echo never"))
    assert record["buildStatus"] == "FAILED"
    assert "BUILD" not in statuses(record)
    assert said(host) == []


def test_what_is_to_run_at_the_end_of_a_phase_runs_when_it_fails_too(
    service: CodeBuild, host: Emulated
) -> None:
    spec = (
        "{version: 0.2, phases: {build: {commands: ['false', echo never], finally: [echo last],"
        " on-failure: ABORT}, post_build: {commands: [echo never]}}}"
    )
    record = ran(service, spec)
    assert record["buildStatus"] == "FAILED"
    assert said(host) == ["last"]


def test_a_command_that_ends_the_shell_fails_as_any_other(
    service: CodeBuild, host: Emulated
) -> None:
    record = ran(service, phases(build="exit 4", post_build="echo after"))
    assert record["buildStatus"] == "FAILED"
    assert "exit status 4" in str(record["phases"])
    assert said(host) == ["after"]


def test_variables_of_the_project_the_buildspec_and_the_start(
    service: CodeBuild, host: Emulated
) -> None:
    spec = (
        "{version: 0.2, env: {variables: {A: spec, B: spec, C: spec}, exported-variables: [B]},"
        " phases: {build: {commands: ['echo $A $B $C', 'B=\"two words\"']}}}"
    )
    environment = project(spec)["environment"]
    given = [{"name": name, "value": "project"} for name in "BC"]
    service.create(project(spec, environment={**environment, "environmentVariables": given}))
    started = service.do(
        "StartBuild",
        {
            "projectName": "builder",
            "environmentVariablesOverride": [{"name": "C", "value": "start", "type": "PLAINTEXT"}],
        },
    )
    record = ended(service, started["build"]["id"])
    assert said(host) == ["spec project start"]
    assert record["exportedEnvironmentVariables"] == [{"name": "B", "value": "two words"}]


def test_nothing_of_this_machine_is_in_the_environment(
    service: CodeBuild, host: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    monkeypatch.setenv("PASSWORD", "secret")
    ran(service, phases(build="env"))
    lines = said(host)
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:1" in lines
    assert not [line for line in lines if line.startswith(("AWS_PROFILE", "PASSWORD"))]
    (path,) = [line for line in lines if line.startswith("PATH=")]
    assert "/.venv/bin:" in path


def test_a_build_takes_too_long(service: CodeBuild, host: Emulated) -> None:
    service.create(project(phases(build="sleep 60", post_build="echo never"), timeoutInMinutes=5))
    service.projects["builder"]["timeoutInMinutes"] = 0.01
    started = service.do("StartBuild", {"projectName": "builder"})
    record = ended(service, started["build"]["id"])
    assert record["buildStatus"] == "TIMED_OUT"
    assert statuses(record)["BUILD"] == "TIMED_OUT"
    assert said(host) == []


def child_of(host: Emulated) -> int:
    """The process that a build's command has started and named."""
    assert eventually(lambda: bool(said(host)))
    return int(said(host)[0])


def test_a_build_is_stopped_with_all_that_it_has_started(
    service: CodeBuild, host: Emulated
) -> None:
    build = begun(service, phases(build="sleep 60 & echo $!; wait", post_build="echo never"))
    assert eventually(lambda: bool(list(host.state.logs.glob("build-*.log"))))
    child = child_of(host)
    service.do("StopBuild", {"id": build})
    record = ended(service, build)
    assert record["buildStatus"] == "STOPPED"
    assert eventually(lambda: not running(child))
    assert len(said(host)) == 1


def test_a_killed_build_fails_and_runs_nothing_more(service: CodeBuild, host: Emulated) -> None:
    build = begun(service, phases(build="echo $$; sleep 60", post_build="echo never"))
    assert eventually(lambda: bool(list(host.state.logs.glob("build-*.log"))))
    os.killpg(child_of(host), signal.SIGKILL)
    record = ended(service, build)
    assert record["buildStatus"] == "FAILED"
    assert "signal 9 ended the build" in str(record["phases"])
    assert len(said(host)) == 1


def test_sources_are_unpacked_and_artifacts_packed(service: CodeBuild, host: Emulated) -> None:
    spec = (
        "{version: 0.2, phases: {build: {commands: ['cat deep/given > made', 'cp -r deep .deep',"
        " 'ls $CODEBUILD_SRC_DIR_second']}}, artifacts: {files: ['**/*'],"
        " exclude-paths: [deep/*]}}"
    )
    host.s3.put_object("bucket", "app.zip", zipped(deep__given="text", buildspec="x"))
    host.s3.put_object("bucket", "second.zip", zipped(other="1"))
    build = service.start(
        project(spec, timeoutInMinutes=5),
        [],
        "test",
        {"app": Place("bucket", "app.zip"), "second": Place("bucket", "second.zip")},
        {"out": Place("bucket", "out.zip")},
    )
    assert build.done.wait(20)
    assert build.status == "SUCCEEDED", build.reason
    assert said(host) == ["other"]
    left = unzipped(host.s3.get_object("bucket", "out.zip")["Body"].read())
    assert left == {"made": "text", "buildspec": "x", ".deep/given": "text"}


def outcome(service: CodeBuild, spec: str, source: bytes | None = None) -> Build:
    host = service._host
    assert isinstance(host, Emulated)
    sources = {}
    if source is not None:
        host.s3.put_object("bucket", "app.zip", source)
        sources["app"] = Place("bucket", "app.zip")
    build = service.start(project(spec, timeoutInMinutes=5), [], "test", sources, {})
    assert build.done.wait(20)
    return build


def test_the_buildspec_is_a_file_of_the_source(service: CodeBuild, host: Emulated) -> None:
    source = zipped(ci__spec=phases(build="echo from a file"))
    assert outcome(service, "ci/spec", source).status == "SUCCEEDED"
    assert said(host) == ["from a file"]


@pytest.mark.parametrize(
    ("spec", "source", "message"),
    [
        ("other.yml", zipped(a="1"), "YAML_FILE_ERROR: other.yml is not in the source"),
        ("a: [\n", None, "YAML_FILE_ERROR: The buildspec is no YAML"),
        ("version: 0.2\nreports: {}", None, "reports: Extra inputs are not permitted"),
        ("version: 0.1\n", None, "version: Input should be greater than"),
        ("a", b"no zip", "CLIENT_ERROR: s3://bucket/app.zip is no zip"),
    ],
)
def test_a_build_that_cannot_begin_says_why(
    service: CodeBuild, spec: str, source: bytes | None, message: str
) -> None:
    build = outcome(service, spec, source)
    assert build.status == "FAILED"
    assert message in build.reason


def test_an_artifact_without_files_fails(service: CodeBuild) -> None:
    spec = "{version: 0.2, phases: {}, artifacts: {files: [nothing]}}"
    out = {"out": Place("bucket", "out.zip")}
    build = service.start(project(spec, timeoutInMinutes=5), [], "test", {}, out)
    assert build.done.wait(20)
    assert build.status == "FAILED"
    assert "no matching artifact paths found: nothing" in build.reason


def test_events_tell_of_the_beginning_and_the_end(
    service: CodeBuild, events: list[tuple[Any, ...]]
) -> None:
    record = ran(service, phases(build="false"))
    assert eventually(lambda: len(events) == 2)
    scope, source, kind, _, resources = events[1]
    assert (scope, source, kind) == (SCOPE, "aws.codebuild", "CodeBuild Build State Change")
    assert resources == [record["arn"]]
    assert [event[3]["build-status"] for event in events] == ["IN_PROGRESS", "FAILED"]


class TestService:
    def test_lists_the_newest_first(self, service: CodeBuild) -> None:
        first = begun(service, phases(build="true"))
        second = service.do("StartBuild", {"projectName": "builder"})["build"]["id"]
        asked = {"projectName": "builder"}
        assert service.do("ListBuildsForProject", asked)["ids"] == [second, first]
        ended(service, first)
        assert ended(service, second)["buildNumber"] == 2

    def test_what_does_not_run_here_is_refused(self, service: CodeBuild) -> None:
        service.create(project(phases(build="true")))
        with pytest.raises(RefusedError, match="not overridden on this machine"):
            service.do("StartBuild", {"projectName": "builder", "privilegedModeOverride": True})
        with pytest.raises(RefusedError, match="nothing pretends"):
            service.do("StartBuildBatch", {"projectName": "builder"})
        with pytest.raises(RefusedError, match="cannot be found"):
            service.do("StartBuild", {"projectName": "other"})
        secret = [{"name": "A", "value": "a", "type": "SECRETS_MANAGER"}]
        with pytest.raises(RefusedError, match="A: no plain text"):
            service.do(
                "StartBuild",
                {"projectName": "builder", "environmentVariablesOverride": secret},
            )

    def test_a_rule_starts_a_build(self, service: CodeBuild, host: Emulated) -> None:
        service.create(project(phases(build="echo $STEP")))
        override = [{"name": "STEP", "value": "close", "type": "PLAINTEXT"}]
        arn = service.projects["builder"]["arn"]
        service.start_for_rule(arn, {"environmentVariablesOverride": override}, "rule")
        (build,) = service.do("ListBuilds", {})["ids"]
        assert ended(service, build)["buildStatus"] == "SUCCEEDED"
        assert said(host) == ["close"]

    def test_a_project_of_a_template(self, service: CodeBuild) -> None:
        properties = {
            "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"},
            "Artifacts": {"Type": "NO_ARTIFACTS"},
            "Environment": {
                "Type": "LINUX_CONTAINER",
                "Image": "ours",
                "ComputeType": "BUILD_GENERAL1_SMALL",
                "EnvironmentVariables": [{"Name": "A", "Value": "a", "Type": "PLAINTEXT"}],
                "PrivilegedMode": "false",
            },
            "ServiceRole": "arn:aws:iam::000000000000:role/build",
            "TimeoutInMinutes": "20",
        }
        created = Project(service).create("Builder", properties, "stack")
        kept = service.projects[created.physical_id]
        assert created.attributes["Arn"] == kept["arn"]
        assert kept["source"]["buildspec"] == "version: 0.2"
        assert kept["timeoutInMinutes"] == 20
        assert kept["environment"]["privilegedMode"] is False
        Project(service).delete(created.physical_id, properties)
        assert service.projects == {}


def test_a_build_ends_when_the_platform_is_killed(tmp_path: Path) -> None:
    """Nothing of it is left, though nobody could stop it."""
    program = tmp_path / "platform.py"
    program.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from local.extensions.codebuild.shell import Shell\n"
        "from local.processes import Process\n"
        "import os\n"
        "folder = Path(sys.argv[1])\n"
        "start = lambda words: Process(words, folder / 'log', dict(os.environ), folder)\n"
        "command = 'sleep 60 & echo $!; wait'\n"
        "Shell('sh', folder / 'shell', start).run(command, lambda: None)\n"
    )
    folder = tmp_path / "state"
    folder.mkdir()
    platform = subprocess.Popen(
        [sys.executable, str(program), str(folder)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    log = folder / "log"
    assert eventually(lambda: log.is_file() and bool(log.read_text().strip()))
    child = int(log.read_text())
    assert running(child)
    platform.kill()
    platform.wait()
    began = time.monotonic()
    assert eventually(lambda: not running(child)), time.monotonic() - began
