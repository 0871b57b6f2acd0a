"""Every environment as cdk makes it: the same twice, its reasons in the diff, its faults said."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.compliance.conftest import Assembly, synth
from tests.conftest import RELEASES, ROOT, folder_of


@pytest.mark.parametrize("name", ["prod", "serving"])
def test_two_synths_are_byte_identical(
    name: str, assemblies: dict[str, Assembly], tmp_path: Path
) -> None:
    again = tmp_path / "again"
    folders = ("-c", f"releases={RELEASES}", "-c", f"environments={folder_of(name)}")
    result = synth(name, again, *folders, PYTHONHASHSEED="2")
    assert result.returncode == 0, result.stderr
    first, second = contents(assemblies[name].folder), contents(again)
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
