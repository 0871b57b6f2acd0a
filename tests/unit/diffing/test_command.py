"""The command: what it ends with, and what it leaves."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from diffing.__main__ import app
from diffing.base import synthesized
from diffing.deployed import fetch
from mlops_constructs.faults import FaultsError
from proof.system.templates import load_templates
from tests.unit.diffing.builders import Resources, resource, write

KEPT: Resources = {"Data": resource("S3::Bucket"), "Topic": resource("SNS::Topic")}
GONE: Resources = {"Topic": resource("SNS::Topic")}
RENAMED: Resources = {
    "Data": resource("S3::Bucket"),
    "Topic": resource("SNS::Topic", TopicName="a"),
}


def run(folder: Path, before: Resources, after: Resources, *options: str) -> tuple[int, str]:
    sides = [
        str(write(folder / "sides" / name, each)) for name, each in (("a", before), ("b", after))
    ]
    result = CliRunner().invoke(
        app, ["templates", *sides, "--output", str(folder / "out"), *options]
    )
    return result.exit_code, result.output


def test_nothing_leaves_an_empty_comment(tmp_path: Path) -> None:
    status, output = run(tmp_path, KEPT, KEPT)

    assert status == 0
    assert output.startswith("Nothing changes.")
    assert (tmp_path / "out" / "summary.md").read_text() == ""
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["empty"] is True


def test_a_harmless_change_is_told_and_passes(tmp_path: Path) -> None:
    status, output = run(tmp_path, KEPT, RENAMED)

    assert status == 0
    assert output.startswith("1 stack: topic Stack/Topic is replaced, for TopicName")


def test_a_destructive_change_is_refused_until_it_is_named(tmp_path: Path) -> None:
    refused, output = run(tmp_path / "a", KEPT, GONE)
    allowed, _ = run(tmp_path / "b", KEPT, GONE, "--allow", "Stack/Data=it is empty")
    request = tmp_path / "request.md"
    request.write_text("allow-destroy: Stack/Data: it is empty\nallow-destroy: Stack/Key: no use\n")
    named, told = run(tmp_path / "c", KEPT, GONE, "--request", str(request))

    assert refused == 3
    assert "allow-destroy: Stack/Data: <reason>" in output
    assert allowed == named == 0
    assert "Named: it is empty" in (tmp_path / "c" / "out" / "summary.md").read_text()
    assert "nothing of it has to be: Stack/Key" in told


def test_wrong_input_is_told(tmp_path: Path) -> None:
    status, _ = run(tmp_path / "a", KEPT, GONE, "--request", str(tmp_path / "none.md"))
    other = CliRunner().invoke(app, ["templates", str(tmp_path / "none"), str(tmp_path)])

    assert status == other.exit_code == 2


def test_text_of_templates_is_no_markdown(tmp_path: Path) -> None:
    named = resource("SNS::Topic", DisplayName="# <b>a</b> | `b`\n@everybody")

    run(tmp_path, KEPT, {**KEPT, "Topic": named})

    text = (tmp_path / "out" / "summary.md").read_text()
    assert "<b>" not in text
    assert "\n@everybody" not in text
    assert r"\`b\`" in text


def test_a_comment_is_no_longer_than_one_may_be(tmp_path: Path) -> None:
    def topics(name: str) -> Resources:
        values = {f"V{number}": name * 70 for number in range(9)}
        return {f"T{each}": resource("New::Thing", **values) for each in range(200)} | {
            f"{name}{each}{'x' * 1500}": resource("SNS::Topic") for each in range(80)
        }

    status, _ = run(tmp_path, topics("a"), topics("b"))
    text = (tmp_path / "out" / "summary.md").read_text()

    assert status == 0
    assert len(text) < 65_536
    assert text.endswith("And more: the whole is in summary.json.\n")


def assembly(folder: Path, *stacks: str) -> Path:
    folder.mkdir()
    artifacts: dict[str, Any] = {
        name: {
            "type": "aws:cloudformation:stack",
            "environment": "aws://111111111111/eu-west-1",
            "properties": {"templateFile": f"{name}.template.json", "stackName": f"it-{name}"},
        }
        for name in stacks
    }
    artifacts["Tree"] = {"type": "cdk:tree", "properties": {"file": "tree.json"}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


class CloudFormation:
    """CloudFormation with some stacks; it refuses to tell of one whose template is no template."""

    def __init__(self, **stacks: Any) -> None:
        self.stacks = stacks
        self.asked: list[tuple[str, str]] = []

    def get_template(self, **asked: str) -> dict[str, Any]:
        name = asked["StackName"].removeprefix("it-")
        self.asked.append((name, asked["TemplateStage"]))
        if self.stacks.get(name, "there") is None:
            raise self._error("AccessDenied", "not authorized")
        if name not in self.stacks:
            raise self._error(
                "ValidationError", f"Stack with id {asked['StackName']} does not exist"
            )
        return {"TemplateBody": self.stacks[name]}

    @staticmethod
    def _error(code: str, message: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": message}}, "GetTemplate")


def test_what_is_deployed_is_fetched_as_it_was_written(tmp_path: Path) -> None:
    yaml = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
    service = CloudFormation(
        Data={"Resources": KEPT}, Api=yaml, Network=json.dumps({"Resources": KEPT})
    )
    regions: list[str] = []

    def connect(region: str) -> CloudFormation:
        regions.append(region)
        return service

    names = ("Api", "Data", "Network", "Tracking")
    (tmp_path / "deployed").mkdir()
    found = fetch(assembly(tmp_path / "in", *names), tmp_path / "deployed", connect)
    deployed = load_templates(tmp_path / "deployed")
    loaded = {each.name: each.sections["Resources"] for each in deployed}

    assert found == ["it-Api", "it-Data", "it-Network"]
    assert loaded == {"Api": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Data": KEPT, "Network": KEPT}
    assert set(regions) == {"eu-west-1"}
    assert {stage for _, stage in service.asked} == {"Original"}


def test_what_cloudformation_refuses_is_not_taken_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="not authorized"):
        fetch(assembly(tmp_path / "in", "Data"), tmp_path, lambda _: CloudFormation(Data=None))


def test_only_an_assembly_says_which_stacks_are_deployed(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="Run synth first"):
        fetch(tmp_path, tmp_path)


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=it", "-c", "user.email=it@example.com", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one environment, and a cdk that writes down how it was called."""
    root = tmp_path / "root"
    (root / "environments").mkdir(parents=True)
    (root / "environments" / "dev.yaml").write_text("")
    git(root, "init", "--initial-branch", "main")
    git(root, "add", ".")
    git(root, "commit", "--message", "one")
    tools = root / "node_modules" / ".bin"
    tools.mkdir(parents=True)
    (tools / "cdk").write_text(
        "#!/bin/sh\n[ -z \"$BROKEN\" ] || { echo 'it is broken' >&2; exit 1; }\n"
        'while [ "$1" != --output ]; do shift; done\n'
        'echo "$PWD $PYTHONPATH $*" > "$2/called"\n'
    )
    (tools / "cdk").chmod(0o755)
    return root


def worktrees(root: Path) -> int:
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=root, check=True, capture_output=True, text=True
    )
    return len(listed.stdout.splitlines())


def test_the_base_is_synthesized_by_its_own_code(checkout: Path) -> None:
    with synthesized(checkout, "main", "dev", "tests/releases") as folder:
        tree, path, *words = (folder / "called").read_text().split()

        assert Path(tree) != checkout
        assert path == f"{tree}/constructs"
        assert words[2:] == ["-c", "env=dev", "-c", "releases=tests/releases"]
    assert worktrees(checkout) == 1


def test_an_environment_that_the_base_does_not_have_is_new(checkout: Path) -> None:
    with synthesized(checkout, "main", "prod") as folder:
        assert list(folder.iterdir()) == []


def test_a_base_that_cannot_be_made_is_told_and_leaves_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(FaultsError, match="no-such-branch"),
        synthesized(checkout, "no-such-branch", "dev"),
    ):
        pass
    monkeypatch.setitem(os.environ, "BROKEN", "1")
    with pytest.raises(FaultsError, match="it is broken"), synthesized(checkout, "main", "dev"):
        pass
    assert worktrees(checkout) == 1
