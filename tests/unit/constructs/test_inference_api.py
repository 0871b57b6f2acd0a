import pytest
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.inference_api import InferenceApi
from model_server.content import BYTES, NPY, PARQUET
from tests.unit.constructs.conftest import Bench


def api(bench: Bench, **changes: object) -> InferenceApi:
    function = lambda_.Function(
        bench.stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
    )
    arguments: dict[str, object] = {
        "naming": bench.naming,
        "invoker": function,
        "vpc_endpoint": bench.network.endpoints["execute-api"],
        "log_settings": bench.log_settings,
    }
    return InferenceApi(bench.stack, "Api", **{**arguments, **changes})  # type: ignore[arg-type]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        api(bench)
        return bench.template()

    def test_answers_through_one_vpc_endpoint_alone(self, template: Template) -> None:
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

    def test_bytes_of_models_arrive_as_they_are(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::ApiGateway::RestApi", {"BinaryMediaTypes": [BYTES, PARQUET, NPY]}
        )

    def test_asks_for_an_identity_and_a_key(self, template: Template) -> None:
        template.all_resources_properties(
            "AWS::ApiGateway::Method", {"AuthorizationType": "AWS_IAM", "ApiKeyRequired": True}
        )

    def test_key_is_throttled_and_its_value_is_in_no_template(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::ApiGateway::UsagePlan", {"Throttle": {"RateLimit": 50, "BurstLimit": 100}}
        )
        template.has_resource_properties("AWS::ApiGateway::ApiKey", {"Value": Match.absent()})

    def test_all_keys_together_are_throttled(self, template: Template) -> None:
        limits = {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}
        template.has_resource_properties(
            "AWS::ApiGateway::Stage", {"MethodSettings": [Match.object_like(limits)]}
        )

    def test_logs_each_request_encrypted(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::ApiGateway::Stage",
            {
                "AccessLogSetting": {
                    "DestinationArn": Match.any_value(),
                    "Format": Match.any_value(),
                }
            },
        )
        template.has_resource_properties(
            "AWS::Logs::LogGroup", {"KmsKeyId": Match.any_value(), "RetentionInDays": 30}
        )

    def test_has_two_routes_for_every_endpoint(self, template: Template) -> None:
        parts = {
            resource["Properties"]["PathPart"]
            for resource in template.find_resources("AWS::ApiGateway::Resource").values()
        }
        assert parts == {"endpoints", "{endpoint}", "invocations", "{invocation}"}
        verbs = {
            method["Properties"]["HttpMethod"]
            for method in template.find_resources("AWS::ApiGateway::Method").values()
        }
        assert verbs == {"POST", "GET"}


class TestCustom:
    def test_may_take_the_key_alone(self, bench: Bench) -> None:
        api(bench, authorization=apigateway.AuthorizationType.NONE, rate=5, burst=9)
        template = bench.template()
        template.all_resources_properties(
            "AWS::ApiGateway::Method", {"AuthorizationType": "NONE", "ApiKeyRequired": True}
        )
        template.has_resource_properties(
            "AWS::ApiGateway::UsagePlan", {"Throttle": {"RateLimit": 5, "BurstLimit": 9}}
        )


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            api(bench, rate=0, burst=0)
        assert [fault.path for fault in raised.value.faults] == ["rate", "burst"]
