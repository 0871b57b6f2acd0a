"""Builds: what one is, as the service describes it, and how one goes through its phases.

https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.extensions.codebuild.artifacts import ArtifactError, Place, fetch, leave
from local.extensions.codebuild.buildspec import (
    PHASES,
    Buildspec,
    BuildspecError,
    Files,
    Phase,
    read_buildspec,
)
from local.extensions.codebuild.output import Output
from local.extensions.codebuild.shell import Shell, ShellError
from local.extensions.hooks import Scope
from local.extensions.json_service import Record
from local.host import Host
from local.processes import Process
from local.state import ROOT

DEFAULT_BUILDSPEC = "buildspec.yml"
SUCCEEDED, FAILED, STOPPED, TIMED_OUT = "SUCCEEDED", "FAILED", "STOPPED", "TIMED_OUT"
IN_PROGRESS = "IN_PROGRESS"

AFTER_STOP, AFTER_TIME = "the build was stopped", "the build timed out"
ENDS = {AFTER_STOP: (STOPPED, "BUILD_STOPPED"), AFTER_TIME: (TIMED_OUT, "BUILD_TIMED_OUT")}
"""Status and code of a build whose command was stopped, by the reason."""

log = logging.getLogger(__name__)


class _PhaseError(Exception):
    """Why a phase failed, with the code that the service has for it."""

    def __init__(self, code: str, message: str, status: str = FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass
class Build:
    """A build.

    Parameters
    ----------
    record
        As ``BatchGetBuilds`` describes it.
    scope
        Its account and region.
    buildspec
        Its buildspec, or the path of that in the source.
    variables
        What its environment is given by the project and by whoever started it.
    sources
        What it is given, by the names of its inputs; the first is its own.
    outputs
        Where it leaves its files, by the names of its artifacts.
    """

    record: Record
    scope: Scope
    buildspec: str
    variables: Mapping[str, str]
    sources: Mapping[str, Place] = field(default_factory=dict)
    outputs: Mapping[str, Place] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> str:
        """Its status."""
        return str(self.record["buildStatus"])

    @property
    def exported(self) -> dict[str, str]:
        """The variables that it exports."""
        listed = self.record.get("exportedEnvironmentVariables", [])
        return {variable["name"]: variable["value"] for variable in listed}

    @property
    def reason(self) -> str:
        """Why it failed: the first failure of a phase, with what was said."""
        for phase in self.record["phases"]:
            for context in phase.get("contexts", []):
                if context["message"]:
                    return f"{phase['phaseType']}: {context['statusCode']}: {context['message']}"
        return ""


class Run:
    """One build, on this machine.

    Parameters
    ----------
    host
        The machine.
    build
        The build.
    changed
        Told of each change of its status.
    """

    def __init__(self, host: Host, build: Build, changed: Callable[[Build], None]) -> None:
        self._host = host
        self._build = build
        self._changed = changed
        name = f"{build.record['projectName']}-{build.record['buildNumber']}"
        self._folder = host.state.run / "builds" / name
        self._source = self._folder / "src"
        self._output = Output(host, build.scope[1], build.record["logs"], f"build-{name}.log")
        self._deadline = time.monotonic() + 60 * build.record["timeoutInMinutes"]
        self._environment: dict[str, str] = {}
        self._failed = ""
        self._why = ""

    def run(self) -> None:
        """Go through the phases."""
        record = self._build.record
        try:
            self._changed(self._build)
            self._work()
        except Exception as error:
            # Whatever happens, the build ends, and says why.
            log.exception("%s", record["id"])
            self._failed = FAILED
            self._context(record["phases"][-1], FAILED, "INTERNAL_ERROR", str(error))
        record["buildStatus"] = self._failed or SUCCEEDED
        record["endTime"] = time.time()
        record["currentPhase"] = "COMPLETED"
        record["buildComplete"] = True
        record["phases"].append({"phaseType": "COMPLETED", "startTime": time.time()})
        self._output.say(f"The build ended: {self._build.status}. {self._build.reason}")
        self._output.close()
        self._build.done.set()
        self._changed(self._build)

    def _work(self) -> None:
        with self._phase("DOWNLOAD_SOURCE"):
            spec = self._prepare()
        if self._failed:
            return
        shell = Shell(spec.env.shell, self._folder / "shell", self._starter(spec))
        try:
            reached = self._run_phases(spec, shell)
            self._export(spec, shell)
        finally:
            shell.close()
        # "The UPLOAD_ARTIFACTS phase is always attempted, even if the BUILD phase fails."
        if reached and self._build.outputs:
            with self._phase("UPLOAD_ARTIFACTS"):
                self._upload(spec)

    def _prepare(self) -> Buildspec:
        s3 = self._host.client("s3", self._build.scope[1])
        self._source.mkdir(parents=True)
        try:
            for number, (name, place) in enumerate(self._build.sources.items()):
                fetch(s3, place, self._folder / name if number else self._source)
        except (ArtifactError, ClientError) as error:
            raise _PhaseError("CLIENT_ERROR", str(error)) from error
        text = self._build.buildspec or DEFAULT_BUILDSPEC
        try:
            if "\n" not in text and not text.lstrip().startswith("{"):
                file = self._source / text
                if not file.is_file():
                    raise _PhaseError("YAML_FILE_ERROR", f"{text} is not in the source")
                text = file.read_text(encoding="utf-8")
            return read_buildspec(text)
        except BuildspecError as error:
            raise _PhaseError("YAML_FILE_ERROR", str(error)) from error

    def _starter(self, spec: Buildspec) -> Callable[[Sequence[str]], Process]:
        record, (_, region) = self._build.record, self._build.scope
        environment = self._host.environment(region, self._folder / "home")
        programs = (ROOT / ".venv" / "bin", ROOT / "node_modules" / ".bin")
        path = ":".join([*map(str, programs), environment["PATH"]])
        others = list(self._build.sources)[1:]
        self._environment = {
            **environment,
            "PATH": path,
            # The packages of CDK, unpacked once: an image has them so.
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CI": "true",
            **spec.env.variables,
            **{name: self._host.here(it) for name, it in self._build.variables.items()},
            "CODEBUILD_BUILD_ARN": record["arn"],
            "CODEBUILD_BUILD_ID": record["id"],
            "CODEBUILD_BUILD_NUMBER": str(record["buildNumber"]),
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_INITIATOR": record["initiator"],
            "CODEBUILD_SRC_DIR": str(self._source),
            **{f"CODEBUILD_SRC_DIR_{name}": str(self._folder / name) for name in others},
        }

        def start(command: Sequence[str]) -> Process:
            return self._host.run(command, self._output.file, self._environment, self._source)

        return start

    def _run_phases(self, spec: Buildspec, shell: Shell) -> bool:
        """Run the commands; whether the build came to its last phase."""
        for name in PHASES:
            phase = spec.phases.get(name, Phase())
            with self._phase(name.upper()) as record:
                self._run_phase(phase, shell)
            if self._over:
                return False
            if record["phaseStatus"] == SUCCEEDED:
                continue
            self._environment["CODEBUILD_BUILD_SUCCEEDING"] = "0"
            self._do(shell, "CODEBUILD_BUILD_SUCCEEDING=0")
            if self._over:
                return False
            onward = name in ("build", "post_build")
            if phase.on_failure:
                onward = phase.on_failure == "CONTINUE"
            if not onward:
                return False
        return True

    def _run_phase(self, phase: Phase, shell: Shell) -> None:
        try:
            for command in phase.commands:
                self._command(shell, command)
        finally:
            if not self._over:
                for command in phase.at_end:
                    self._command(shell, command)

    def _command(self, shell: Shell, command: str) -> None:
        what = f"Error while executing command: {command.strip()}. Reason:"
        self._output.say(f"Running command {command.strip()}")
        status = self._do(shell, command)
        if self._over:
            ended, code = ENDS.get(self._why, (FAILED, "CONTAINER_ENDED"))
            raise _PhaseError(code, f"{what} {self._why}", ended)
        if status:
            raise _PhaseError("COMMAND_EXECUTION_ERROR", f"{what} exit status {status}")

    def _do(self, shell: Shell, command: str) -> int:
        """Run a command, unless that is stopped, or its shell killed: the build is over then."""
        try:
            return shell.run(command, self._stopped)
        except ShellError as error:
            self._why = str(error)
            self._failed = ENDS.get(self._why, (FAILED, ""))[0]
            return 1

    @property
    def _over(self) -> bool:
        return bool(self._why)

    def _stopped(self) -> str | None:
        self._output.flush()
        if self._build.stop.is_set():
            return AFTER_STOP
        return AFTER_TIME if time.monotonic() > self._deadline else None

    def _export(self, spec: Buildspec, shell: Shell) -> None:
        names = spec.env.exported_variables
        if self._over or not names:
            return
        found = []
        for name in names:
            file = self._folder / f"exported-{name}"
            self._do(shell, f"printf %s \"${{{name}-}}\" > '{file}'")
            if self._over:
                return
            found.append({"name": name, "value": file.read_text(encoding="utf-8")})
        self._build.record["exportedEnvironmentVariables"] = found

    def _upload(self, spec: Buildspec) -> None:
        s3 = self._host.client("s3", self._build.scope[1])
        try:
            for name, place in self._build.outputs.items():
                count = leave(s3, place, self._source, self._wanted(spec, name))
                self._output.say(f"Uploaded {count} files to s3://{place.bucket}/{place.key}")
        except (ArtifactError, BotoCoreError, ClientError) as error:
            raise _PhaseError("CLIENT_ERROR", str(error)) from error

    def _wanted(self, spec: Buildspec, name: str) -> Files:
        """The files of an artifact."""
        if name in spec.artifacts.secondary_artifacts:
            return spec.artifacts.secondary_artifacts[name]
        if len(self._build.outputs) > 1:
            raise ArtifactError(f"the buildspec has no artifact '{name}'")
        return spec.artifacts

    @contextmanager
    def _phase(self, name: str) -> Iterator[Record]:
        """A phase: when it began and ended, and how."""
        phase: Record = {"phaseType": name, "startTime": time.time()}
        self._build.record["phases"].append(phase)
        self._build.record["currentPhase"] = name
        self._output.say(f"Entering phase {name}")
        phase["phaseStatus"] = SUCCEEDED
        try:
            yield phase
        except _PhaseError as error:
            self._failed = self._failed or error.status
            self._context(phase, error.status, error.code, str(error))
        phase["endTime"] = time.time()
        phase["durationInSeconds"] = round(phase["endTime"] - phase["startTime"])
        self._output.say(f"Phase complete: {name} State: {phase['phaseStatus']}")

    def _context(self, phase: Record, status: str, code: str, message: str) -> None:
        self._output.say(message)
        phase["phaseStatus"] = status
        phase["contexts"] = [{"statusCode": code, "message": message}]


def new_record(
    project: Mapping[str, Any], scope: Scope, build_id: str, number: int, initiator: str
) -> Record:
    """The record of a build that begins.

    Parameters
    ----------
    project
        Its project, with what its starter has overridden.
    scope
        Its account and region.
    build_id
        Its id.
    number
        How many builds of the project there were, with this one.
    initiator
        Who started it.
    """
    account, region = scope
    now = time.time()
    group = project.get("logsConfig", {}).get("cloudWatchLogs", {}).get("groupName")
    return {
        "id": build_id,
        "arn": f"arn:aws:codebuild:{region}:{account}:build/{build_id}",
        "buildNumber": number,
        "startTime": now,
        "currentPhase": "SUBMITTED",
        "buildStatus": IN_PROGRESS,
        "buildComplete": False,
        "projectName": project["name"],
        "phases": [{"phaseType": "SUBMITTED", "phaseStatus": SUCCEEDED, "startTime": now}],
        "source": project["source"],
        "artifacts": project["artifacts"],
        "environment": project["environment"],
        "serviceRole": project["serviceRole"],
        "timeoutInMinutes": project["timeoutInMinutes"],
        "initiator": initiator,
        "logs": {
            "groupName": group or f"/aws/codebuild/{project['name']}",
            "streamName": build_id.rpartition(":")[2],
        },
    }
