import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Environment
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Match, Template

from mlops_constructs.data_capture import DataCapture
from mlops_constructs.faults import FaultsError
from mlops_constructs.monitoring_job import DataQuality, ModelQuality
from mlops_constructs.monitoring_schedule import MonitoringSchedule
from tests.unit.constructs.conftest import ACCOUNT, REGION, Bench, ZonedStack

Statements = Callable[[Template], list[dict[str, object]]]
BASELINE = "mlflow/1/models/m-1/artifacts/baseline/"
BUCKET = f"arn:aws:s3:::mlops-blue-artifacts-{ACCOUNT}"
DATA, MODEL = (f"AWS::SageMaker::{kind}QualityJobDefinition" for kind in ("Data", "Model"))
SCHEDULE = "AWS::SageMaker::MonitoringSchedule"
QUALITY = ModelQuality(
    BASELINE,
    problem="BinaryClassification",
    truth="truth/iris/",
    probability="0",
    threshold=0.8,
    limits={"f1": 0.7, "false_positive_rate": 0.1},
)


def monitor(bench: Bench, **changes: Any) -> MonitoringSchedule:
    artifacts = bench.artifacts()
    return MonitoringSchedule(
        bench.stack,
        "Monitor",
        **{
            "naming": bench.naming,
            "name": "iris",
            "endpoint": sagemaker.CfnEndpoint(
                bench.stack, "Endpoint", endpoint_config_name="config"
            ),
            "capture": DataCapture(artifacts),
            "network": bench.network,
            "artifacts": artifacts,
            "quality": DataQuality(BASELINE),
            "alarms": bench.alarms(),
            **changes,
        },
    )


def the(template: Template, kind: str) -> dict[str, Any]:
    (found,) = template.find_resources(kind).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def reads(statements: list[dict[str, object]]) -> list[object]:
    """What is read; the CDK makes one statement of what differs in its resource alone."""
    found = [each["Resource"] for each in statements if each["Action"] == "s3:GetObject"]
    return [one for each in found for one in (each if isinstance(each, list) else [each])]


