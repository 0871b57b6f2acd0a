"""Every environment is closed, by the proof; and the proof sees what is opened."""

import json
import shutil
from pathlib import Path

import pytest

from proof.environment import prove_environment
from tests.compliance.conftest import Assembly
from tests.conftest import ENVIRONMENTS, ROOT, folder_of


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_is_closed(name: str, assemblies: dict[str, Assembly]) -> None:
    proof = prove_environment(name, assemblies[name].folder, ROOT / "environments")
    findings = [*proof.violations, *proof.undecided]
    assert [f"{found.rule} {found.logical_id}: {found.says}" for found in findings] == []
    assert sum(rule.examined for rule in proof.rules) > 100
    assert proof.acknowledgments
    assert all(len(each.reason) > 20 for each in proof.acknowledgments)


def test_what_aws_runs_is_undecided_and_nothing_else(assemblies: dict[str, Assembly]) -> None:
    """Its metadata is with AWS, and IAM's reference has no word yet for the right to call it."""
    proof = prove_environment("managed", assemblies["managed"].folder, folder_of("managed"))
    assert proof.violations == ()
    assert [(found.rule, found.template.partition(".")[0]) for found in proof.undecided] == [
        ("way.managed-mlflow", "Tracking"),
        ("right.no-effect", "Client-databricks"),
    ]
    assert "sagemaker:CallMlflowAppApi" in proof.undecided[1].says
    served = {use.service: use.callers for use in proof.services}
    assert "MLflow client: logs and reads runs and models" in served["sagemaker.mlflow"]


def test_every_way_to_serve_is_closed_but_the_one_that_is_not(
    assemblies: dict[str, Assembly],
) -> None:
    """A serverless endpoint has a reason, and is reported all the same."""
    proof = prove_environment("serving", assemblies["serving"].folder, folder_of("serving"))
    findings = [*proof.violations, *proof.undecided]
    assert [(found.rule, found.template.partition(".")[0]) for found in findings] == [
        ("way.model-isolation", "Endpoint-rare"),
        ("way.model-network", "Endpoint-rare"),
        ("reach.groups", "Endpoint-rare"),
    ]


def test_who_has_no_certificate_is_warned(assemblies: dict[str, Assembly]) -> None:
    warned = {
        name: [
            found.rule
            for found in prove_environment(
                name, assemblies[name].folder, ROOT / "environments"
            ).warnings
        ]
        for name in ENVIRONMENTS
    }
    plain = ["way.plain-listener"]
    assert warned == {"prod": [], "dev": plain, "local": plain}


def test_each_endpoint_is_called_by_somebody_of_the_platform_or_named(
    assemblies: dict[str, Assembly],
) -> None:
    """What roles may call, read from the templates alone, is what the constructs declare."""
    proof = prove_environment("prod", assemblies["prod"].folder, ROOT / "environments")
    by_role = {
        use.service: [caller for caller in use.callers if "." in caller.partition(":")[0]]
        for use in proof.services
        if use.endpoint.startswith("Network.")
    }
    # The role of `cdk bootstrap` calls it for a release, which stands in no template of ours.
    assert {service for service, callers in by_role.items() if not callers} == {"ssm"}


def test_an_endpoint_that_is_missing_is_seen(
    assemblies: dict[str, Assembly], tmp_path: Path
) -> None:
    folder = tmp_path / "assembly"
    shutil.copytree(assemblies["prod"].folder, folder)
    path = folder / "Network.template.json"
    template = json.loads(path.read_text())
    template["Resources"] = {
        name: resource
        for name, resource in template["Resources"].items()
        if "SecretsmanagerEndpoint" not in name
    }
    path.write_text(json.dumps(template))
    proof = prove_environment("prod", folder, ROOT / "environments")
    assert any(
        "secretsmanager" in found.says and "Mlflow" in " ".join(found.path)
        for found in proof.violations
    )
