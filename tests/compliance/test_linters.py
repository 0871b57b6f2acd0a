"""cfn-lint and checkov over every template of every environment, and what remains of each."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from operations.bootstrap import uv_environment
from releasing.checks import EXPECTED
from tests.compliance.conftest import Assembly
from tests.conftest import ENVIRONMENTS, ROOT, VARIANTS

CHECKOV: Mapping[tuple[str, str], str] = {
    ("CKV_AWS_18", "Data/Artifacts/AccessLogs"): (
        "it keeps the access logs of all: its own would be logged into itself, without an end"
    ),
    **{
        ("CKV_AWS_32", f"Data/{image}Image/Repository"): (
            "its policy only denies: everybody, from elsewhere; checkov reads the star alone"
        )
        for image in ("Iris", "Mlflow", "ModelServer", "Release")
    },
    ("CKV_AWS_27", "Release/Undelivered/Queue"): (
        "SQS encrypts it with keys of its own; events name objects and executions, no data"
    ),
    ("CKV_AWS_59", "Release/Receiver/RestApi/Default/promotions/POST"): (
        "MLflow signs with a secret of its own, which the function verifies before all else; the"
        " API answers through the VPC's endpoint alone"
    ),
    ("CKV_AWS_73", "Release/Receiver/RestApi/DeploymentStage.v1"): (
        "the access log and the metrics say who called and how long it took, without X-Ray"
    ),
    ("CKV_AWS_73", "Api/Api/RestApi/DeploymentStage.v1"): (
        "the access log and the metrics say who called and how long it took, without X-Ray"
    ),
    ("CKV_AWS_116", "Api/Invoker/Function"): (
        "API Gateway calls it and waits: a call that fails is answered, and is never queued"
    ),
    ("CKV_AWS_116", "Release/Receiver/Function"): (
        "API Gateway or EventBridge calls it, and the second has a queue; what is lost all the"
        " same, the next look finds"
    ),
    ("CKV_AWS_116", "Data/Rotation/Function"): (
        "Secrets Manager tries a rotation that failed again by itself, and an alarm says so"
    ),
    ("CKV_AWS_120", "Api/Api/RestApi/DeploymentStage.v1"): (
        "every method is a POST whose answer depends on its body: there is nothing to cache"
    ),
    ("CKV_AWS_120", "Release/Receiver/RestApi/DeploymentStage.v1"): (
        "every method is a POST whose answer depends on its body: there is nothing to cache"
    ),
    ("CKV_AWS_157", "Data/Database/Instance"): (
        "dev and local opt out of a standby, each with its reason in the environment's file"
    ),
    ("CKV_AWS_161", "Data/Database/Instance"): (
        "the tracking server signs in with a generated password over TLS; a second way in that"
        " nobody takes would be one more to guard"
    ),
    ("CKV_AWS_173", "Api/Invoker/Function"): (
        "its variables are a prefix of names and a time limit; Lambda encrypts them with its key"
    ),
    ("CKV_AWS_173", "Release/Receiver/Function"): (
        "its variables are names, addresses and ARNs of secrets; Lambda encrypts them with its key"
    ),
    ("CKV_AWS_173", "Data/Rotation/Function"): (
        "its variable is the path of a file in Lambda's runtime"
    ),
    ("CKV_AWS_370", "Endpoint-rare/Endpoint/Model"): (
        "SageMaker takes no network isolation for serverless endpoints, and the environment's file"
        " has the reason for one"
    ),
}
"""What checkov finds although it is right here, by check and construct, with the reason."""

LOCK = Path(__file__).parent / "checkov" / "requirements.lock"


def run(command: Iterable[object], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env={**uv_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def cfn_lint(templates: Iterable[Path]) -> dict[str, str]:
    """What cfn-lint finds with nothing ignored: of each rule, the last place."""
    command = ["cfn-lint", "--format", "json", "--regions", "ap-northeast-1", "--", *templates]
    found = json.loads(run(command).stdout)
    return {
        finding["Rule"]["Id"]: f"{finding['Filename']}: {finding['Message']}" for finding in found
    }


@pytest.fixture(scope="session")
def checkov_program() -> Path:
    """checkov, installed apart from ours: it pins what we have in other versions."""
    folder = ROOT / "build" / "checkov"
    python = folder / "bin" / "python"
    for words in (
        ("venv", "--quiet", "--allow-existing", "--python", sys.executable, folder),
        ("pip", "sync", "--quiet", "--require-hashes", "--python", python, LOCK),
    ):
        result = run(["uv", *words])
        assert result.returncode == 0, result.stderr
    return folder / "bin" / "checkov"


def checkov(program: Path, templates: Iterable[Path]) -> list[dict[str, Any]]:
    """What checkov finds, by its own rules alone: it asks no server."""
    result = run(
        [
            *(program, "--framework", "cloudformation", "--skip-download"),
            *("--compact", "--quiet", "--output", "json", "--file", *templates),
        ],
        CKV_SKIP_PACKAGE_UPDATE_CHECK="true",
    )
    assert result.returncode in (0, 1), result.stderr
    report = json.loads(result.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0
    found: list[dict[str, Any]] = report["results"]["failed_checks"]
    return found


@pytest.fixture(scope="session")
def templates(assemblies: dict[str, Assembly]) -> list[Path]:
    """Every template of every environment."""
    paths = [
        path
        for name in (*ENVIRONMENTS, *VARIANTS)
        for path in assemblies[name].folder.glob("*.template.json")
    ]
    for name in (*ENVIRONMENTS, *VARIANTS):
        assert len([path for path in paths if path.parent == assemblies[name].folder]) >= 6
    return sorted(paths)


@pytest.fixture(scope="session")
def found_by_cfn_lint(templates: list[Path]) -> dict[str, str]:
    return cfn_lint(templates)


@pytest.fixture(scope="session")
def found_by_checkov(checkov_program: Path, templates: list[Path]) -> set[tuple[str, str]]:
    """The check and the construct of each finding."""
    return {
        (finding["check_id"], construct_of(finding))
        for finding in checkov(checkov_program, templates)
    }


class TestCfnLint:
    def test_finds_nothing_else(self, found_by_cfn_lint: dict[str, str]) -> None:
        assert {k: v for k, v in found_by_cfn_lint.items() if k not in EXPECTED} == {}

    def test_every_exception_is_needed(self, found_by_cfn_lint: dict[str, str]) -> None:
        assert set(EXPECTED) - set(found_by_cfn_lint) == set()

    def test_bites(self, assemblies: dict[str, Assembly], tmp_path: Path) -> None:
        template = spoiled(assemblies["prod"], tmp_path, BucketEncryption="please")
        assert "E3012" in cfn_lint([template])


class TestCheckov:
    def test_finds_nothing_else(self, found_by_checkov: set[tuple[str, str]]) -> None:
        assert sorted(found_by_checkov - set(CHECKOV)) == []

    def test_every_exception_is_needed(self, found_by_checkov: set[tuple[str, str]]) -> None:
        assert sorted(set(CHECKOV) - found_by_checkov) == []

    def test_bites(
        self, checkov_program: Path, assemblies: dict[str, Assembly], tmp_path: Path
    ) -> None:
        template = spoiled(assemblies["prod"], tmp_path, PublicAccessBlockConfiguration={})
        found = {finding["check_id"] for finding in checkov(checkov_program, [template])}
        assert {"CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56"} <= found


def construct_of(finding: Mapping[str, Any]) -> str:
    """The path of the construct that a finding of checkov is about, without its `Resource`."""
    template = Path(finding["file_abs_path"])
    logical_id = finding["resource"].rpartition(".")[2]
    metadata = template.with_name(template.name.replace(".template.", ".metadata."))
    for path, entries in json.loads(metadata.read_text()).items():
        if ("aws:cdk:logicalId", logical_id) in [(e["type"], e.get("data")) for e in entries]:
            return str(path).removeprefix("/").removesuffix("/Resource")
    raise AssertionError(f"{template.name} has no {logical_id}")


def spoiled(assembly: Assembly, folder: Path, **properties: object) -> Path:
    """The template of the data, whose buckets have other properties."""
    template = json.loads((assembly.folder / "Data.template.json").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::S3::Bucket":
            resource["Properties"] |= properties
    path = folder / "Spoiled.template.json"
    path.write_text(json.dumps(template))
    return path