class TestDataQuality:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        monitor(bench)
        return bench.template()

    def test_jobs_stand_in_the_network_and_have_none(self, template: Template) -> None:
        template.has_resource_properties(
            DATA,
            {
                "NetworkConfig": {
                    "EnableInterContainerTrafficEncryption": True,
                    "EnableNetworkIsolation": True,
                    "VpcConfig": {
                        "SecurityGroupIds": [Match.any_value()],
                        "Subnets": [Match.any_value(), Match.any_value()],
                    },
                }
            },
        )

    def test_volumes_and_reports_are_encrypted_with_our_key(self, template: Template) -> None:
        definition = the(template, DATA)
        volume = definition["JobResources"]["ClusterConfig"]["VolumeKmsKeyId"]
        assert volume == definition["DataQualityJobOutputConfig"]["KmsKeyId"]
        assert "Neighbours" in json.dumps(volume)

    def test_the_baseline_is_the_training_runs(self, template: Template) -> None:
        baseline = the(template, DATA)["DataQualityBaselineConfig"]
        assert f"/{BASELINE}statistics.json" in json.dumps(baseline["StatisticsResource"])
        assert f"/{BASELINE}constraints.json" in json.dumps(baseline["ConstraintsResource"])

    def test_it_runs_daily_and_no_longer_than_a_day(self, template: Template) -> None:
        config = the(template, SCHEDULE)["MonitoringScheduleConfig"]
        assert config["ScheduleConfig"] == {"ScheduleExpression": "cron(0 0 ? * * *)"}
        assert config["MonitoringType"] == "DataQuality"
        assert the(template, DATA)["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}

    def test_the_schedule_names_the_definition_and_waits_for_both(self, template: Template) -> None:
        config = the(template, SCHEDULE)["MonitoringScheduleConfig"]
        assert config["MonitoringJobDefinitionName"] == the(template, DATA)["JobDefinitionName"]
        (schedule,) = template.find_resources(SCHEDULE).values()
        assert {"Endpoint"} <= set(schedule["DependsOn"])
        assert any(name.startswith("MonitorDefinition") for name in schedule["DependsOn"])

    def test_the_role_reads_two_prefixes_and_writes_one(
        self, template: Template, statements: Statements
    ) -> None:
        found = statements(template)
        assert reads(found) == [f"{BUCKET}/capture/mlops-blue-iris/*", f"{BUCKET}/{BASELINE}*"]
        (written,) = [each for each in found if "s3:PutObject" in str(each["Action"])]
        assert written["Resource"] == f"{BUCKET}/monitoring/mlops-blue-iris-data-quality/*"
        assert not [each for each in found if "s3:DeleteObject" in json.dumps(each["Action"])]

    def test_metrics_are_bound_to_their_namespace(
        self, template: Template, statements: Statements
    ) -> None:
        (found,) = [
            each for each in statements(template) if each["Action"] == "cloudwatch:PutMetricData"
        ]
        assert found["Condition"] == {
            "StringEquals": {
                "cloudwatch:namespace": [
                    "aws/sagemaker/Endpoints/data-metrics",
                    "/aws/sagemaker/Endpoints/data-metrics",
                    "/aws/sagemaker/ProcessingJobs",
                ]
            }
        }

    def test_it_pulls_one_image_of_aws(self, template: Template, statements: Statements) -> None:
        (found,) = [
            each["Resource"]
            for each in statements(template)
            if "ecr:BatchGetImage" in each["Action"]  # type: ignore[operator]
        ]
        image = "repository/sagemaker-model-monitor-analyzer"
        assert found == f"arn:aws:ecr:{REGION}:468650794304:{image}"

    def test_reports_come_at_the_end_and_metrics_to_cloudwatch(self, template: Template) -> None:
        definition = the(template, DATA)
        (output,) = definition["DataQualityJobOutputConfig"]["MonitoringOutputs"]
        assert output["S3Output"]["S3UploadMode"] == "EndOfJob"
        told = definition["DataQualityAppSpecification"]["Environment"]
        assert told == {"publish_cloudwatch_metrics": "Enabled"}

    def test_jobs_stand_in_the_subnets_and_reach_s3_alone(
        self, template: Template, statements: Statements
    ) -> None:
        allowed = json.dumps([each["Action"] for each in statements(template)])
        assert "ec2:CreateNetworkInterfacePermission" in allowed
        (rule,) = template.find_resources("AWS::EC2::SecurityGroupEgress").values()
        group = json.dumps(the(template, DATA)["NetworkConfig"]["VpcConfig"]["SecurityGroupIds"])
        assert rule["Properties"]["DestinationPrefixListId"] == "pl-6da54004"
        assert json.dumps(rule["Properties"]["GroupId"]) in group

    def test_jobs_write_their_log_and_ask_for_a_token(
        self, template: Template, statements: Statements
    ) -> None:
        found = statements(template)
        logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/ProcessingJobs"
        (written,) = [each["Resource"] for each in found if "logs:PutLogEvents" in str(each)]
        assert written == [logs, f"{logs}:log-stream:*"]
        assert [each for each in found if "ecr:GetAuthorizationToken" in str(each["Action"])]

    def test_the_key_is_granted_to_volumes_alone(
        self, template: Template, statements: Statements
    ) -> None:
        (found,) = [each for each in statements(template) if each["Action"] == "kms:CreateGrant"]
        assert found["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}

    @pytest.mark.parametrize(
        ("way", "detail"),
        [
            ("Failures", {"ProcessingJobStatus": ["Failed", "Stopped"]}),
            (
                "Violations",
                {
                    "ProcessingJobStatus": ["Completed"],
                    "ExitMessage": [{"prefix": "CompletedWithViolations"}],
                },
            ),
        ],
    )
    def test_ends_of_its_own_jobs_are_counted(
        self, template: Template, way: str, detail: dict[str, object]
    ) -> None:
        ((name, rule),) = [
            (name, found["Properties"])
            for name, found in template.find_resources("AWS::Events::Rule").items()
            if way in name
        ]
        pattern = rule["EventPattern"]["detail"]
        assert "MonitorRole" in json.dumps(pattern.pop("RoleArn"))
        assert pattern == detail
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "MetricName": "MatchedEvents",
                "Dimensions": [{"Name": "RuleName", "Value": {"Ref": name}}],
                "Threshold": 1,
                "TreatMissingData": "notBreaching",
            },
        )


