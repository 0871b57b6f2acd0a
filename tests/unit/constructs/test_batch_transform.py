"""The state machine is run by the embedded AWS's interpreter; SageMaker is the test's."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Match, Template
from botocore.validate import validate_parameters
from ministack.services import stepfunctions

from mlops_constructs.batch_transform import EVENTS_RULE, BatchTransform
from mlops_constructs.endpoint_rights import execution_role
from mlops_constructs.faults import FaultsError
from mlops_constructs.transform_job import TransformJob
from mlops_constructs.transform_states import ATTEMPTS, definition
from tests.unit.constructs.conftest import ACCOUNT, REGION, Bench

Statements = Callable[[Template], list[dict[str, object]]]
JOB = TransformJob("batch/in/", "batch/out/", split="line", parallel=2, environment={"A": "1"})
MACHINE = "AWS::StepFunctions::StateMachine"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:Machine:monday_{'x' * 70}"


def batch(bench: Bench, name: str = "iris", **changes: Any) -> BatchTransform:
    role = execution_role(bench.stack, "ModelRole", "Runs the model", bench.naming)
    return BatchTransform(
        bench.stack,
        "Batch",
        naming=bench.naming,
        name=name,
        network=bench.network,
        model=sagemaker.CfnModel(bench.stack, "Model", execution_role_arn=role.role_arn),
        role=role,
        artifacts=bench.artifacts(),
        alarms=bench.alarms(),
        log_settings=bench.log_settings,
        **{"job": JOB, **changes},
    )


def by_action(statements: list[dict[str, object]], action: str) -> dict[str, Any]:
    (found,) = [each for each in statements if action in json.dumps(each["Action"])]
    return found


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        batch(bench)
        return bench.template()

    def test_everything_is_logged_and_traced(self, template: Template) -> None:
        template.has_resource_properties(
            MACHINE,
            {
                "StateMachineType": "STANDARD",
                "LoggingConfiguration": {"Level": "ALL", "IncludeExecutionData": True},
                "TracingConfiguration": {"Enabled": True},
            },
        )
        template.has_resource_properties(
            "AWS::Logs::LogGroup",
            {
                "LogGroupName": "/aws/vendedlogs/states/mlops-blue-iris-batch",
                "KmsKeyId": Match.any_value(),
            },
        )

    def test_it_creates_jobs_of_this_model_alone(
        self, template: Template, statements: Statements
    ) -> None:
        found = by_action(statements(template), "sagemaker:CreateTransformJob")
        assert found["Resource"] == (
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/mlops-blue-iris-*"
        )
        model = found["Condition"]["ArnEquals"]["sagemaker:ModelArn"]
        assert "Model" in json.dumps(model)
        assert f":{ACCOUNT}:model/" in json.dumps(model)
        assert "sagemaker:OutputKmsKey" in found["Condition"]["ArnEquals"]

    def test_it_passes_no_role(self, template: Template, statements: Statements) -> None:
        assert "iam:PassRole" not in json.dumps(statements(template))

    def test_it_hears_of_the_end_by_one_rule(
        self, template: Template, statements: Statements
    ) -> None:
        found = by_action(statements(template), "events:PutRule")
        assert found["Resource"] == f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{EVENTS_RULE}"

    def test_the_model_reads_the_input_and_writes_the_output(
        self, template: Template, statements: Statements
    ) -> None:
        bucket = f"arn:aws:s3:::mlops-blue-artifacts-{ACCOUNT}"
        objects = {
            str(each["Action"]): each["Resource"]
            for each in statements(template)
            if f"{bucket}/" in str(each["Resource"])
        }
        assert objects.pop("s3:GetObject") == f"{bucket}/batch/in/*"
        assert list(objects.values()) == [f"{bucket}/batch/out/*"]

    def test_its_jobs_write_their_log_and_use_the_key(
        self, template: Template, statements: Statements
    ) -> None:
        found = statements(template)
        logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/TransformJobs"
        assert by_action(found, "logs:PutLogEvents")["Resource"] == [logs, f"{logs}:log-stream:*"]
        passed_on = by_action(found, "kms:CreateGrant")["Condition"]
        assert passed_on == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        encrypted = by_action(found, "kms:Encrypt")["Condition"]["StringEquals"]
        assert encrypted == {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}

    def test_whatever_fails_is_an_alarm(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {"MetricName": "ExecutionsFailed", "Threshold": 1, "AlarmActions": Match.any_value()},
        )

    def test_states_of_this_account_alone_take_the_role(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        Match.object_like(
                            {
                                "Principal": {"Service": "states.amazonaws.com"},
                                "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
                            }
                        )
                    ]
                }
            },
        )


class TestCustom:
    def test_a_long_name_leaves_room_for_the_execution(
        self, bench: Bench, statements: Statements
    ) -> None:
        batch(bench, name="a-model-whose-name-goes-on-and-on")
        resource = by_action(statements(bench.template()), "CreateTransformJob")["Resource"]
        prefix = resource.rpartition("/")[2].removesuffix("-*")
        assert re.fullmatch(r"mlops-blue-a-model-wh-[0-9a-f]{8}", prefix)
        assert len(prefix) == 30


class TestGrants:
    def test_starting_is_starting_this_one(self, bench: Bench, statements: Statements) -> None:
        made = batch(bench)
        made.grant_start(bench.role("Starter"))
        found = by_action(statements(bench.template()), "states:StartExecution")
        assert found["Action"] == "states:StartExecution"
        assert "BatchMachine" in json.dumps(found["Resource"])


class TestBadInput:
    def test_reports_every_fault_of_the_job(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            batch(bench, job=TransformJob("batch", "/out/", instances=0))
        assert [fault.path for fault in raised.value.faults] == [
            "batch.input",
            "batch.output",
            "batch.instances",
        ]

    def test_a_network_without_s3_is_refused(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del bench.network.endpoints["s3"]
        with pytest.raises(FaultsError, match="batch transform reads its input"):
            batch(bench)


class TestExecution:
    @pytest.fixture
    def requests(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """What SageMaker is asked: in the terms of its API, and of jobs that end well."""
        made: list[dict[str, Any]] = []
        shape = (
            botocore.session.get_session()
            .get_service_model("sagemaker")
            .operation_model("CreateTransformJob")
            .input_shape
        )

        def create(resource: str, request: dict[str, Any], timeout: int) -> dict[str, Any]:
            assert resource == "arn:aws:states:::sagemaker:createTransformJob.sync"
            assert timeout == 24 * 3600
            validate_parameters(request, shape)
            made.append(request)
            return request

        monkeypatch.setattr(stepfunctions, "_invoke_resource_with_timeout", create)
        monkeypatch.setattr(stepfunctions, "_SFN_WAIT_SCALE", 0)
        return made

    def run(self, given: Any) -> Any:
        machine = definition(
            JOB,
            name="mlops-blue-iris",
            model="mlops-blue-iris-1",
            bucket="bucket",
            key="arn:aws:kms:eu-west-1:123456789012:key/k",
            tags={"endpoint": "mlops-blue-iris"},
        )
        context = {"Execution": {"Id": EXECUTION, "Input": given}, "State": {}}
        return stepfunctions._run_sub_machine(
            machine["States"], machine["StartAt"], given, {"events": []}, context
        )

    def fails(self, monkeypatch: pytest.MonkeyPatch, *errors: tuple[str, str]) -> list[str]:
        """Have SageMaker answer with errors, and say how the execution ends."""
        answers = iter(errors)

        def refuse(resource: str, request: dict[str, Any], timeout: int) -> None:
            raise stepfunctions._ExecutionError(*next(answers))

        monkeypatch.setattr(stepfunctions, "_invoke_resource_with_timeout", refuse)
        with pytest.raises(stepfunctions._ExecutionError) as raised:
            self.run({})
        return [raised.value.error, raised.value.cause]

    def test_reads_and_writes_what_is_declared(self, requests: list[dict[str, Any]]) -> None:
        ended = self.run({})
        (request,) = requests
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        assert source == "s3://bucket/batch/in/"
        assert ended == {
            "job": request["TransformJobName"],
            "output": "s3://bucket/batch/out/",
        }

    def test_names_the_job_after_the_execution(self, requests: list[dict[str, Any]]) -> None:
        self.run({})
        name = requests[0]["TransformJobName"]
        digest = hashlib.md5(EXECUTION.encode(), usedforsecurity=False).hexdigest()
        assert name == f"mlops-blue-iris-{digest}"
        assert {"Key": "execution", "Value": EXECUTION} in requests[0]["Tags"]

    def test_an_execution_names_files_and_folders_below(
        self, requests: list[dict[str, Any]]
    ) -> None:
        self.run({"input": "batch/in/monday.csv", "output": "batch/out/monday/", "other": 1})
        request = requests[0]
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        assert source == "s3://bucket/batch/in/monday.csv"
        assert request["TransformOutput"]["S3OutputPath"] == "s3://bucket/batch/out/monday/"

    @pytest.mark.parametrize(
        "given",
        [{"input": "mlflow/"}, {"output": "mlflow/1/"}, {"input": "batch/"}, {"input": 7}],
    )
    def test_anything_else_is_refused_before_a_job(
        self, requests: list[dict[str, Any]], given: dict[str, Any]
    ) -> None:
        with pytest.raises(stepfunctions._ExecutionError, match="has to start with batch/in/"):
            self.run(given)
        assert requests == []

    def test_a_job_that_failed_says_why(
        self, monkeypatch: pytest.MonkeyPatch, requests: list[dict[str, Any]]
    ) -> None:
        job = {"TransformJobName": "iris-1", "FailureReason": "AlgorithmError: see logs"}
        ended = self.fails(monkeypatch, ("States.TaskFailed", json.dumps(job)))
        assert ended == ["JobFailed", "iris-1: AlgorithmError: see logs"]

    def test_a_job_that_was_stopped_is_told_of_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch, requests: list[dict[str, Any]]
    ) -> None:
        cause = json.dumps({"TransformJobName": "iris-1", "TransformJobStatus": "Stopped"})
        assert self.fails(monkeypatch, ("States.TaskFailed", cause)) == ["States.TaskFailed", cause]

    def test_a_request_that_is_refused_says_why(
        self, monkeypatch: pytest.MonkeyPatch, requests: list[dict[str, Any]]
    ) -> None:
        refused = ("SageMaker.ResourceNotFoundException", "Could not find model")
        assert self.fails(monkeypatch, refused) == list(refused)

    @pytest.mark.parametrize(
        "error",
        [
            "SageMaker.AmazonSageMakerException",
            "SageMaker.ResourceLimitExceededException",
            "ThrottlingException",
        ],
    )
    def test_too_many_requests_are_sent_again(
        self, monkeypatch: pytest.MonkeyPatch, requests: list[dict[str, Any]], error: str
    ) -> None:
        busy = [(error, f"Rate exceeded {number}") for number in range(ATTEMPTS + 1)]
        assert self.fails(monkeypatch, *busy) == [error, f"Rate exceeded {ATTEMPTS}"]

    def test_a_job_that_takes_too_long_ends_with_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch, requests: list[dict[str, Any]]
    ) -> None:
        error, cause = self.fails(monkeypatch, ("States.Timeout", ""))
        assert error == "TookTooLong"
        assert "more than 24 hours" in cause
