"""Changes of the platform itself, from outside: proposed, approved, and deployed by its pipeline.

The tests build on each other, in their order: each finds the platform as the one before left it.
"""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.database import find_server
from local.platform import LocalPlatform, running_platform
from local.releasing import OVER, listen, notifications, provide_source, release_store
from local.state import ROOT, StateFolder
from operations.source import APP, PROPOSED, source_zip
from releasing.handed_on import HANDED_ON
from releasing.platform_change import Change, Changes
from tests.local.conftest import processes_naming
from tests.local.serving import until

STACKS = ("Network", "Data", "Tracking", "Api", "Release")
LONGEST = 400.0
"""Seconds that a change may take here."""


@dataclass(frozen=True)
class Changing:
    """A platform, a checkout of it, and who is told of its changes.

    Parameters
    ----------
    platform
        The platform.
    checkout
        A checkout, of which the environment may be edited.
    queue
        Hears what the platform's topic is told.
    """

    platform: LocalPlatform
    checkout: Path
    queue: str

    def edit(self, before: str, after: str) -> None:
        """Change the environment's file."""
        path = self.checkout / "environments" / "local.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1
        path.write_text(text.replace(before, after), encoding="utf-8")

    def run(self, *words: str) -> str:
        """Run a command of the checkout, as `make` does; what it printed."""
        environment = self.platform.program_environment(self.platform.state.run / "proposing")
        result = subprocess.run(
            [sys.executable, "-m", "releasing", *words, "--env", "local"],
            cwd=self.checkout,
            env={**environment, "COLUMNS": "300"},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def propose(self, reason: str) -> str:
        """Propose the checkout; the version of what is proposed."""
        self.run("platform", "--reason", reason)
        return release_store(self.platform).version(PROPOSED)

    def change(self, proposal: str, holds: Callable[[Change], bool]) -> Change:
        """The change that a proposal began, once something holds of it."""
        changes = Changes(release_store(self.platform))

        def look() -> Change | None:
            return changes.of(proposal)

        def there(it: Change | None) -> bool:
            return it is not None and (holds(it) or it.settled)

        found = until(look, there, LONGEST)
        assert isinstance(found, Change)
        assert holds(found), found
        return found

    def execution(self, proposal: str) -> dict[str, Any]:
        """The execution of a proposal, once it is over."""
        codepipeline = self.platform.client("codepipeline")
        name = self.platform.environment.naming.platform_pipeline

        def look() -> dict[str, Any]:
            execution = Changes(release_store(self.platform)).of(proposal)
            assert execution
            found: dict[str, Any] = codepipeline.get_pipeline_execution(
                pipelineName=name, pipelineExecutionId=execution.execution
            )["pipelineExecution"]
            return found

        over: dict[str, Any] = until(look, lambda it: it["status"] in OVER, LONGEST)
        return over

    def builds(self) -> None:
        """Wait until no build runs."""
        codebuild = self.platform.client("codebuild")

        def look() -> list[str]:
            builds = codebuild.batch_get_builds(ids=codebuild.list_builds()["ids"])["builds"]
            return [it["id"] for it in builds if it["buildStatus"] == "IN_PROGRESS"]

        until(look, lambda running: not running, LONGEST)

    def stages(self) -> list[str]:
        """The stages of the pipeline that changes the platform."""
        name = self.platform.environment.naming.platform_pipeline
        pipeline = self.platform.client("codepipeline").get_pipeline(name=name)["pipeline"]
        return [stage["name"] for stage in pipeline["stages"]]

    def approve(self) -> None:
        """Approve what waits."""
        codepipeline = self.platform.client("codepipeline")
        name = self.platform.environment.naming.platform_pipeline

        def look() -> str:
            for stage in codepipeline.get_pipeline_state(name=name)["stageStates"]:
                for action in stage["actionStates"] if stage["stageName"] == "Approve" else []:
                    return str(action.get("latestExecution", {}).get("token", ""))
            return ""

        codepipeline.put_approval_result(
            pipelineName=name,
            stageName="Approve",
            actionName="Approve",
            result={"summary": "It is a test.", "status": "Approved"},
            token=until(look),
        )

    def forge(self) -> None:
        """Hand on another assembly in the place of the one that was prepared."""
        store = release_store(self.platform)
        (key,) = store.keys(HANDED_ON)
        packed = store.read_bytes(key, "")
        assert packed
        forged = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(packed)) as archive,
            zipfile.ZipFile(forged, "w") as other,
        ):
            for name in archive.namelist():
                content = archive.read(name)
                if name == "cdk.out/Network.template.json":
                    template = json.loads(content)
                    template["Resources"]["Forged"] = {"Type": "AWS::SNS::Topic"}
                    content = json.dumps(template).encode()
                other.writestr(name, content)
        store.put(key, forged.getvalue())

    def retentions(self) -> set[int]:
        """For how many days the platform's logs are kept."""
        prefix = self.platform.environment.naming.prefix
        pages = self.platform.client("logs").get_paginator("describe_log_groups").paginate()
        groups = [group for page in pages for group in page["logGroups"]]
        ours = [group for group in groups if prefix in group["logGroupName"]]
        return {group["retentionInDays"] for group in ours if "retentionInDays" in group}

    def templates(self) -> dict[str, Any]:
        """The deployed template of each stack."""
        cloudformation = self.platform.client("cloudformation")
        naming = self.platform.environment.naming
        return {
            stack: cloudformation.get_template(StackName=naming.stack(stack))["TemplateBody"]
            for stack in STACKS
        }

    def app(self) -> bytes:
        """What releases are made with."""
        store = release_store(self.platform)
        found = store.read_bytes(APP, store.version(APP))
        assert found
        return found


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    find_server()
    checkout = tmp_path_factory.mktemp("checkout")
    with zipfile.ZipFile(io.BytesIO(source_zip(ROOT))) as archive:
        archive.extractall(checkout)
    for words in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one"],
    ):
        subprocess.run(["git", *words], cwd=checkout, check=True)
    state = StateFolder(tmp_path_factory.mktemp("changing"))
    with running_platform(state) as platform:
        platform.install_images()
        platform.bootstrap()
        platform.deploy(*STACKS[:-1])
        platform.deploy(STACKS[-1])
        provide_source(platform)
        yield Changing(platform, checkout, listen(platform))
    assert processes_naming(str(state.path)) == {}