class TestModelQuality:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        monitor(bench, quality=QUALITY)
        return bench.template()

    def test_it_compares_answers_with_the_truth(self, template: Template) -> None:
        definition = the(template, MODEL)
        asked = definition["ModelQualityJobInput"]
        assert asked["EndpointInput"] == {
            "EndpointName": {"Fn::GetAtt": ["Endpoint", "EndpointName"]},
            "LocalPath": "/opt/ml/processing/input/endpoint",
            "ProbabilityAttribute": "0",
            "ProbabilityThresholdAttribute": 0.8,
            "StartTimeOffset": "-P1D",
            "EndTimeOffset": "-PT0H",
        }
        assert "/truth/iris/" in json.dumps(asked["GroundTruthS3Input"])
        assert definition["ModelQualityAppSpecification"]["ProblemType"] == "BinaryClassification"
        baseline = definition["ModelQualityBaselineConfig"]
        assert f"/{BASELINE}model_quality.json" in json.dumps(baseline)

    def test_its_two_jobs_share_the_time(self, template: Template) -> None:
        assert the(template, MODEL)["StoppingCondition"] == {"MaxRuntimeInSeconds": 43200}

    def test_the_role_reads_labels_too_and_what_was_merged(
        self, template: Template, statements: Statements
    ) -> None:
        assert set(reads(statements(template))) == {
            f"{BUCKET}/capture/mlops-blue-iris/*",
            f"{BUCKET}/{BASELINE}*",
            f"{BUCKET}/truth/iris/*",
            f"{BUCKET}/monitoring/mlops-blue-iris-model-quality/*",
        }

    @pytest.mark.parametrize(
        ("metric", "comparison"),
        [
            ("f1", "LessThanThreshold"),
            ("false_positive_rate", "GreaterThanOrEqualToThreshold"),
        ],
    )
    def test_a_metric_has_a_limit_on_its_bad_side(
        self, template: Template, metric: str, comparison: str
    ) -> None:
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "Namespace": "aws/sagemaker/Endpoints/model-metrics",
                "MetricName": metric,
                "ComparisonOperator": comparison,
                "Statistic": "Average",
                "Period": 86400,
                "Dimensions": [
                    {"Name": "Endpoint", "Value": Match.any_value()},
                    {"Name": "MonitoringSchedule", "Value": "mlops-blue-iris-model-quality"},
                ],
            },
        )

    def test_no_value_is_no_bad_one(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm", {"MetricName": "f1", "TreatMissingData": "ignore"}
        )


class TestCustom:
    def test_disks_that_the_hardware_encrypts_take_no_key(
        self, bench: Bench, statements: Statements
    ) -> None:
        monitor(bench, quality=DataQuality(BASELINE, instance="ml.g4dn.xlarge"))
        template = bench.template()
        definition = the(template, DATA)
        assert "VolumeKmsKeyId" not in definition["JobResources"]["ClusterConfig"]
        assert "KmsKeyId" in definition["DataQualityJobOutputConfig"]
        assert not [s for s in statements(template) if s["Action"] == "kms:CreateGrant"]

    def test_features_have_alarms_of_their_drift(self, bench: Bench) -> None:
        quality = DataQuality(
            BASELINE,
            schedule="cron(0 * ? * * *)",
            instances=3,
            features=["sex", "w/h", "w-h"],
            drift=0.2,
        )
        made = monitor(bench, quality=quality)
        template = bench.template()
        for feature in quality.features:
            template.has_resource_properties(
                "AWS::CloudWatch::Alarm",
                {
                    "MetricName": f"feature_baseline_drift_{feature}",
                    "Threshold": 0.2,
                    "Period": 3600,
                },
            )
        assert the(template, DATA)["JobResources"]["ClusterConfig"]["InstanceCount"] == 3
        assert list(made.metrics)[:2] == ["Failures", "Violations"]
        assert len(made.all) == len(made.metrics) == 5

    def test_long_names_fit(self, bench: Bench) -> None:
        monitor(bench, name="a-model-whose-name-goes-on-and-on-and-on-and-on")
        template = bench.template()
        assert len(the(template, DATA)["JobDefinitionName"]) <= 63
        assert len(the(template, SCHEDULE)["MonitoringScheduleName"]) <= 54


class TestNames:
    def test_another_content_has_another_name(
        self, feature_flags: dict[str, object], tmp_path: Path
    ) -> None:
        def name(folder: str, **changes: Any) -> str:
            bench = Bench(feature_flags, tmp_path / folder)
            monitor(bench, **changes)
            found: str = the(bench.template(), DATA)["JobDefinitionName"]
            return found

        assert name("one") == name("two")
        assert name("one") != name("three", quality=DataQuality(BASELINE, volume_gib=30))


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            monitor(bench, quality=DataQuality("baseline", schedule="daily"), kind="serverless")
        assert [fault.path for fault in raised.value.faults] == [
            "monitoring.baseline",
            "monitoring",
            "monitoring.schedule",
        ]

    def test_a_network_without_s3_is_refused(self, bench: Bench) -> None:
        del bench.network.endpoints["s3"]
        with pytest.raises(FaultsError, match="monitoring job reads what was captured"):
            monitor(bench)

    def test_a_region_without_the_image_is_refused(self, bench: Bench, tmp_path: Path) -> None:
        app = App(outdir=str(tmp_path / "elsewhere"))
        target = Environment(account=ACCOUNT, region="ca-west-1")
        bench.stack = ZonedStack(app, "Elsewhere", env=target)
        with pytest.raises(FaultsError, match="AWS has no image that monitors"):
            monitor(bench)
