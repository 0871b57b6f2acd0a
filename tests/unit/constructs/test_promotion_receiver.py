import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.faults import FaultsError
from mlops_constructs.followed_aliases import LONGEST, size
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.promotion_receiver import SIGNED, PromotionReceiver
from mlops_constructs.tracking_server import TrackingServer
from promoter.settings import NAMES, Alias, Settings
from tests.conftest import ROOT
from tests.unit.constructs.conftest import ACCOUNT, Bench
from tests.unit.constructs.test_followed_aliases import named

FOLLOWED = {"iris": {"model": "models:/iris@champion"}}
Statements = Callable[[Template], list[dict[str, Any]]]


@pytest.fixture
def source() -> Path:
    return ROOT / "lambda" / "promoter"


def receiver(bench: Bench, source: Path, **changes: Any) -> PromotionReceiver:
    arguments: dict[str, Any] = {
        "naming": bench.naming,
        "network": bench.network,
        "source": source,
        "store": bench.releases(),
        "key": bench.key,
        "login": bench.login(),
        "tracking": bench.tracking(),
        "tracking_uri": "http://mlflow.test:5000",
        "followed": FOLLOWED,
        "undelivered": bench.undelivered(),
        "log_settings": bench.log_settings,
        "alarms": bench.alarms(),
    }
    return PromotionReceiver(bench.stack, "Receiver", **{**arguments, **changes})


def function(template: Template) -> dict[str, Any]:
    (found,) = template.find_resources("AWS::Lambda::Function").values()
    return dict(found["Properties"])


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench, source: Path) -> Template:
        receiver(bench, source)
        return bench.template()

    def test_what_the_function_is_told(self, template: Template) -> None:
        variables = function(template)["Environment"]["Variables"]
        assert set(variables) == set(NAMES)
        settings = Settings.read({name: str(value) for name, value in variables.items()})
        assert settings.followed == {"iris": {"model": Alias("iris", "champion")}}
        assert settings.tracking_uri == "http://mlflow.test:5000"

    def test_its_code_is_there(self, template: Template) -> None:
        module, _, name = str(function(template)["Handler"]).rpartition(".")
        source = ROOT / "lambda" / "promoter" / Path(*module.split(".")).with_suffix(".py")
        assert f"def {name}(" in source.read_text()

    def test_it_gives_up_before_api_gateway_does(self, template: Template) -> None:
        assert function(template)["Timeout"] < 29

    def test_a_thousand_events_cannot_take_the_accounts_functions(self, template: Template) -> None:
        assert function(template)["ReservedConcurrentExecutions"] == 5
        template.has_resource_properties(
            "AWS::ApiGateway::Stage",
            {
                "MethodSettings": [
                    Match.object_like({"ThrottlingRateLimit": 20, "ThrottlingBurstLimit": 50})
                ],
                "AccessLogSetting": Match.any_value(),
            },
        )

    def test_its_one_way_in_asks_for_neither_identity_nor_key_but_for_the_signature(
        self, template: Template
    ) -> None:
        template.resource_count_is("AWS::ApiGateway::Method", 1)
        template.has_resource_properties(
            "AWS::ApiGateway::Method",
            {
                "HttpMethod": "POST",
                "AuthorizationType": "NONE",
                "ApiKeyRequired": Match.absent(),
                "RequestParameters": {f"method.request.header.{name}": True for name in SIGNED},
            },
        )
        template.has_resource_properties("AWS::ApiGateway::Resource", {"PathPart": "promotions"})
        template.has_resource_properties(
            "AWS::ApiGateway::RestApi",
            {
                "EndpointConfiguration": Match.object_like({"Types": ["PRIVATE"]}),
                "Policy": {
                    "Statement": [
                        Match.object_like(
                            {"Condition": {"StringEquals": {"aws:SourceVpce": Match.any_value()}}}
                        )
                    ]
                },
            },
        )

    def test_the_clock_calls_it_and_what_it_cannot_start_is_kept(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::Events::Rule",
            {
                "ScheduleExpression": "rate(5 minutes)",
                "Targets": [
                    Match.object_like(
                        {
                            "DeadLetterConfig": {"Arn": Match.any_value()},
                            "RetryPolicy": Match.any_value(),
                        }
                    )
                ],
            },
        )
        (rule,) = template.find_resources("AWS::Events::Rule")
        template.has_resource_properties(
            "AWS::Lambda::Permission",
            {"Principal": "events.amazonaws.com", "SourceArn": {"Fn::GetAtt": [rule, "Arn"]}},
        )

    def test_the_secret_is_made_by_aws_encrypted_and_kept(self, template: Template) -> None:
        template.has_resource(
            "AWS::SecretsManager::Secret",
            {
                "Properties": {
                    "KmsKeyId": Match.any_value(),
                    "GenerateSecretString": {"PasswordLength": 64, "ExcludePunctuation": True},
                },
                "DeletionPolicy": "Retain",
            },
        )

    def test_it_writes_promotions_and_deliveries_and_nothing_else(
        self, template: Template, statements: Statements
    ) -> None:
        bucket = "arn:aws:s3:::mlops-blue-releases-123456789012"
        written = [s["Resource"] for s in statements(template) if "s3:PutObject" in s["Action"]]
        assert written == [[f"{bucket}/deliveries/*", f"{bucket}/promotions/*"]]
        read = [s["Resource"] for s in statements(template) if "s3:GetObject" in s["Action"]]
        assert f"{bucket}/attempts/*" in str(read)
        assert "records/" not in str(read)

    def test_it_reads_two_secrets(self, template: Template, statements: Statements) -> None:
        (reads,) = [
            s for s in statements(template) if s["Action"] == "secretsmanager:GetSecretValue"
        ]
        assert len(reads["Resource"]) == 2

    def test_it_reaches_mlflow(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::EC2::SecurityGroupEgress", {"FromPort": 5000, "ToPort": 5000}
        )


