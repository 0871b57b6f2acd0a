"""The workflows for GitHub and GitLab: their form, their pins, and what they may not hold."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from releasing.pipeline import is_outside
from tests.conftest import ROOT

GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
GITLAB = [ROOT / ".gitlab-ci.yml", *sorted((ROOT / "ci").glob("*.yaml"))]
KEYS = re.compile(r"aws[-_](?:access[-_]key|secret)|secrets\.", re.IGNORECASE)


def documents(file: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(file))


def jobs(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from documents(file)[-1].get("jobs", {}).items()


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for _, job in jobs(file):
        yield from job.get("steps", [])


def valid(schema: str, *options: str) -> None:
    command = ["check-jsonschema", "--builtin-schema", schema, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_workflows_for_both() -> None:
    assert {each.name for each in GITHUB} == {
        "difference.yaml",
        "platform.yaml",
        "records.yaml",
        "release.yaml",
    }
    assert len(GITLAB) == 3


@pytest.mark.parametrize("file", GITHUB, ids=lambda file: file.name)
def test_a_workflow_has_githubs_form(file: Path) -> None:
    valid("vendor.github-workflows", str(file))


@pytest.mark.parametrize("file", GITLAB, ids=lambda file: file.name)
def test_a_pipeline_has_gitlabs_form(file: Path, tmp_path: Path) -> None:
    # The schema knows one document; a file with inputs has its header before the pipeline.
    for number, text in enumerate(re.split(r"^---$", file.read_text(), flags=re.MULTILINE)):
        part = tmp_path / f"{number}.yaml"
        part.write_text(text)
        valid("vendor.gitlab-ci", "--data-transform", "gitlab-ci", str(part))


@pytest.mark.parametrize("file", GITHUB, ids=lambda file: file.name)
def test_every_action_is_pinned_to_a_commit(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]

    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used), used


@pytest.mark.parametrize("file", [*GITHUB, *GITLAB], ids=lambda file: file.name)
def test_there_is_no_key_of_an_account(file: Path) -> None:
    assert not KEYS.search(file.read_text())


@pytest.mark.parametrize("file", GITHUB, ids=lambda file: file.name)
def test_nobodys_text_becomes_a_command(file: Path) -> None:
    commands = [step["run"] for step in steps(file) if "run" in step]

    assert not [each for each in commands if "${{" in each]


@pytest.mark.parametrize("file", GITHUB, ids=lambda file: file.name)
def test_a_workflow_has_no_rights_but_those_its_jobs_name(file: Path) -> None:
    assert documents(file)[0]["permissions"] == {}
    assert all(job["permissions"] for _, job in jobs(file))


def test_who_takes_a_role_on_names_an_environment() -> None:
    for file in GITHUB:
        for name, job in jobs(file):
            assumes = any(
                "configure-aws-credentials" in step.get("uses", "") for step in job.get("steps", [])
            )
            assert assumes == ("environment" in job), name
            assert assumes == ("id-token" in job["permissions"]), name


def test_what_is_called_is_a_command_of_ours() -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = "".join(file.read_text() for file in (*GITHUB, *GITLAB))

    assert set(re.findall(r"(?:run: |- |^\s+)make ([a-z-]+)", texts, re.MULTILINE)) <= known


def test_a_change_is_proposed_or_deployed_and_never_both() -> None:
    github = dict(jobs(ROOT / ".github/workflows/platform.yaml"))
    (gitlab,) = documents(ROOT / "ci" / "gitlab.yaml")
    for proposes, deploys in (
        (github["propose"]["if"], github["deploy"]["if"]),
        (gitlab["propose"]["rules"][0]["if"], gitlab["deploy"]["rules"][0]["if"]),
    ):
        assert "PLATFORM_PIPELINE == " in proposes
        assert deploys == proposes.replace("PLATFORM_PIPELINE == ", "PLATFORM_PIPELINE != ")


def test_the_commit_alone_is_what_releases_are_made_with() -> None:
    """A file that git neither knows nor ignores would be part of the app."""
    github = dict(jobs(ROOT / ".github/workflows/platform.yaml"))
    (gitlab,) = documents(ROOT / "ci" / "gitlab.yaml")
    assert "build/" in (ROOT / ".gitignore").read_text().splitlines()
    for name in ("propose", "deploy"):
        told = [step.get("run", "") for step in github[name]["steps"]]
        for script in ("\n".join(told), "\n".join(gitlab[name]["script"])):
            assert re.findall(r"(?<!>)> (\S+)", script) == ["build/request.md"]


def test_both_release_by_the_same_steps_in_the_same_order() -> None:
    github = [
        (step.get("env") or job["env"])["RELEASE_STEP"]
        for _, job in jobs(ROOT / ".github/workflows/release.yaml")
        for step in job["steps"]
        if "python -m releasing" in step.get("run", "")
    ]
    gitlab = re.findall(
        r"RELEASE_STEP=(\w+) python -m releasing", (ROOT / "ci/gitlab-release.yaml").read_text()
    )

    assert github == gitlab == ["prepare", "deploy", "verify", "close"]


def test_what_may_deploy_is_approved_or_puts_back() -> None:
    """A job of the unapproved environment could do whatever its role may."""
    github = dict(jobs(ROOT / ".github/workflows/release.yaml"))
    gitlab = documents(ROOT / "ci/gitlab-release.yaml")[-1]
    for name, end in (("prepare", "-prepare"), ("deploy", ""), ("close", "-close")):
        assert github[name]["environment"] == f"${{{{ inputs.environment }}}}{end}"
        assert gitlab[name]["environment"]["name"] == f"$[[ inputs.environment ]]{end}"
    assert github["deploy"]["if"] == "needs.prepare.outputs.ready == 'true'"


def test_what_closes_runs_wherever_a_step_failed() -> None:
    """On GitLab a job is skipped with what it needs, though it were to run on a failure."""
    close = dict(jobs(ROOT / ".github/workflows/release.yaml"))["close"]
    assert set(close["needs"]) == {"prepare", "deploy"}
    assert close["if"] == "always() && (failure() || cancelled())"
    close = documents(ROOT / "ci/gitlab-release.yaml")[-1]["close"]
    assert "needs" not in close
    assert close["when"] == "on_failure"


def test_their_executions_are_known_as_such() -> None:
    """Nobody can ask about them: `releasing` has to know that by their names."""
    for file in (".github/workflows/release.yaml", "ci/gitlab-release.yaml"):
        (name,) = re.findall(r"RELEASE_EXECUTION: (\S+)", (ROOT / file).read_text())
        assert is_outside(name)


class Proposing:
    """A clone of a repository with releases, and the programs that a proposal is made with."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.clone, self.folder = folder / "origin.git", folder / "clone", folder
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin), at=folder)
        self.git("clone", "--quiet", str(self.origin), str(self.clone), at=folder)
        self.git("switch", "--quiet", "--create", "main")
        self.write("version: 7\n")
        self.git("add", "releases")
        self.git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "first")
        self.git("push", "--quiet", "origin", "main")
        # What GitHub's program is asked; a request is open once there is its branch.
        program = folder / "bin" / "gh"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\necho "$1 $2" >> {folder}/asked\n'
            f'[ "$2" = list ] && git -C {self.origin} rev-parse -q --verify records >/dev/null'
            " && echo 12\n"
            f'[ "$2" = list ] && [ -e {folder}/fork ] && case "$*" in'
            ' *"select(.isCrossRepository | not)"*) ;; *) echo 13 ;; esac\n'
            f'[ "$2" = close ] && git -C {self.origin} branch -q -D records\nexit 0\n'
        )
        program.chmod(0o755)

    def git(self, *words: str, at: Path | None = None) -> str:
        command = ["git", *words]
        result = subprocess.run(
            command, cwd=at or self.clone, capture_output=True, text=True, check=True
        )
        return result.stdout

    def write(self, text: str) -> None:
        path = self.clone / "releases" / "dev" / "iris.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def propose(self, script: str, served: str) -> list[str]:
        """Run a script on what serves, in a fresh state of main; what GitHub was asked."""
        self.git("switch", "--quiet", "--force", "main")
        if self.git("branch", "--list", "records"):
            self.git("branch", "--quiet", "-D", "records")
        self.write(served)
        asked = self.folder / "asked"
        asked.write_text("")
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "CI_SERVER_HOST": "gitlab.test",
            # A folder stands for GitLab's server.
            "CI_SERVER_URL": str(self.folder),
            "CI_PROJECT_PATH": "origin",
            "CI_DEFAULT_BRANCH": "main",
        }
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.clone,
            env=environment,
            check=True,
            capture_output=True,
        )
        return [line for line in asked.read_text().splitlines() if line.startswith("pr ")]

    @property
    def proposed(self) -> str:
        """What the branch says; nothing where there is none."""
        if not self.git("branch", "--list", "records", at=self.origin):
            return ""
        return self.git("show", "records:releases/dev/iris.yaml", at=self.origin)

    @property
    def commit(self) -> str:
        return self.git("rev-parse", "records", at=self.origin)


