"""The workflows for GitHub and GitLab: their form, their pins, and what they may not hold."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
GITLAB = [ROOT / ".gitlab-ci.yml", *sorted((ROOT / "ci").glob("*.yaml"))]
KEYS = re.compile(r"aws[-_](?:access[-_]key|secret)|secrets\.", re.IGNORECASE)
STEPS = {"prepare", "deploy", "verify", "close"}


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
    assert {each.name for each in GITHUB} == {"difference.yaml", "platform.yaml", "release.yaml"}
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
        job["env"]["RELEASE_STEP"] for _, job in jobs(ROOT / ".github/workflows/release.yaml")
    ]
    pipeline = documents(ROOT / "ci" / "gitlab-release.yaml")[-1]
    gitlab = [
        job["variables"]["RELEASE_STEP"]
        for job in pipeline.values()
        if isinstance(job, dict) and "RELEASE_STEP" in job.get("variables", {})
    ]

    assert github == gitlab
    assert set(github) == STEPS