def test_what_another_proposal_hands_on_in_its_place_is_not_deployed(changing: Changing) -> None:
    """The right to write there is all that a first step needs, whose code nobody has approved."""
    before, app = changing.templates(), changing.app()
    changing.edit("log_retention: 1 days", "log_retention: 3 days")
    changing.edit("  approve: false\n", "  approve: false\n  approve_platform: false\n")
    proposal = changing.propose("longer logs")
    changing.change(proposal, lambda it: it.step == "prepared")
    changing.forge()
    changing.approve()
    change = changing.change(proposal, lambda it: it.outcome == "failed")
    assert "What was handed on is not what was prepared: s3://" in change.reason
    assert "Propose it again: make platform." in change.reason
    assert changing.execution(proposal)["status"] == "Failed"
    changing.builds()
    assert (changing.templates(), changing.app()) == (before, app)
    (told,) = notifications(changing.platform, changing.queue)
    assert (told["outcome"], told["reason"]) == ("failed", change.reason)


def test_a_change_waits_for_a_person_and_then_changes_its_own_pipeline(
    changing: Changing,
) -> None:
    before, app = changing.templates(), changing.app()
    proposal = changing.propose("longer logs")
    change = changing.change(proposal, lambda it: it.step == "prepared")
    assert change.stacks == STACKS
    assert "with changes by" in change.headline
    assert "(longer logs): 5 stacks: " in change.headline
    assert (changing.templates(), changing.app()) == (before, app)
    changing.approve()
    change = changing.change(proposal, lambda it: it.outcome == "deployed")
    assert change.deployed == STACKS
    assert changing.retentions() == {3}
    assert changing.app() != app
    assert changing.app() == release_store(changing.platform).read_bytes(PROPOSED, proposal)
    # The pipeline that did it is another one by now, which ends its execution as failed.
    assert changing.stages() == ["Source", "Prepare", "Deploy"]
    assert changing.execution(proposal)["status"] == "Failed"
    changing.builds()
    assert changing.change(proposal, lambda it: it.settled).outcome == "deployed"
    assert notifications(changing.platform, changing.queue) == []


def test_what_is_destroyed_and_not_named_is_refused(changing: Changing) -> None:
    before, app = changing.templates(), changing.app()
    reader = "arn:aws:iam::000000000000:role/auditor: It looks at what is there."
    changing.edit("data:\n  removal", f"perimeter:\n  roles:\n    {reader}\n\ndata:\n  removal")
    proposal = changing.propose("an audit")
    change = changing.change(proposal, lambda it: it.outcome == "failed")
    assert "It would destroy something" in change.reason
    assert "Not named: Data/" in change.reason
    assert changing.execution(proposal)["status"] == "Failed"
    changing.builds()
    assert (changing.templates(), changing.app()) == (before, app)
    (told,) = notifications(changing.platform, changing.queue)
    assert (told["outcome"], told["proposal"]) == ("failed", proposal)
    assert told["reason"] == change.reason
    assert told["deployed"] == []


def test_history_shows_both(changing: Changing) -> None:
    lines = changing.run("history").splitlines()
    rows = [line for line in lines if "with changes" in line]
    assert ["deployed" in row for row in rows] == [False, True, False]
    assert "It would destroy something" in rows[0]
