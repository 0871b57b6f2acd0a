"""The command, its exit status, and what it reads besides templates."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_constructs.faults import FaultsError
from proof.__main__ import app
from proof.environment import expectations_of
from proof.model import Acknowledgment
from proof.prove import acknowledgments
from stacks.config import load_environment
from tests.conftest import ROOT
from tests.unit.proof.builders import ACCOUNT, REGION, closed, resource, write

RUNNER = CliRunner()


def run(folder: Path, *options: str) -> tuple[int, str]:
    command = ["templates", str(folder), "--output", str(folder / "out"), *options]
    result = RUNNER.invoke(app, command)
    return result.exit_code, result.output


def test_everything_holds(tmp_path: Path) -> None:
    folder = write(tmp_path / "closed", closed())
    status, said = run(folder, "--account", ACCOUNT, "--region", REGION)

    assert (status, said.splitlines()[-1].startswith("Written")) == (0, True)
    assert "Everything holds." in said
    assert json.loads((folder / "out" / "closed.json").read_text())["findings"] == []


def test_a_violation_is_a_line_with_its_mend(tmp_path: Path) -> None:
    bad = {"T": {"Resources": {"Gateway": resource("EC2::InternetGateway")}}}
    status, said = run(write(tmp_path, bad))

    assert status == 1
    words = " ".join(said.split())
    assert "violation way.internet-gateway T.json Gateway" in words
    assert "path: T.Gateway" in words
    assert "mend: Remove the gateway" in words


def test_what_is_undecided_is_not_fine(tmp_path: Path) -> None:
    unclear = {"T": {"Resources": {"X": {"Type": "Custom::Thing"}}}}
    status, said = run(write(tmp_path, unclear))

    assert status == 3
    assert "undecided way.unknown-type T.json X" in " ".join(said.split())


def test_a_warning_is_said_and_counts_nowhere(tmp_path: Path) -> None:
    plain = {"X": resource("ElasticLoadBalancingV2::Listener", Port=80, Protocol="TCP")}
    status, said = run(write(tmp_path, {"T": {"Resources": plain}}))

    assert status == 0
    assert "warning way.plain-listener T.json X" in " ".join(said.split())


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_wrong_input_is_a_fault_without_a_traceback(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "bad.json").write_text(text)
    status, said = run(tmp_path)

    assert status == 2
    assert said.startswith("✗ ")
    assert "Traceback" not in said


def test_an_environment_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    options = ["--assembly", str(tmp_path), "--output", str(tmp_path)]
    result = RUNNER.invoke(app, ["environment", "nowhere", *options])

    assert result.exit_code == 2
    assert "nowhere" in result.output


def test_two_proofs_are_the_same_to_the_byte(tmp_path: Path) -> None:
    folder = write(tmp_path / "same", closed())
    run(folder)
    first = (folder / "out" / "same.json").read_bytes()
    run(folder)

    assert (folder / "out" / "same.json").read_bytes() == first


def test_what_a_configuration_names_is_expected() -> None:
    expected = expectations_of(load_environment("prod", ROOT / "environments"))

    assert expected.price == pytest.approx(0.014)
    assert expected.accounts == {"565502421330"}
    assert any(place.startswith("vpc-") for place in expected.attachments)


def test_who_is_promoted_to_is_expected() -> None:
    expected = expectations_of(load_environment("dev", ROOT / "environments"))

    assert "222222222222" in expected.accounts


def report(folder: Path, *plugins: dict[str, object]) -> Path:
    (folder / "validation-report.json").write_text(json.dumps({"pluginReports": list(plugins)}))
    return folder


def test_acknowledged_findings_are_read(tmp_path: Path) -> None:
    found = {
        "ruleName": "W3010",
        "acknowledgedId": "CloudFormation-Validate::W3010",
        "acknowledgedAt": "Network/Vpc",
        "reason": "Zones are chosen.",
        "violatingConstructs": [{"constructPath": "Network/Vpc/Subnet"}],
    }
    plain = {"ruleName": "R", "reason": "b", "violatingConstructs": [{"constructPath": "A/B"}]}
    folder = report(
        tmp_path, {"suppressedViolations": [found, found]}, {"suppressedViolations": [plain]}
    )

    assert acknowledgments(folder) == [
        Acknowledgment("CloudFormation-Validate::W3010", "Network/Vpc", "Zones are chosen."),
        Acknowledgment("R", "A/B", "b"),
    ]
    assert acknowledgments(tmp_path / "none") == []


def test_a_broken_report_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "validation-report.json").write_text("[]")
    with pytest.raises(FaultsError, match="report of a synth"):
        acknowledgments(tmp_path)
