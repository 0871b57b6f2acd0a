"""Every environment against the rules of others: cdk-nag, cfn-lint; and against itself."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.compliance.conftest import Assembly, synth
from tests.conftest import ENVIRONMENTS, RELEASES, ROOT

# What cfn-lint says although it is right here, with the reason.
IGNORED = {
    "W3005": "the CDK writes dependencies that a reference implies already; they do no harm",
    "W3010": "zones are chosen by who runs the network: synth asks nobody for them",
    "W6001": "a client's stack says all that its administrator is to be told, of other stacks too",
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_cdk_nag_finds_nothing(name: str, assemblies: dict[str, Assembly]) -> None:
    """An error of cdk-nag fails the synth; a warning is a line of what it says."""
    assert "WARNING" not in assemblies[name].said
    assert "ERROR" not in assemblies[name].said


def test_cdk_nag_would_find_something(tmp_path: Path) -> None:
    """The same app with a public bucket is refused: the checks are attached, and bite."""
    app = tmp_path / "app.py"
    source = (ROOT / "app.py").read_text()
    spoiled = source.replace(
        "    app.synth()",
        "    from aws_cdk import Stack, aws_s3\n"
        "    aws_s3.CfnBucket(app.node.find_child('Data'), 'Spoiled')\n"
        "    app.synth()",
    ).replace("Path(__file__).parent", f"Path({str(ROOT)!r})")
    assert spoiled != source
    app.write_text(spoiled)
    result = synth(
        "dev",
        tmp_path / "out",
        "-c",
        f"releases={RELEASES}",
        "--app",
        f"python {app}",
        PYTHONPATH=str(ROOT),
    )
    assert result.returncode != 0
    assert "AwsSolutions-S1" in result.stderr + result.stdout


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_cfn_lint_finds_nothing(name: str, assemblies: dict[str, Assembly]) -> None:
    templates = sorted(str(path) for path in assemblies[name].folder.glob("*.template.json"))
    assert len(templates) == 6
    result = subprocess.run(
        ["cfn-lint", "--regions", "ap-northeast-1", "--ignore-checks", *IGNORED, "--", *templates],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout


def test_two_synths_are_byte_identical(assemblies: dict[str, Assembly], tmp_path: Path) -> None:
    again = tmp_path / "again"
    result = synth("prod", again, "-c", f"releases={RELEASES}", PYTHONHASHSEED="2")
    assert result.returncode == 0, result.stderr
    first, second = contents(assemblies["prod"].folder), contents(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_reason_for_opting_out_is_in_the_diff(
    assemblies: dict[str, Assembly], tmp_path: Path
) -> None:
    deployed = tmp_path / "deployed.json"
    template = json.loads((assemblies["dev"].folder / "Data.template.json").read_text())
    del template["Metadata"]
    deployed.write_text(json.dumps(template))
    result = subprocess.run(
        [
            *("cdk", "diff", "Data", "--exclusively", "--no-color"),
            *("--app", str(assemblies["dev"].folder), "--template", str(deployed)),
        ],
        cwd=ROOT,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "OptOut:data.database.multi_az: Development can wait" in result.stdout + result.stderr


def contents(folder: Path) -> dict[str, bytes]:
    """What CloudFormation is given: templates, assets, and what is to be published.

    The rest of an assembly, metadata and reports, holds stack traces of a temporary folder.
    """
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".metadata.json", "-report.json"))
    }


class TestBadInput:
    """`cdk` ends with what is wrong and what to do, and no traceback."""

    @pytest.mark.parametrize(
        ("environment", "said"),
        [("prdo", "Did you mean 'prod'?"), ("", "dev or local or prod")],
    )
    def test_unknown_environment(self, environment: str, said: str, tmp_path: Path) -> None:
        result = synth(environment, tmp_path)
        assert result.returncode != 0
        assert said in result.stderr
        assert "Traceback" not in result.stderr + result.stdout

    def test_every_fault_of_a_release(self, tmp_path: Path) -> None:
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev" / "images.yaml").write_text("images: {iris: latest, mlflow: 1}\n")
        result = synth("dev", tmp_path / "out", "-c", f"releases={tmp_path}")
        assert result.returncode != 0
        assert "2 faults" in result.stderr
        assert "Traceback" not in result.stderr

    def test_no_node(self, tmp_path: Path) -> None:
        """The CDK is written for Node: without it, what is missing is said."""
        result = subprocess.run(
            [str(ROOT / ".venv" / "bin" / "python"), "app.py"],
            cwd=ROOT,
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 1
        assert "Node is not on the PATH" in result.stderr
        assert "Traceback" not in result.stderr
