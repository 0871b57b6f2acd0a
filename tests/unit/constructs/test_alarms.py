import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Match, Template

from mlops_constructs.alarms import Alarms, AlarmTopic
from mlops_constructs.encryption_key import EncryptionKey
from tests.unit.constructs.conftest import Bench
from tests.unit.constructs.test_encryption_key import OF_ALARMS

ALARM = "AWS::CloudWatch::Alarm"
METRIC = cloudwatch.Metric(namespace="Tests", metric_name="Load")


class TestTopic:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        key = EncryptionKey(bench.stack, "Key", description="x")
        AlarmTopic(bench.stack, "Alarms", key=key, namespace="mlops-blue")
        return bench.template()

    def test_is_encrypted_and_alarms_may_use_the_key(self, template: Template) -> None:
        template.has_resource_properties("AWS::SNS::Topic", {"KmsMasterKeyId": Match.any_value()})
        (key,) = template.find_resources("AWS::KMS::Key").values()
        assert "cloudwatch.amazonaws.com" in str(key["Properties"]["KeyPolicy"])

    def test_alarms_of_this_account_publish_and_nobody_without_tls(
        self, template: Template
    ) -> None:
        (policy,) = template.find_resources("AWS::SNS::TopicPolicy").values()
        deny, allow = policy["Properties"]["PolicyDocument"]["Statement"]
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert allow["Action"] == "sns:Publish"
        assert allow["Condition"] == OF_ALARMS


class TestAlarms:
    @pytest.fixture
    def alarms(self, bench: Bench) -> Alarms:
        return bench.alarms()

    def test_too_much_is_told_when_it_begins_and_ends(self, bench: Bench, alarms: Alarms) -> None:
        alarms.above(bench.stack, "High", METRIC, 90, "Too much.", periods=3)
        bench.template().has_resource_properties(
            ALARM,
            {
                "Threshold": 90,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "EvaluationPeriods": 3,
                "TreatMissingData": "notBreaching",
                "AlarmDescription": "Too much.",
                "AlarmActions": [Match.any_value()],
                "OKActions": [Match.any_value()],
            },
        )

    def test_silence_is_too_little(self, bench: Bench, alarms: Alarms) -> None:
        alarms.below(bench.stack, "Low", METRIC, 1, "Too little.")
        bench.template().has_resource_properties(
            ALARM,
            {"ComparisonOperator": "LessThanThreshold", "TreatMissingData": "breaching"},
        )

    def test_lines_are_counted_and_none_is_zero(self, bench: Bench, alarms: Alarms) -> None:
        group = logs.LogGroup(bench.stack, "Log")
        counted = alarms.count(bench.stack, "Oops", group, '"oops"')
        assert (counted.namespace, counted.metric_name) == ("mlops-blue", "Oops")
        assert counted.period.to_seconds() == 60
        bench.template().has_resource_properties(
            "AWS::Logs::MetricFilter",
            {
                "FilterPattern": '"oops"',
                "MetricTransformations": [
                    {
                        "MetricNamespace": "mlops-blue",
                        "MetricName": "Oops",
                        "MetricValue": "1",
                        "DefaultValue": 0,
                    }
                ],
            },
        )
