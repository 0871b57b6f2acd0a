"""A platform of several stacks, one of which serves iris, and the pipeline that changes it.

An update of a stack begins and ends by itself: who is killed in between finds it over later.
"""

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffing.model import Change as Difference
from diffing.model import Naming, Section
from operations.errors import OperationError
from operations.records import write_images
from operations.source import APP, PROPOSED
from releasing.__main__ import PLATFORM_STEPS
from releasing.platform_change import PROPOSAL, Change, Proposal
from releasing.prepare import ASSEMBLY, RELEASES, VARIABLES
from releasing.services import Services
from releasing.settings import Settings
from tests.unit.releasing.world import (
    IMAGE,
    FakeCdk,
    FakeCodePipeline,
    FakeDifference,
    FakeStack,
    World,
    refused,
)
from tests.unit.releasing.world import (
    RELEASES as BUCKET,
)

NEEDS = {
    "Network": [],
    "Data": ["Network"],
    "Tracking": ["Network", "Data"],
    "Api": ["Network", "Data"],
    "Endpoint-iris": ["Network", "Data"],
    "Client-databricks": ["Network", "Data", "Tracking"],
    "Release": ["Network", "Data", "Tracking", "Api"],
}
IRIS, FIG, KIWI = "Endpoint-iris", "Endpoint-fig", "Endpoint-kiwi"
DEPLOYED = tuple(it for it in NEEDS if not it.startswith("Client-"))
"""What is deployed at first, in its order."""

DESTROYS = -1
"""The value of a stack that destroys something."""


class FakeCloudFormation:
    """Every stack of the platform."""

    def __init__(self, world: "PlatformWorld") -> None:
        self._world = world

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        return self._stack(StackName).describe_stacks(StackName)

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:  # noqa: N803
        return self._stack(StackName).get_template(StackName, TemplateStage)

    def get_paginator(self, operation: str) -> Any:
        return self._world.stack.get_paginator(operation)

    def _stack(self, name: str) -> FakeStack:
        for stack in self._world.stacks.values():
            if stack.name == name:
                return stack
        raise refused("ValidationError", f"Stack with id {name} does not exist")


class FakePlatformPipeline(FakeCodePipeline):
    """The pipeline of the platform."""

    name, variable = "private-mlops-dev-platform", "PROPOSAL"


class FakePipelines:
    """Both pipelines, each asked by its name."""

    def __init__(self, *pipelines: FakeCodePipeline) -> None:
        self._pipelines = {it.name: it for it in pipelines}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(**words: Any) -> Any:
            pipeline = self._pipelines[words.get("pipelineName") or words["name"]]
            return getattr(pipeline, operation)(**words)

        return call


class FakePlatformCdk(FakeCdk):
    """Assemblies of every stack, of which each has one value that its app says."""

    def __init__(self, world: "PlatformWorld") -> None:
        super().__init__(world)
        self._platform = world

    def synth(self, releases: Path, assembly: Path, *, only: str = "") -> None:
        needs_of = self._platform.needs
        if only:
            super().synth(releases, assembly, only=only)
            return
        super().synth(releases, assembly, only="iris")
        artifacts: dict[str, Any] = {"Network.assets": {"type": "cdk:asset-manifest"}}
        for stack, needs in needs_of.items():
            file = f"{stack}.template.json"
            if stack != IRIS:
                text = json.dumps(self._platform.made_of(stack, assembly))
                (assembly / file).write_text(text)
            artifacts[stack] = {
                "type": "aws:cloudformation:stack",
                "environment": "aws://111111111111/ap-northeast-1",
                "properties": {
                    "templateFile": file,
                    "stackName": self._platform.environment.naming.stack(stack),
                },
                "dependencies": [f"{stack}.assets", *needs],
            }
        (assembly / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))

    def deploy(self, assembly: Path, *stacks: str) -> None:
        world = self._platform
        if not (assembly / "Network.template.json").is_file():
            before = world.stack.updated
            super().deploy(assembly, *stacks)
            if world.stack.updated != before:
                world.changed.append(IRIS)
            return
        begun = [stack for stack in stacks if self._begin(stack, assembly)]
        world.at_once.append(len(begun))
        failed = []
        for stack in begun:
            with world.boundaries.effect(f"end of the update of {stack}"):
                world.end_update(stack)
            if world.stacks[stack].status == "UPDATE_ROLLBACK_COMPLETE":
                failed.append(stack)
            else:
                world.updated(stack)
        if failed:
            raise OperationError("'cdk deploy' ended with status 1.", "See its output.")

    def _begin(self, stack: str, assembly: Path) -> bool:
        """Begin the update of a stack, unless it is as it is to be; whether that was needed."""
        world = self._platform
        with world.boundaries.effect(f"update of {stack}"):
            held = world.stacks[stack]
            template = json.loads((assembly / f"{stack}.template.json").read_text())
            if held.template == template:
                return False
            world.changed.append(stack)
            held.status, held.updated = "UPDATE_IN_PROGRESS", world.tick()
            world.moving[stack] = template
        return True


