from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Match, Template

from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.faults import FaultsError
from mlops_constructs.function_source import with_packages
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.secret_rotation import SecretRotation
from rotator.settings import Settings
from tests.conftest import ROOT
from tests.unit.constructs.conftest import ACCOUNT, Bench

SOURCE = ROOT / "lambda" / "rotator"
SCHEDULE = "AWS::SecretsManager::RotationSchedule"


def rotation(bench: Bench, **changes: Any) -> SecretRotation:
    arguments: dict[str, Any] = {
        "database": bench.database(),
        "network": bench.network,
        "source": SOURCE,
        "log_settings": bench.log_settings,
        "alarms": bench.alarms(),
    }
    return SecretRotation(bench.stack, "Rotation", **{**arguments, **changes})


def function(template: Template) -> dict[str, Any]:
    (found,) = template.find_resources("AWS::Lambda::Function").values()
    return dict(found["Properties"])


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        rotation(bench)
        return bench.template()

    def test_both_secrets_rotate_each_month_and_not_at_once(self, template: Template) -> None:
        template.resource_count_is(SCHEDULE, 2)
        template.all_resources_properties(
            SCHEDULE,
            {
                "RotationRules": {"AutomaticallyAfterDays": 30},
                "RotateImmediatelyOnUpdate": False,
                "RotationLambdaARN": Match.any_value(),
            },
        )
        schedules = template.find_resources(SCHEDULE).values()
        secrets = {str(schedule["Properties"]["SecretId"]) for schedule in schedules}
        assert len(secrets) == 2
        assert sum("ServerSecret" in secret for secret in secrets) == 1

    def test_a_schedule_waits_until_the_function_can_be_called(self, template: Template) -> None:
        (permission,) = template.find_resources("AWS::Lambda::Permission")
        rules = template.find_resources("AWS::EC2::SecurityGroupEgress")
        for schedule in template.find_resources(SCHEDULE).values():
            assert {permission, *rules} <= set(schedule["DependsOn"])

    def test_secrets_manager_of_this_account_alone_may_call_it(self, template: Template) -> None:
        template.resource_count_is("AWS::Lambda::Permission", 1)
        template.has_resource_properties(
            "AWS::Lambda::Permission",
            {"Principal": "secretsmanager.amazonaws.com", "SourceAccount": ACCOUNT},
        )

    def test_runs_in_the_network_and_reaches_the_database(
        self, bench: Bench, template: Template
    ) -> None:
        assert function(template)["VpcConfig"]["SubnetIds"]
        template.has_resource_properties(
            "AWS::EC2::SecurityGroupEgress",
            {"Description": "Sets passwords", "FromPort": 3307, "ToPort": 3307},
        )
        template.has_resource_properties(
            "AWS::EC2::SecurityGroupIngress",
            {"Description": "Sets passwords", "FromPort": 3307, "ToPort": 3307},
        )

    def test_environment_is_what_the_function_reads(self, template: Template) -> None:
        settings = Settings.read(function(template)["Environment"]["Variables"])
        assert settings.certificates == "/etc/pki/tls/cert.pem"

    def test_handler_is_in_its_source(self, template: Template) -> None:
        module, _, name = str(function(template)["Handler"]).rpartition(".")
        source = SOURCE / Path(*module.split(".")).with_suffix(".py")
        assert f"def {name}(" in source.read_text()

    def test_the_alarm_begins_where_a_step_fails(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "Namespace": "AWS/Lambda",
                "MetricName": "Errors",
                "Threshold": 1,
                "EvaluationPeriods": 1,
                "AlarmActions": Match.any_value(),
            },
        )

    def test_calls_no_more_than_it_declares(
        self, template: Template, statements: Callable[[Template], list[dict[str, Any]]]
    ) -> None:
        granted = {
            action
            for statement in statements(template)
            for action in (
                statement["Action"]
                if isinstance(statement["Action"], list)
                else [statement["Action"]]
            )
            if action.startswith("secretsmanager:")
        }
        assert granted == {action for call in SecretRotation.CALLS for action in call.actions}


class TestCustom:
    def test_days_and_what_may_run_at_once(self, bench: Bench) -> None:
        rotation(bench, days=7)
        template = bench.template()
        template.all_resources_properties(
            SCHEDULE, {"RotationRules": {"AutomaticallyAfterDays": 7}}
        )
        assert function(template)["ReservedConcurrentExecutions"] == 2


class TestBadInput:
    @pytest.mark.parametrize("days", [0, 366])
    def test_days(self, days: int, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            rotation(bench, days=days)
        assert [fault.path for fault in raised.value.faults] == ["days"]

    def test_a_network_without_the_endpoint(self, bench: Bench) -> None:
        network = PrivateNetwork(
            bench.stack,
            "Other",
            vpc=bench.vpc(bench.stack),
            calls=[],
            naming=bench.naming,
            principals=Principals(ACCOUNT),
            s3_prefix_list="pl-6da54004",
        )
        with pytest.raises(FaultsError, match="replaces the database's passwords"):
            rotation(bench, network=network)


class TestPackages:
    """What the asset holds is the same on every machine."""

    @pytest.fixture
    def staged(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, bytes]]:
        def stage(source: Path, *packages: str) -> dict[str, bytes]:
            held: dict[str, bytes] = {}

            def from_asset(path: str) -> object:
                held.update(
                    (file.relative_to(path).as_posix(), file.read_bytes())
                    for file in Path(path).rglob("*")
                    if file.is_file()
                )
                return object()

            monkeypatch.setattr(lambda_.Code, "from_asset", from_asset)
            with with_packages(source, *packages):
                pass
            return held

        return stage

    def test_holds_both_and_nothing_that_a_machine_adds(
        self, staged: Callable[..., dict[str, bytes]]
    ) -> None:
        import pymysql

        installed = Path(pymysql.__file__).parent
        assert any(installed.rglob("*.pyc"))
        held = staged(SOURCE, "pymysql")
        assert {"rotator/handler.py", "pymysql/__init__.py", "pymysql/constants/ER.py"} <= set(held)
        assert {name.partition("/")[0] for name in held} == {"rotator", "pymysql"}
        assert {Path(name).suffix for name in held} <= {".py", ".typed"}
        assert held["pymysql/connections.py"] == (installed / "connections.py").read_bytes()

    def test_the_pin_is_one_of_synth(self) -> None:
        pins = (ROOT / "requirements.txt").read_text().splitlines()
        assert any(pin.startswith("pymysql==") for pin in pins)

    def test_packages_that_cannot_be_shipped_are_told_together(self) -> None:
        with (
            pytest.raises(FaultsError) as raised,
            with_packages(SOURCE, "numpy", "no_such", "json.tool"),
        ):
            pass
        assert [fault.path for fault in raised.value.faults] == ["numpy", "no_such", "json.tool"]