@pytest.fixture
def proposing(tmp_path: Path) -> Proposing:
    return Proposing(tmp_path)


class TestRecords:
    """What serves is proposed where it differs, by whoever may write and takes no role."""

    def github(self) -> str:
        (script,) = [
            step["run"]
            for step in dict(jobs(ROOT / ".github/workflows/records.yaml"))["propose"]["steps"]
            if "run" in step
        ]
        return str(script)

    def gitlab(self) -> str:
        (script,) = documents(ROOT / "ci" / "gitlab.yaml")[-1]["propose-records"]["script"]
        return str(script)

    def test_nothing_is_proposed_where_nothing_differs(self, proposing: Proposing) -> None:
        assert proposing.propose(self.github(), "version: 7\n") == ["pr list"]
        assert proposing.proposed == ""

    def test_what_differs_is_proposed_once(self, proposing: Proposing) -> None:
        assert proposing.propose(self.github(), "version: 8\n") == ["pr list", "pr create"]
        assert proposing.proposed == "version: 8\n"
        commit = proposing.commit
        assert proposing.propose(self.github(), "version: 8\n") == ["pr list"]
        assert proposing.commit == commit

    def test_what_serves_by_now_takes_its_place(self, proposing: Proposing) -> None:
        proposing.propose(self.github(), "version: 8\n")
        assert proposing.propose(self.github(), "version: 9\n") == ["pr list"]
        assert proposing.proposed == "version: 9\n"
        assert proposing.propose(self.github(), "version: 7\n") == ["pr list", "pr close"]
        assert proposing.proposed == ""

    def test_a_request_from_a_fork_is_another_one(self, proposing: Proposing) -> None:
        (proposing.folder / "fork").touch()
        assert proposing.propose(self.github(), "version: 7\n") == ["pr list"]
        assert proposing.propose(self.github(), "version: 8\n") == ["pr list", "pr create"]

    def test_gitlab_does_the_same(self, proposing: Proposing) -> None:
        proposing.git("config", "receive.advertisePushOptions", "true", at=proposing.origin)
        proposing.propose(self.gitlab(), "version: 7\n")
        assert proposing.proposed == ""
        proposing.propose(self.gitlab(), "version: 8\n")
        assert proposing.proposed == "version: 8\n"
        commit = proposing.commit
        proposing.propose(self.gitlab(), "version: 8\n")
        assert proposing.commit == commit
        proposing.propose(self.gitlab(), "version: 9\n")
        assert proposing.proposed == "version: 9\n"

    def test_who_writes_takes_no_role_and_who_takes_one_does_not_write(self) -> None:
        rights = {
            name: job["permissions"] for name, job in jobs(ROOT / ".github/workflows/records.yaml")
        }
        assert rights == {
            "read": {"contents": "read", "id-token": "write"},
            "propose": {"contents": "write", "pull-requests": "write"},
        }
        pipeline = documents(ROOT / "ci" / "gitlab.yaml")[-1]
        assert ".assumed" in pipeline["records"]["extends"]
        assert {"extends", "id_tokens"}.isdisjoint(pipeline["propose-records"])

    def test_a_schedule_starts_nothing_else(self) -> None:
        assert set(documents(ROOT / ".github/workflows/records.yaml")[0]["on"]) == {
            "schedule",
            "workflow_dispatch",
        }
        pipeline = documents(ROOT / "ci" / "gitlab.yaml")[-1]
        scheduled = {'$CI_PIPELINE_SOURCE == "schedule"'}
        for name, job in pipeline.items():
            if isinstance(job, dict) and "script" in job:
                (rule,) = job["rules"]
                never = 'CI_PIPELINE_SOURCE != "schedule"' in rule["if"] or "merge" in rule["if"]
                assert ({rule["if"]} == scheduled) is (name in ("records", "propose-records"))
                assert never is (name not in ("records", "propose-records"))