class PlatformWorld(World):
    """A platform that is deployed as an app called ``first`` says, and what changes it.

    Parameters
    ----------
    folder
        Where builds have their workspaces.
    more
        Stacks of endpoints besides that of iris, which nobody releases.
    """

    def __init__(self, folder: Path, *more: str) -> None:
        self.needs = {**NEEDS, **dict.fromkeys(more, NEEDS[IRIS])}
        self.moving: dict[str, dict[str, Any]] = {}
        self.at_once: list[int] = []
        self.apps: dict[str, dict[str, int]] = {"first": {}}
        self.changed: list[str] = []
        self.broken: set[str] = set()
        self.updated: Callable[[str], None] = lambda stack: None
        super().__init__(folder)
        self.platform = FakePlatformPipeline(self)
        self.stacks = {
            stack: FakeStack(self, self.environment.naming.stack(stack), "CREATE_COMPLETE", 1)
            for stack in (*DEPLOYED, *more)
        }
        for held in self.stacks.values():
            held.template = {"value": 0}
        self.stacks[IRIS] = self.stack
        for image in self.environment.images:
            self.ecr.keep(f"private-mlops/dev/{image}", IMAGE)
        write_images(folder / "committed", "dev", dict.fromkeys(self.environment.images, IMAGE))
        self.s3.write(BUCKET, APP, zipped("first", ""))
        self.changed.clear()

    def services(self, execution: str = "") -> Services:
        services = super().services(execution)
        if not hasattr(self, "platform"):
            return services  # the first release comes before the rest of it
        return replace(
            services,
            cdk=FakePlatformCdk(self),
            cloudformation=FakeCloudFormation(self),
            codepipeline=FakePipelines(self.codepipeline, self.platform),
            sleep=self.wait,
        )

    def wait(self, seconds: float) -> None:
        """A process waits: what is being updated comes to its end, and others go on."""
        for stack in list(self.moving):
            self.end_update(stack)
        self.meanwhile()

    def end_update(self, stack: str) -> None:
        """An update comes to its end, if it has not yet, whoever still looks at it."""
        template = self.moving.pop(stack, None)
        if template is None:
            return
        held = self.stacks[stack]
        version = template["served"]["model"][1] if stack == IRIS else 0
        if stack in self.broken or version in self.failing:
            held.status = "UPDATE_ROLLBACK_COMPLETE"
        else:
            held.status, held.template = "UPDATE_COMPLETE", template

    def made_of(self, stack: str, assembly: Path) -> dict[str, Any]:
        """What the app in a workspace says of a stack."""
        files = (it / PROPOSAL for it in assembly.parents)
        said = next((it.read_text() for it in files if it.is_file()), "")
        commit = json.loads(said)["commit"] if said else "first"
        return {"value": self.apps[commit].get(stack, 0)}

    def compare(self, before: Path, after: Path, naming: Naming) -> FakeDifference:
        made = {it.name: json.loads(it.read_text()) for it in after.glob("*.template.json")}
        there = {it.name: json.loads(it.read_text()) for it in before.glob("*.template.json")}
        names = [name for name in sorted(made) if made[name] != there.get(name)]
        stacks = {name: name.removesuffix(".template.json") for name in names}
        lost = tuple(
            Difference(Section.DELETED, stack, f"{stack}/Thing", "", "is deleted", True)
            for name, stack in stacks.items()
            if made[name]["value"] == DESTROYS
        )
        return FakeDifference(
            f"{len(names)} stacks change.",
            (*self.destructive, *lost),
            tuple(it for it in lost if not naming.names(it.path)),
            not names,
        )

    def propose(self, commit: str, /, **values: int) -> str:
        """Propose an app, with the value of each stack that it changes; its version."""
        return self.propose_named(commit, "", **values)

    def propose_named(self, commit: str, request: str, /, **values: int) -> str:
        """Propose an app whose request names what it destroys; its version."""
        latest = self.apps[max(self.apps, key=list(self.apps).index)]
        self.apps[commit] = {**latest, **{it.replace("_", "-"): n for it, n in values.items()}}
        return self.s3.write(BUCKET, PROPOSED, zipped(commit, request))

    def start(self, proposal: str) -> str:
        """An execution of the platform's pipeline that has started, with its files."""
        name = f"11111111-0000-0000-0000-{len(self.platform.promotions):012d}"
        self.platform.status[name] = "InProgress"
        self.platform.promotions[name] = proposal
        self._unpack(name, self.body(PROPOSED, proposal))
        return name

    def execution(self, promotion: str) -> str:
        """An execution of the endpoint's pipeline, with the app that releases are made with."""
        name = super().execution(promotion)
        if (BUCKET, APP) in self.s3.objects:
            self._unpack(name, self.body(APP))
        return name

    def platform_step(self, step: str, execution: str) -> str:
        """Run a step as a build does; how it ends."""
        told = {"execution": execution}
        if step != "platform-close":
            told["proposal"] = self.platform.promotions[execution]
        if step == "platform-deploy":
            told["digest"] = self.digest(execution)
            for made in (ASSEMBLY, RELEASES):  # it has the files of the proposal alone
                shutil.rmtree(self._workspace(execution) / made, ignore_errors=True)
        services, settings = self.services(execution), Settings("dev", **told)
        return self.ends(lambda: PLATFORM_STEPS[step](services, settings))

    def digest(self, execution: str) -> str:
        """What the first step of an execution exported of what it handed on."""
        exported = self._workspace(execution) / VARIABLES
        text = exported.read_text() if exported.is_file() else ""
        found = re.search(r"^export DIGEST=(\w*)$", text, re.MULTILINE)
        return found[1] if found else "none"

    def deploy_all(self, proposal: str, execution: str = "") -> str:
        """Run the pipeline of the platform to its end, and what closes it; how the change ended."""
        execution = execution or self.start(proposal)
        for step in ("platform-prepare", "platform-deploy"):
            if self.platform_step(step, execution) not in ("done", "overtaken"):
                self.platform.status[execution] = "Failed"
                self.platform_step("platform-close", execution)
                break
        else:
            self.platform.status[execution] = "Succeeded"
        return self.outcome_of(proposal)

    def change_of(self, proposal: str) -> Change:
        """A change as it was last written down."""
        history = self.services().changes.history()
        return next(it for it in history if it.version == proposal)

    def outcome_of(self, proposal: str) -> str:
        return self.change_of(proposal).outcome

    def body(self, key: str, version: str = "") -> bytes:
        versions = self.s3.objects[BUCKET, key]
        return next(it.body for it in versions if version in ("", it.version))

    @property
    def app(self) -> str:
        """The commit of the app that releases are made with."""
        with zipfile.ZipFile(io.BytesIO(self.body(APP))) as archive:
            return str(json.loads(archive.read(PROPOSAL))["commit"])

    @property
    def values(self) -> dict[str, int]:
        """The value of each stack that is deployed."""
        return {
            stack: held.template.get("value", 0)
            for stack, held in self.stacks.items()
            if held.template
        }

    def _workspace(self, execution: str) -> Path:
        return self.folder / f"workspace-{execution}"

    def _unpack(self, execution: str, body: bytes) -> None:
        workspace = self._workspace(execution)
        workspace.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            archive.extractall(workspace)


def zipped(commit: str, request: str) -> bytes:
    """An app that says what it is, and holds nothing else."""
    proposal = Proposal(commit=commit, changed=False, by="ana", reason="a try", request=request)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(PROPOSAL), proposal.model_dump_json())
    return packed.getvalue()
