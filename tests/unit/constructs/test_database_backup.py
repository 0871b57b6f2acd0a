from collections.abc import Callable

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from mlops_constructs.database_backup import DatabaseBackup
from tests.unit.constructs.conftest import Bench

Statements = Callable[[Template], list[dict[str, object]]]
VAULT, PLAN = "AWS::Backup::BackupVault", "AWS::Backup::BackupPlan"
ELSEWHERE = "arn:aws:backup:eu-central-1:123456789012:backup-vault:copies"
OF_OTHERS = ELSEWHERE.replace("123456789012", "210987654321")


def backup(bench: Bench, **changes: object) -> DatabaseBackup:
    arguments: dict[str, object] = {
        "database": bench.database(),
        "key": kms.Key(bench.stack, "Key"),
        "alarms": bench.alarms(),
    }
    return DatabaseBackup(bench.stack, "Backup", **{**arguments, **changes})  # type: ignore[arg-type]


def actions_of(found: list[dict[str, object]]) -> str:
    return str([statement["Action"] for statement in found])


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        backup(bench)
        return bench.template()

    def test_the_vault_is_encrypted_kept_and_emptied_by_nobody(self, template: Template) -> None:
        template.has_resource(
            VAULT,
            {
                "DeletionPolicy": "Retain",
                "Properties": {"EncryptionKeyArn": Match.any_value()},
            },
        )
        (vault,) = template.find_resources(VAULT).values()
        (statement,) = vault["Properties"]["AccessPolicy"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert "backup:DeleteRecoveryPoint" in statement["Action"]

    def test_every_day_is_kept_for_five_weeks(self, template: Template) -> None:
        (plan,) = template.find_resources(PLAN).values()
        (rule,) = plan["Properties"]["BackupPlan"]["BackupPlanRule"]
        assert rule["Lifecycle"] == {"DeleteAfterDays": 35}
        assert rule["ScheduleExpression"] == "cron(0 17 * * ? *)"
        assert "CopyActions" not in rule

    def test_the_database_is_what_is_backed_up(self, template: Template) -> None:
        (selection,) = template.find_resources("AWS::Backup::BackupSelection").values()
        (resource,) = selection["Properties"]["BackupSelection"]["Resources"]
        assert ":db:" in str(resource)

    def test_the_role_makes_snapshots_and_shares_none(
        self, template: Template, statements: Statements
    ) -> None:
        found = statements(template)
        assert "rds:CreateDBSnapshot" in actions_of(found)
        assert "rds:ModifyDBSnapshotAttribute" not in actions_of(found)
        assert all(statement["Resource"] != "*" for statement in found)
        (role,) = template.find_resources("AWS::IAM::Role").values()
        assert "ManagedPolicyArns" not in role["Properties"]
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
        assert "aws:SourceAccount" in str(trust["Condition"])

    def test_a_backup_that_fails_is_told(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "Namespace": "AWS/Backup",
                "MetricName": "NumberOfBackupJobsFailed",
                "Dimensions": [{"Name": "BackupVaultName", "Value": Match.any_value()}],
                "Threshold": 1,
            },
        )


class TestCopies:
    @pytest.mark.parametrize(("vault", "shared"), [(ELSEWHERE, False), (OF_OTHERS, True)])
    def test_go_into_the_vault_and_the_key_is_shared_with_others_alone(
        self, bench: Bench, statements: Statements, vault: str, shared: bool
    ) -> None:
        backup(bench, copy_to=vault, days=90)
        template = bench.template()
        (plan,) = template.find_resources(PLAN).values()
        (rule,) = plan["Properties"]["BackupPlan"]["BackupPlanRule"]
        (copies,) = rule["CopyActions"]
        assert copies == {
            "DestinationBackupVaultArn": vault,
            "Lifecycle": {"DeleteAfterDays": 90},
        }
        found = statements(template)
        assert vault in str([each for each in found if "CopyIntoBackupVault" in str(each)])
        assert ("rds:ModifyDBSnapshotAttribute" in actions_of(found)) is shared
        (key,) = template.find_resources("AWS::KMS::Key").values()
        others = [
            statement
            for statement in key["Properties"]["KeyPolicy"]["Statement"]
            if "210987654321" in str(statement["Principal"])
        ]
        assert len(others) == (2 if shared else 0)
        for statement in others:
            via = statement["Condition"]["StringEquals"]["kms:ViaService"]
            assert via == "rds.eu-west-1.amazonaws.com"


class TestCustom:
    def test_the_vault_may_go_with_its_stack(self, bench: Bench) -> None:
        backup(bench, protected=False, removal_policy=RemovalPolicy.DESTROY)
        bench.template().has_resource(
            VAULT, {"DeletionPolicy": "Delete", "Properties": {"AccessPolicy": Match.absent()}}
        )
