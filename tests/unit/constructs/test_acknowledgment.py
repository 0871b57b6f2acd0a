import pytest
from aws_cdk import Validations

from mlops_constructs.acknowledgment import acknowledge, acknowledge_grant
from tests.unit.constructs.conftest import Bench


@pytest.mark.parametrize(
    ("finding", "recorded"),
    [
        ("AwsSolutions-ECS2", ["AwsSolutions::AwsSolutions-ECS2"]),
        (
            "AwsSolutions-IAM5[Resource::arn:aws:s3:::a-b/*]",
            ["AwsSolutions::AwsSolutions-IAM5[Resource::arn:aws:s3:::a-b/*]"],
        ),
        ("CloudFormation-Validate::W3010", ["CloudFormation-Validate::W3010"]),
        (
            "RDSLoggingEnabled[LogExport::audit]",
            [
                "NIST.800.53.R5::NIST.800.53.R5-RDSLoggingEnabled[LogExport::audit]",
                "HIPAA.Security::HIPAA.Security-RDSLoggingEnabled[LogExport::audit]",
                "PCI.DSS.321::PCI.DSS.321-RDSLoggingEnabled[LogExport::audit]",
            ],
        ),
    ],
)
def test_a_finding_is_recorded_with_its_pack_and_reason(
    finding: str, recorded: list[str], bench: Bench
) -> None:
    role = bench.role()
    acknowledge(role, "It is right here.", finding)
    assert recorded_on(role) == dict.fromkeys(recorded, "It is right here.")


def test_a_grant_is_acknowledged_on_who_was_granted(bench: Bench) -> None:
    role = bench.role()
    acknowledge_grant(role, "It is right here.", "AwsSolutions-IAM5[Resource::*]")
    assert recorded_on(role) == {
        "AwsSolutions::AwsSolutions-IAM5[Resource::*]": "It is right here."
    }


def recorded_on(construct: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in construct.node.metadata:  # type: ignore[attr-defined]
        if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY:
            found |= entry.data
    return found
