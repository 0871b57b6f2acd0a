import json
from collections.abc import Callable

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.metadata_database import MetadataDatabase
from tests.unit.constructs.conftest import Bench

INSTANCE = "AWS::RDS::DBInstance"


def database(bench: Bench, **changes: object) -> MetadataDatabase:
    arguments: dict[str, object] = {
        "vpc": bench.network.vpc,
        "security_group": bench.network.security_group(bench.stack, "Group", "Database"),
        "naming": bench.naming,
        "key": bench.key,
        "log_settings": bench.log_settings,
        "instance_type": ec2.InstanceType("t4g.medium"),
    }
    return MetadataDatabase(bench.stack, "Database", **{**arguments, **changes})  # type: ignore[arg-type]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        database(bench)
        return bench.template()

    def test_is_private_encrypted_and_has_a_standby(self, template: Template) -> None:
        template.has_resource_properties(
            INSTANCE,
            {
                "Engine": "mysql",
                "EngineVersion": Match.string_like_regexp(r"^8\.4\."),
                "PubliclyAccessible": False,
                "StorageEncrypted": True,
                "KmsKeyId": Match.any_value(),
                "MultiAZ": True,
                "BackupRetentionPeriod": 35,
            },
        )

    def test_is_kept_and_protected(self, template: Template) -> None:
        template.has_resource(
            INSTANCE, {"DeletionPolicy": "Retain", "Properties": {"DeletionProtection": True}}
        )

    def test_is_monitored_and_its_logs_are_kept(self, template: Template) -> None:
        template.has_resource_properties(
            INSTANCE,
            {"MonitoringInterval": 60, "EnableCloudwatchLogsExports": ["error", "slowquery"]},
        )
        for log in ("error", "slowquery"):
            name = f"/aws/rds/instance/mlops-blue-mlflow/{log}"
            template.has_resource_properties(
                "AWS::Logs::LogGroup", {"LogGroupName": name, "KmsKeyId": Match.any_value()}
            )

    def test_asks_for_tls_and_lets_mlflow_create_triggers(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::RDS::DBParameterGroup",
            {
                "Parameters": {
                    "require_secure_transport": "1",
                    "log_bin_trust_function_creators": "1",
                    "log_output": "FILE",
                    "slow_query_log": "1",
                    "log_error_verbosity": "3",
                    "character_set_server": "utf8mb4",
                }
            },
        )

    def test_passwords_are_generated_and_in_no_template(self, template: Template) -> None:
        template.all_resources_properties(
            "AWS::SecretsManager::Secret",
            {
                "GenerateSecretString": Match.object_like({"GenerateStringKey": "password"}),
                "KmsKeyId": Match.any_value(),
            },
        )
        instance = next(iter(template.find_resources(INSTANCE).values()))
        assert "{{resolve:secretsmanager:" in str(instance["Properties"]["MasterUserPassword"])

    def test_the_servers_own_user_stands_beside_the_master(self, template: Template) -> None:
        """Each secret says where the database is, and the server's which the master's is."""
        secrets = template.find_resources("AWS::SecretsManager::Secret")
        attached = template.find_resources("AWS::SecretsManager::SecretTargetAttachment")
        said = {name: json.dumps(secret["Properties"]) for name, secret in secrets.items()}
        (server,) = [name for name in said if "mlflow_server" in said[name]]
        (master,) = set(said) - {server}
        of = {name: entry["Properties"]["SecretId"]["Ref"] for name, entry in attached.items()}
        assert sorted(of.values()) == sorted([master, server])
        (of_master,) = [name for name in of if of[name] == master]
        assert "masterarn" in said[server]
        assert f'{{"Ref": "{of_master}"}}' in said[server]

    def test_secrets_are_kept(self, template: Template) -> None:
        template.all_resources("AWS::SecretsManager::Secret", {"DeletionPolicy": "Retain"})

    def test_error_log_is_encrypted_and_limited(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::Logs::LogGroup",
            {
                "LogGroupName": "/aws/rds/instance/mlops-blue-mlflow/error",
                "RetentionInDays": 30,
                "KmsKeyId": Match.any_value(),
            },
        )

    def test_nobody_may_connect_yet(self, template: Template) -> None:
        template.resource_count_is("AWS::EC2::SecurityGroupIngress", 0)
        group = next(iter(template.find_resources("AWS::EC2::SecurityGroup").values()))
        assert "SecurityGroupIngress" not in group["Properties"]


class TestCustom:
    def test_may_be_small_and_destroyed_on_purpose(self, bench: Bench) -> None:
        database(
            bench,
            multi_az=False,
            backup_days=1,
            storage_gib=50,
            deletion_protection=False,
            removal_policy=RemovalPolicy.DESTROY,
        )
        bench.template().has_resource(
            INSTANCE,
            {
                "DeletionPolicy": "Delete",
                "Properties": {
                    "MultiAZ": False,
                    "BackupRetentionPeriod": 1,
                    "AllocatedStorage": "50",
                    "MaxAllocatedStorage": 250,
                    "DeletionProtection": False,
                },
            },
        )

    @pytest.mark.parametrize(("size", "told"), [("medium", True), ("small", False)])
    def test_what_it_waits_for_is_kept_where_the_class_can_tell(
        self, bench: Bench, size: str, told: bool
    ) -> None:
        database(bench, instance_type=ec2.InstanceType(f"t4g.{size}"))
        properties = {
            "EnablePerformanceInsights": told,
            "PerformanceInsightsKMSKeyId": Match.any_value() if told else Match.absent(),
            "DatabaseInsightsMode": "standard" if told else Match.absent(),
        }
        bench.template().has_resource_properties(INSTANCE, properties)


class TestGrants:
    @pytest.mark.parametrize("master", [False, True])
    def test_reading_a_secret_is_no_more(
        self,
        master: bool,
        bench: Bench,
        statements: Callable[[Template], list[dict[str, object]]],
    ) -> None:
        made = bench.database()
        grant = made.grant_read_master_secret if master else made.grant_read_secret
        grant(bench.role())
        read, decrypt = statements(bench.template())
        assert read["Action"] == ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
        assert ("ServerSecret" in str(read["Resource"])) is not master
        assert decrypt["Action"] == "kms:Decrypt"
        assert decrypt["Condition"] == {
            "StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}
        }

    def test_rotating_is_for_both_secrets_and_no_other(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        bench.database().grant_rotate_secrets(bench.role())
        rotate, generate, key = statements(bench.template())
        assert rotate["Action"] == [
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
        ]
        assert isinstance(rotate["Resource"], list)
        assert len(rotate["Resource"]) == 2
        assert generate["Action"] == "secretsmanager:GetRandomPassword"
        assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert "kms:ViaService" in str(key["Condition"])


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            database(bench, storage_gib=5, backup_days=0)
        assert [fault.path for fault in raised.value.faults] == ["storage_gib", "backup_days"]
