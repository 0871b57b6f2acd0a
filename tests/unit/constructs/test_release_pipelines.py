import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.release_pipelines import ReleasePipelines
from tests.unit.constructs.conftest import ACCOUNT, Bench, listed
from tests.unit.constructs.pipelines import BUCKET, PIPELINE, RULE, filled, rule, stages


def pipelines(bench: Bench, **changes: Any) -> ReleasePipelines:
    arguments: dict[str, Any] = {
        "naming": bench.naming,
        "endpoints": ["rose-two", "iris"],
        "builds": bench.builds(),
        "store": bench.releases(),
        "key": bench.key,
        "topic": bench.alarms().topic,
        "undelivered": bench.undelivered(),
    }
    return ReleasePipelines(bench.stack, "Pipelines", **{**arguments, **changes})


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        pipelines(bench)
        return bench.template()

    def test_each_endpoint_has_one_in_which_the_newest_overtakes(self, template: Template) -> None:
        template.all_resources_properties(
            PIPELINE,
            {
                "PipelineType": "V2",
                "ExecutionMode": "SUPERSEDED",
                "RestartExecutionOnUpdate": False,
                "Variables": [Match.object_like({"Name": "PROMOTION"})],
                "ArtifactStore": Match.object_like(
                    {"EncryptionKey": {"Id": Match.any_value(), "Type": "KMS"}}
                ),
            },
        )
        names = {it["Properties"]["Name"] for it in template.find_resources(PIPELINE).values()}
        assert names == {"mlops-blue-release-iris", "mlops-blue-release-rose-two"}

    def test_its_stages(self, template: Template) -> None:
        found = stages(template, "mlops-blue-release-iris")
        assert list(found) == ["Source", "Prepare", "Approve", "Deploy", "Verify"]
        projects = {
            name: action["Configuration"].get("ProjectName") for name, action in found.items()
        }
        assert projects == {
            "Source": None,
            "Prepare": "mlops-blue-releases-prepare",
            "Approve": None,
            "Deploy": "mlops-blue-releases-deploy",
            "Verify": "mlops-blue-releases-deploy",
        }

    def test_a_new_app_starts_nothing(self, template: Template) -> None:
        source = stages(template, "mlops-blue-release-iris")["Source"]["Configuration"]
        assert source["S3ObjectKey"] == "source/app.zip"
        assert source["PollForSourceChanges"] == "false"

    def test_each_step_is_told_what_it_is_about(self, template: Template) -> None:
        found = stages(template, "mlops-blue-release-rose-two")
        for step in ("prepare", "deploy", "verify"):
            told = json.loads(found[step.title()]["Configuration"]["EnvironmentVariables"])
            assert {it["name"]: it["value"] for it in told} == {
                "RELEASE_STEP": step,
                "RELEASE_ENDPOINT": "rose-two",
                "RELEASE_PROMOTION": "#{variables.PROMOTION}",
                "RELEASE_EXECUTION": "#{codepipeline.PipelineExecutionId}",
            }

    def test_what_was_looked_at_is_what_is_deployed(self, template: Template) -> None:
        found = stages(template, "mlops-blue-release-iris")
        assert found["Prepare"]["OutputArtifacts"] == found["Deploy"]["InputArtifacts"]

    def test_a_person_is_told_what_the_release_changes(self, template: Template) -> None:
        approve = stages(template, "mlops-blue-release-iris")["Approve"]
        assert approve["ActionTypeId"]["Category"] == "Approval"
        assert approve["Configuration"]["CustomData"] == "#{Prepare.HEADLINE}"
        assert approve["Configuration"]["NotificationArn"]
        assert stages(template, "mlops-blue-release-iris")["Prepare"]["Namespace"] == "Prepare"

    def test_a_promotion_starts_the_pipeline_of_its_endpoint_with_its_version(
        self, template: Template
    ) -> None:
        found = rule(template, "Releases rose-two")
        pattern, (target,) = found["EventPattern"], found["Targets"]
        assert pattern["source"] == ["aws.s3"]
        assert pattern["detail"]["object"] == {"key": ["promotions/rose-two.json"]}
        assert str(target["Arn"]).endswith(":mlops-blue-release-rose-two")
        given = target["InputTransformer"]
        assert given["InputPathsMap"] == {"version": "$.detail.object.version-id"}
        assert filled(given["InputTemplate"], version="v-1") == {
            "variables": [{"name": "PROMOTION", "value": "v-1"}]
        }

    def test_an_end_that_no_step_wrote_down_is_written_down(self, template: Template) -> None:
        found = rule(template, "release of iris failed")
        assert found["EventPattern"]["detail"] == {
            "pipeline": ["mlops-blue-release-iris"],
            "state": ["FAILED", "CANCELED", "STOPPED", "SUPERSEDED"],
        }
        (target,) = found["Targets"]
        given = target["InputTransformer"]
        assert given["InputPathsMap"] == {"execution": "$.detail.execution-id"}
        told = filled(given["InputTemplate"], execution="e-1")["environmentVariablesOverride"]
        assert {it["name"]: it["value"] for it in told} == {
            "RELEASE_STEP": "close",
            "RELEASE_ENDPOINT": "iris",
            "RELEASE_EXECUTION": "e-1",
        }

    def test_what_serves_is_compared_each_day(self, template: Template) -> None:
        found = rule(template, "Compares")
        assert found["ScheduleExpression"] == "cron(0 17 * * ? *)"
        (told,) = json.loads(found["Targets"][0]["Input"])["environmentVariablesOverride"]
        assert (told["name"], told["value"]) == ("RELEASE_STEP", "drift")

    def test_where_it_is_run_outside_a_promotion_starts_nothing(self, bench: Bench) -> None:
        pipelines(bench, start=False)
        states = {
            it["Properties"]["Description"].partition(" ")[0]: it["Properties"].get("State")
            for it in bench.template().find_resources(RULE).values()
        }
        assert states == {"Releases": "DISABLED", "Writes": None, "Compares": None}

    def test_no_event_is_lost_without_a_word(self, template: Template) -> None:
        rules = template.find_resources(RULE)
        assert len(rules) == 5
        for each in rules.values():
            for target in each["Properties"]["Targets"]:
                assert target["DeadLetterConfig"]["Arn"]
                assert target["RetryPolicy"]["MaximumRetryAttempts"] == 20
        template.resource_count_is("AWS::CloudWatch::Alarm", 2)

    def test_pipelines_share_a_role_which_starts_builds_and_hands_on_artifacts(
        self, template: Template, statements: Callable[[Template], list[dict[str, Any]]]
    ) -> None:
        (role,) = [
            it["Properties"]
            for it in template.find_resources("AWS::IAM::Role").values()
            if it["Properties"].get("Path") == "/mlops/blue/pipelines/"
        ]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "codepipeline.amazonaws.com"}
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        builds = [s for s in statements(template) if "codebuild:BatchGetBuilds" in s["Action"]]
        assert [len(s["Resource"]) for s in builds] == [2]

    def test_their_role_reaches_what_they_hand_on_and_no_other_object(
        self, template: Template
    ) -> None:
        (policy,) = [
            it["Properties"]
            for it in template.find_resources("AWS::IAM::ManagedPolicy").values()
            if "PipelinesPipelineRole" in str(it["Properties"]["Roles"])
        ]
        objects = {
            resource
            for statement in policy["PolicyDocument"]["Statement"]
            for resource in listed(statement["Resource"])
            if f"{BUCKET}/" in resource
        }
        assert objects == {
            f"{BUCKET}/source/app.zip",
            f"{BUCKET}/mlops-blue-release-*/App/*",
            f"{BUCKET}/mlops-blue-release-*/Prepared/*",
        }

    def test_eventbridge_starts_what_is_named(
        self, template: Template, statements: Callable[[Template], list[dict[str, Any]]]
    ) -> None:
        (started,) = [
            s for s in statements(template) if s["Action"] == "codepipeline:StartPipelineExecution"
        ]
        ours = "arn:aws:codepipeline:eu-west-1:123456789012:mlops-blue-release-*"
        assert started["Resource"] == ours


class TestCustom:
    def test_nobody_has_to_approve(self, bench: Bench) -> None:
        pipelines(bench, approve=False)
        found = stages(bench.template(), "mlops-blue-release-iris")
        assert list(found) == ["Source", "Prepare", "Deploy", "Verify"]


class TestBadInput:
    def test_each_endpoint_is_named_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError, match="'iris' twice"):
            pipelines(bench, endpoints=["iris", "iris"])

    def test_one_is_named(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            pipelines(bench, endpoints=[])
        assert [fault.path for fault in raised.value.faults] == ["endpoints"]