class TestCustom:
    def test_it_looks_as_often_as_it_is_told(self, bench: Bench, source: Path) -> None:
        receiver(bench, source, minutes=120)
        bench.template().has_resource_properties(
            "AWS::Events::Rule", {"ScheduleExpression": "rate(2 hours)"}
        )

    def test_the_address_is_that_of_the_route(self, bench: Bench, source: Path) -> None:
        url = json.dumps(bench.stack.resolve(receiver(bench, source).url))
        assert "/promotions" in url


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench, source: Path) -> None:
        with pytest.raises(FaultsError) as raised:
            receiver(bench, source, minutes=0, followed={"iris": {}, "rose": {"model": "s3://b/"}})
        assert [fault.path for fault in raised.value.faults] == [
            "minutes",
            "followed.iris",
            "followed.rose",
        ]

    def test_something_is_followed_once_a_day_at_least(self, bench: Bench, source: Path) -> None:
        with pytest.raises(FaultsError) as raised:
            receiver(bench, source, minutes=1441, followed={})
        assert [fault.path for fault in raised.value.faults] == ["minutes", "followed"]

    def test_what_is_followed_fits_into_a_functions_variables(
        self, bench: Bench, source: Path
    ) -> None:
        with pytest.raises(
            FaultsError, match=f"100 endpoints, which take (?s:.*) at most {LONGEST}"
        ):
            receiver(bench, source, followed=named(25))

    def test_its_variables_are_no_more_than_a_function_has(
        self, bench: Bench, source: Path
    ) -> None:
        """With long names in all of them, as JSON, which is how Lambda measures them."""
        receiver(bench, source, followed=named(20), tracking_uri=f"https://{'m' * 200}:5000")
        variables = function(bench.template())["Environment"]["Variables"]
        secret = f"arn:aws:secretsmanager:ap-northeast-1:{ACCOUNT}:secret:"
        longest = {
            "RELEASE_BUCKET": "b" * 63,
            "LOGIN_SECRET_ARN": f"{secret}{'p' * 38}/mlflow/{'u' * 64}-AbCdEf",
            "WEBHOOK_SECRET_ARN": f"{secret}ReceiverSecret01234567-AbCdEfGhIjKl-AbCdEf",
        }
        measured = json.dumps({**variables, **longest}, separators=(",", ":"))
        assert set(longest) < set(variables)
        assert len(measured.encode()) + LONGEST - size(named(20)) <= 4096

    def test_the_network_has_to_know_its_calls(self, bench: Bench, source: Path) -> None:
        without = PrivateNetwork(
            bench.stack,
            "Without",
            vpc=bench.vpc(bench.stack),
            calls=TrackingServer.CALLS,
            naming=bench.naming,
            principals=Principals(ACCOUNT),
            s3_prefix_list="pl-6da54004",
        )
        with pytest.raises(FaultsError, match="execute-api"):
            receiver(bench, source, network=without)
