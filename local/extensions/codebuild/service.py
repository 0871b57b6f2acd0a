"""The service, and its resource type."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.extensions import hooks
from local.extensions.codebuild.artifacts import Place, place_of
from local.extensions.codebuild.builds import Build, Run, new_record
from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.json_service import JsonService, Record, RefusedError, invalid
from local.host import Host

PREFIX = "CodeBuild_20161006."
TIMEOUT_MINUTES = 60
OVERRIDES = {
    "artifactsOverride": "artifacts",
    "buildspecOverride": "buildspec",
    "environmentVariablesOverride": "variables",
    "sourceLocationOverride": "location",
    "sourceTypeOverride": "type",
    "sourceVersion": "version",
    "timeoutInMinutesOverride": "timeoutInMinutes",
}
"""What of a project a build may have otherwise here."""


class CodeBuild(JsonService):
    """CodeBuild, as far as the platform and its tests ask for it.

    Parameters
    ----------
    host
        Where builds run.
    publish
        Given each event: its scope, source, type, detail and resources.
    """

    def __init__(self, host: Host, publish: Callable[..., None] = hooks.publish_event) -> None:
        super().__init__(
            "codebuild",
            PREFIX,
            {
                "CreateProject": self._create_project,
                "BatchGetProjects": self._projects_of,
                "ListProjects": lambda _: {"projects": sorted(self.projects)},
                "StartBuild": self._start_build,
                "StopBuild": self._stop_build,
                "BatchGetBuilds": self._builds_of,
                "ListBuilds": lambda _: {"ids": [build.record["id"] for build in self._newest()]},
                "ListBuildsForProject": self._of_project,
            },
        )
        self.projects: dict[str, Record] = {}
        self._host = host
        self._publish = publish
        self._builds: dict[str, Build] = {}
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()

    def create(self, project: Record) -> Record:
        """Keep a project.

        Raises
        ------
        RefusedError
            Where its environment asks for what does not run here.
        """
        _plain(project["environment"].get("environmentVariables", []))
        account, region = account_and_region()
        arn = f"arn:aws:codebuild:{region}:{account}:project/{project['name']}"
        kept = {"timeoutInMinutes": TIMEOUT_MINUTES, **project, "arn": arn, "created": time.time()}
        self.projects[project["name"]] = kept
        return kept

    def project(self, name: str) -> Record:
        """A project, by its name or its ARN.

        Raises
        ------
        RefusedError
            Where there is none.
        """
        found = self.projects.get(name.rpartition("project/")[2])
        if found is None:
            raise RefusedError("ResourceNotFoundException", f"Project cannot be found: {name}")
        return found

    def start(
        self,
        project: Mapping[str, Any],
        variables: Sequence[Mapping[str, Any]],
        initiator: str,
        sources: Mapping[str, Place],
        outputs: Mapping[str, Place],
    ) -> Build:
        """Start a build.

        Parameters
        ----------
        project
            Its project, with what its starter has overridden.
        variables
            What its environment has otherwise than the project's.
        initiator
            Who starts it.
        sources, outputs
            What it is given, and where it leaves its files; see `Build`.
        """
        given = project["environment"].get("environmentVariables", [])
        merged = {**_plain(given), **_plain(variables)}
        name = project["name"]
        with self._lock:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
        record = new_record(
            project, account_and_region(), f"{name}:{uuid.uuid4()}", number, initiator
        )
        record["environment"] = {
            **record["environment"],
            "environmentVariables": [
                {"name": key, "value": value, "type": "PLAINTEXT"} for key, value in merged.items()
            ],
        }
        build = Build(
            record,
            account_and_region(),
            project["source"].get("buildspec", ""),
            merged,
            sources,
            outputs,
        )
        self._builds[record["id"]] = build
        threading.Thread(
            target=Run(self._host, build, self._changed).run, name=record["id"], daemon=True
        ).start()
        return build

    def start_for_rule(self, arn: str, given: Mapping[str, Any], rule: str) -> None:
        """Start a build for a rule of EventBridge, whose input are the parameters of StartBuild.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
        """
        self.do("StartBuild", {**given, "projectName": arn.rpartition("project/")[2]})

    def _create_project(self, request: Mapping[str, Any]) -> Record:
        if request["name"] in self.projects:
            raise RefusedError("ResourceAlreadyExistsException", f"{request['name']} exists.")
        return {"project": self.create(dict(request))}

    def _projects_of(self, request: Mapping[str, Any]) -> Record:
        names = [name.rpartition("project/")[2] for name in request["names"]]
        return {
            "projects": [self.projects[name] for name in names if name in self.projects],
            "projectsNotFound": [name for name in names if name not in self.projects],
        }

    def _start_build(self, request: Mapping[str, Any]) -> Record:
        unknown = set(request) - set(OVERRIDES) - {"projectName"}
        if unknown:
            raise invalid(f"{', '.join(sorted(unknown))}: not overridden on this machine.")
        kept = self.project(request["projectName"])
        asked = {OVERRIDES[key]: value for key, value in request.items() if key in OVERRIDES}
        source = dict(kept["source"])
        source |= {key: asked[key] for key in ("buildspec", "location", "type") if key in asked}
        project = {**kept, "source": source}
        project |= {key: asked[key] for key in ("artifacts", "timeoutInMinutes") if key in asked}
        kinds = {source["type"], project["artifacts"]["type"]}
        if "CODEPIPELINE" in kinds:
            # https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
            raise RefusedError(
                "InvalidInputException",
                f"Project {kept['name']} takes its files from a pipeline, which is what starts it:"
                " give sourceTypeOverride and artifactsOverride to start it otherwise.",
            )
        sources: dict[str, Place] = {}
        if source["type"] == "S3":
            sources["source"] = place_of(source["location"], asked.get("version", ""))
        elif source["type"] != "NO_SOURCE":
            raise invalid(f"A source of type {source['type']} is not fetched on this machine.")
        outputs: dict[str, Place] = {}
        if project["artifacts"]["type"] == "S3":
            outputs["artifact"] = _left_at(project["artifacts"], kept["name"])
        build = self.start(project, asked.get("variables", []), "user", sources, outputs)
        return {"build": build.record}

    def _stop_build(self, request: Mapping[str, Any]) -> Record:
        build = self._builds.get(_id(request["id"]))
        if build is None:
            raise RefusedError("ResourceNotFoundException", f"There is no build {request['id']}.")
        build.stop.set()
        return {"build": build.record}

    def _builds_of(self, request: Mapping[str, Any]) -> Record:
        ids = [_id(each) for each in request["ids"]]
        return {
            "builds": [self._builds[each].record for each in ids if each in self._builds],
            "buildsNotFound": [each for each in ids if each not in self._builds],
        }

    def _of_project(self, request: Mapping[str, Any]) -> Record:
        name = self.project(request["projectName"])["name"]
        found = [each.record["id"] for each in self._newest() if each.record["projectName"] == name]
        return {"ids": found[::-1] if request.get("sortOrder") == "ASCENDING" else found}

    def _newest(self) -> list[Build]:
        """All builds, the newest first."""
        return list(self._builds.values())[::-1]

    def _changed(self, build: Build) -> None:
        """Tell of a build's status.

        https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
        """
        record = build.record
        detail = {
            "build-status": record["buildStatus"],
            "project-name": record["projectName"],
            "build-id": record["arn"],
            "current-phase": record["currentPhase"],
            "additional-information": {
                "build-number": record["buildNumber"],
                "build-complete": record["buildComplete"],
                "initiator": record["initiator"],
                "phases": [
                    {
                        "phase-type": phase["phaseType"],
                        "phase-status": phase.get("phaseStatus", ""),
                        "phase-context": [each["message"] for each in phase.get("contexts", [])],
                    }
                    for phase in record["phases"]
                ],
            },
            "version": "1",
        }
        self._publish(
            build.scope, "aws.codebuild", "CodeBuild Build State Change", detail, [record["arn"]]
        )


class Project:
    """``AWS::CodeBuild::Project``.

    Parameters
    ----------
    service
        Where it is kept.
    """

    def __init__(self, service: CodeBuild) -> None:
        self._service = service

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Keep it."""
        name = properties.get("Name") or hooks.made_name(stack, logical_id)
        shape = self._service.model.input("CreateProject")
        request = self._service.model.from_template(shape, {**properties, "Name": name})
        self._service.model.checked("CreateProject", request)
        return Created(name, {"Arn": self._service.create(request)["arn"]})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Replace it."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget it; a build that runs goes on."""
        self._service.projects.pop(physical_id, None)


def _plain(variables: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Variables as an environment has them."""
    others = [each["name"] for each in variables if each.get("type", "PLAINTEXT") != "PLAINTEXT"]
    if others:
        raise invalid(
            f"{', '.join(others)}: no plain text. Have the program read its secrets with its role."
        )
    return {each["name"]: each["value"] for each in variables}


def _left_at(artifacts: Mapping[str, Any], project: str) -> Place:
    """Where a build of an S3 artifact leaves it.

    https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectArtifacts.html
    """
    if artifacts.get("packaging") != "ZIP":
        raise invalid("Artifacts are left as one file here: set their packaging to ZIP.")
    parts = (artifacts.get("path", "").strip("/"), artifacts.get("name") or project)
    return Place(artifacts["location"], "/".join(part for part in parts if part))


def _id(build: str) -> str:
    """The id of a build that may be named by its ARN."""
    return build.rpartition("build/")[2]
