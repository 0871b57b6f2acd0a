"""Endpoints on the emulator from outside: deployed by CloudFormation, asked by SDK and by the API.

The containers echo, so that what is tested is the platform and not a model.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlops_constructs.async_plan import AsyncPlaces
from releasing.smoke import START, Answer, Api
from tests.local.application import Application
from tests.local.conftest import Deployed, processes_naming
from tests.local.serving import BUCKET, ROLE, Client, Serving, echo_image, until

ALARM_NAME = "canary-errors"


@pytest.fixture(scope="module")
def serving(deployed: Deployed) -> Iterator[Serving]:
    with echo_image() as image:
        made = Serving(deployed.platform, image)
        yield made
        made.delete()
        until(lambda: echoing(made), lambda found: not found)


def echoing(serving: Serving) -> dict[int, str]:
    """The containers of these tests that run."""
    running = processes_naming(str(serving.platform.state.path))
    return {pid: command for pid, command in running.items() if "echo_container" in command}


@pytest.fixture(scope="module")
def application(serving: Serving) -> Application:
    return Application(serving.platform)


def alarm(endpoint: str, name: str = ALARM_NAME, **changes: Any) -> dict[str, Any]:
    """An alarm of errors of the model.

    One in a minute is enough: a minute is a second here, in which an application sends 17 requests,
    and a canary of a tenth gets two of them.
    """
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": name,
            "Namespace": "AWS/SageMaker",
            "MetricName": "Invocation5XXErrors",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "main"},
            ],
            **changes,
        },
    }


def canary(percent: int, name: str = ALARM_NAME) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 600,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent},
            },
            "TerminationWaitInSeconds": 120,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name}]},
    }


def test_a_pipeline_answers_through_all_its_containers(serving: Serving) -> None:
    template = serving.template(
        "pipeline", *(serving.container(label) for label in ("features", "regressor", "output"))
    )
    serving.deploy("pipeline", template)
    assert serving.ask("pipeline", "1,2") == "output(regressor(features(1,2)))"


def test_the_containers_of_an_endpoint_are_asked_directly(serving: Serving) -> None:
    containers = [serving.container(label, hostname=label) for label in ("a", "b")]
    serving.deploy("direct", serving.template("direct", *containers, mode="Direct"))
    assert serving.ask("direct", TargetContainerHostname="b") == "b(x)"
    with pytest.raises(ClientError, match="TargetContainerHostname is required"):
        serving.ask("direct")


class TestCanary:
    """A bad version is rolled back by an alarm, while applications call."""

    def deploy(self, serving: Serving, endpoint: str, **behaviour: Any) -> None:
        name = f"{endpoint}-errors"
        template = serving.template(
            endpoint,
            serving.container(**behaviour),
            instances=2,
            deployment=canary(10, name),
            further={"Alarm": alarm(endpoint, name)},
        )
        serving.deploy(endpoint, template)

    def test_a_bad_version_rolls_back_by_itself_and_no_caller_sees_it_fail(
        self, serving: Serving, application: Application
    ) -> None:
        """Through API Gateway and the deployed function, with a key, as an application calls."""
        guarded = serving.named("guarded")
        self.deploy(serving, guarded, label="old")
        before = serving.endpoint(guarded)

        def call() -> str:
            reply = application.post("guarded")
            assert reply.status == 200, reply
            return reply.text

        with Client(call) as client:
            until(lambda: client.answers["old(x)"] > 10)
            with pytest.raises(AssertionError) as raised:
                self.deploy(serving, guarded, label="bad", status=500)
            assert serving.settled(guarded) == "UPDATE_ROLLBACK_COMPLETE"
            seen = client.answers["old(x)"]
            until(lambda: client.answers["old(x)"] > seen + 10)
        assert f"in ALARM: {guarded}-errors" in str(raised.value)
        after = serving.endpoint(guarded)
        assert client.failures == []
        assert set(client.answers) == {"old(x)"}
        assert after["EndpointStatus"] == "InService"
        assert after["EndpointConfigName"] == before["EndpointConfigName"]
        assert "in ALARM" in after["FailureReason"]
        # It was asked, and failed: the metrics that fired the alarm say so.
        history = serving.platform.client("cloudwatch").describe_alarm_history(
            AlarmName=f"{guarded}-errors", HistoryItemType="StateUpdate"
        )["AlarmHistoryItems"]
        assert any("to ALARM" in item["HistorySummary"] for item in history)

    def test_a_good_version_bakes_and_takes_over_without_a_lost_request(
        self, serving: Serving
    ) -> None:
        self.deploy(serving, "fine", label="old")
        seen: list[str] = []

        def call() -> str:
            return serving.ask("fine")

        def look() -> str:
            summary = serving.endpoint("fine").get("PendingDeploymentSummary")
            if summary:
                status = summary["ProductionVariants"][0]["VariantStatus"][0]
                seen.append(f"{status['Status']}: {status['StatusMessage']}")
            return ""

        with Client(call) as client, Client(look):
            until(lambda: client.answers["old(x)"] > 10)
            self.deploy(serving, "fine", label="new")
            until(lambda: client.answers["new(x)"] > 10)
        assert client.failures == []
        assert set(client.answers) == {"old(x)", "new(x)"}
        assert any("Baking: 10% of the traffic bakes for 600 s" in each for each in seen)
        assert all("a minute counts as 1 s on this machine" in each for each in seen)
        assert serving.ask("fine") == "new(x)"


DIMENSION = "sagemaker:variant:DesiredInstanceCount"


def scaling(endpoint: str, least: int, most: int, policy: dict[str, Any]) -> dict[str, Any]:
    """A scalable target of an endpoint's variant, with one policy."""
    return {
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "DependsOn": ["Endpoint"],
            "Properties": {
                "ServiceNamespace": "sagemaker",
                "ResourceId": f"endpoint/{endpoint}/variant/main",
                "ScalableDimension": DIMENSION,
                "MinCapacity": least,
                "MaxCapacity": most,
            },
        },
        "Policy": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": f"{endpoint}-policy",
                "ScalingTargetId": {"Ref": "Target"},
                **policy,
            },
        },
    }


def instances(serving: Serving, endpoint: str) -> int:
    """How many instances the variant of an endpoint has."""
    return int(serving.endpoint(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"])


def test_traffic_scales_an_endpoint_out_and_its_end_scales_it_in(serving: Serving) -> None:
    policy = {
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            # A minute is a second here, so this is 10 calls of an instance in a second.
            "TargetValue": 10,
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 60,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    }
    template = serving.template(
        "scaled", serving.container("a"), further=scaling("scaled", 1, 3, policy)
    )
    serving.deploy("scaled", template)
    assert instances(serving, "scaled") == 1
    with Client(lambda: serving.ask("scaled")) as client:
        until(lambda: instances(serving, "scaled"), lambda count: count == 3)
    assert client.failures == []
    until(lambda: instances(serving, "scaled"), lambda count: count == 1)
    described = serving.platform.client("application-autoscaling").describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId="endpoint/scaled/variant/main"
    )
    causes = [each["Cause"] for each in described["ScalingActivities"]]
    assert "AlarmLow" in causes[0]
    assert "AlarmHigh" in causes[-1]


def test_capture_files_appear(serving: Serving) -> None:
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    template = serving.template(
        "captured", serving.container("a"), config={"DataCaptureConfig": capture}
    )
    serving.deploy("captured", template)
    for number in range(5):
        serving.ask("captured", str(number), InferenceId=f"id-{number}")
    lines = until(lambda: serving.lines("capture/captured/main/"), lambda found: len(found) == 5)
    assert {line["captureData"]["endpointOutput"]["data"] for line in lines} == {
        f"a({number})" for number in range(5)
    }
    assert lines[0]["eventMetadata"]["inferenceId"] == "id-0"


def test_asynchronous_answers_appear_from_no_instance_and_back(serving: Serving) -> None:
    """The queue starts the first instance, and its end stops it."""
    sns, sqs = serving.platform.client("sns"), serving.platform.client("sqs")
    topic = sns.create_topic(Name="answered")["TopicArn"]
    queue = sqs.create_queue(QueueName="answered")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    output = {
        "S3OutputPath": f"s3://{BUCKET}/answers/",
        "S3FailurePath": f"s3://{BUCKET}/failures/",
        "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic},
    }
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    policy = {
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": 60,
            "StepAdjustments": [step],
        },
    }
    parts = scaling("queued", 0, 2, policy)
    parts["Tracking"] = {
        "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
        "Properties": {
            "PolicyName": "queued-tracking",
            "PolicyType": "TargetTrackingScaling",
            "ScalingTargetId": {"Ref": "Target"},
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 5,
                "ScaleInCooldown": 60,
                "ScaleOutCooldown": 60,
                "CustomizedMetricSpecification": {
                    "MetricName": "ApproximateBacklogSizePerInstance",
                    "Namespace": "AWS/SageMaker",
                    "Dimensions": [{"Name": "EndpointName", "Value": "queued"}],
                    "Statistic": "Average",
                },
            },
        },
    }
    backlog = alarm("queued", "queued-backlog", MetricName="HasBacklogWithoutCapacity")
    backlog["Properties"] |= {
        "Dimensions": [{"Name": "EndpointName", "Value": "queued"}],
        "Statistic": "Average",
        "AlarmActions": [{"Ref": "Policy"}],
    }
    template = serving.template(
        "queued",
        serving.container("a", fails_on="bad"),
        config={"AsyncInferenceConfig": {"OutputConfig": output}},
        further={**parts, "Backlog": backlog},
    )
    serving.deploy("queued", template)
    until(lambda: instances(serving, "queued"), lambda count: count == 0)
    places = []
    for name, body in (("good", b"1,2"), ("bad", b"bad")):
        serving.s3.put_object(Bucket=BUCKET, Key=f"questions/{name}", Body=body)
        answer = serving.runtime.invoke_endpoint_async(
            EndpointName="queued",
            InputLocation=f"s3://{BUCKET}/questions/{name}",
            ContentType="text/csv",
        )
        places.append(answer["OutputLocation" if name == "good" else "FailureLocation"])
    keys = [place.removeprefix(f"s3://{BUCKET}/") for place in places]
    bodies = until(lambda: [serving.object(key) for key in keys], all)
    assert bodies[0] == "a(1,2)"
    assert "Received client error (400) from primary" in bodies[1]
    said: dict[str, str] = {}

    def receive() -> dict[str, str]:
        for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            content = json.loads(json.loads(each["Body"])["Message"])
            said[content["requestParameters"]["inputLocation"]] = content["invocationStatus"]
        return said

    until(receive, lambda found: len(found) == 2)
    assert said == {
        f"s3://{BUCKET}/questions/good": "Completed",
        f"s3://{BUCKET}/questions/bad": "Failed",
    }
    until(lambda: instances(serving, "queued"), lambda count: count == 0)


def test_a_state_machine_runs_a_transform_job_to_its_end(serving: Serving) -> None:
    template = serving.template("batch", serving.container("a"), serving.container("b"))
    model = {"Resources": {"Model": template["Resources"]["Model"]}}
    serving.deploy("batch", model)
    serving.s3.put_object(Bucket=BUCKET, Key="batch/in/one", Body=b"1,2\n3,4\n")
    states = serving.platform.client("stepfunctions")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/batch/in/"}
    job = {
        "TransformJobName.$": "$.name",
        "ModelName": model["Resources"]["Model"]["Properties"]["ModelName"],
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "SplitType": "Line",
            "ContentType": "text/csv",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/batch/out/",
            "AssembleWith": "Line",
            "Accept": "text/csv",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
    }
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTransformJob.sync",
        "Parameters": job,
        "End": True,
    }
    machine = states.create_state_machine(
        name="batch",
        roleArn=ROLE,
        definition=json.dumps({"StartAt": "Job", "States": {"Job": task}}),
    )["stateMachineArn"]

    def run(name: str) -> dict[str, Any]:
        execution = states.start_execution(
            stateMachineArn=machine, input=json.dumps({"name": name})
        )["executionArn"]
        found: dict[str, Any] = until(
            lambda: states.describe_execution(executionArn=execution),
            lambda seen: seen["status"] != "RUNNING",
        )
        return found

    good = run("good")
    assert good["status"] == "SUCCEEDED", good
    assert json.loads(good["output"])["TransformJobStatus"] == "Completed"
    assert serving.object("batch/out/one.out") == "b(a(1,2))\nb(a(3,4))\n"
    described = serving.sagemaker.describe_transform_job(TransformJobName="good")
    assert described["TransformEndTime"] >= described["TransformStartTime"]
    serving.s3.delete_object(Bucket=BUCKET, Key="batch/in/one")
    bad = run("bad")
    assert bad["status"] == "FAILED"
    assert "no object below" in bad["cause"]
    assert not [
        command
        for command in processes_naming(str(serving.platform.state.path)).values()
        if "transform-" in command
    ]


def test_serverless_instances_come_with_the_requests_and_go(serving: Serving) -> None:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    template = serving.template(
        "sparing",
        serving.container("a", seconds=0.5),
        variants=[{"VariantName": "main", "ServerlessConfig": config}],
    )
    serving.deploy("sparing", template)
    with ThreadPoolExecutor(4) as pool:
        attempts = [pool.submit(serving.ask, "sparing") for _ in range(4)]
    failures = [error for each in attempts if (error := each.exception())]
    assert {each.result() for each in attempts if not each.exception()} == {"a(x)"}
    assert failures
    assert all("ThrottlingException" in str(error) for error in failures)

    def running() -> list[str]:
        found = processes_naming(str(serving.platform.state.path / "run/endpoints/sparing-main"))
        return [command for command in found.values() if "echo_container" in command]

    until(lambda: running(), lambda found: not found)
    assert serving.ask("sparing") == "a(x)"


def test_a_shadow_variant_gets_copies_and_answers_nobody(serving: Serving) -> None:
    template = serving.template("shadowed", serving.container("a"))
    resources = template["Resources"]
    failing = serving.container("b", status=500)
    resources["Other"] = {
        "Type": "AWS::SageMaker::Model",
        "Properties": {"ExecutionRoleArn": ROLE, "PrimaryContainer": failing},
    }
    resources["Config"]["Properties"]["ShadowProductionVariants"] = [
        {
            "VariantName": "shadow",
            "ModelName": {"Fn::GetAtt": "Other.ModelName"},
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1,
        }
    ]
    serving.deploy("shadowed", template)
    assert {serving.ask("shadowed") for _ in range(10)} == {"a(x)"}
    of = {"EndpointName": "shadowed", "VariantName": "shadow"}
    until(
        lambda: serving.metric("AWS/SageMaker", "Invocation5XXErrors", of, "Sum"),
        lambda found: found == 10,
    )


def test_memory_is_that_of_the_processes(serving: Serving) -> None:
    """A small program has some of the 8 GiB of an ml.m5.large, and not much."""
    serving.deploy("measured", serving.template("measured", serving.container("a")))
    of = {"EndpointName": "measured", "VariantName": "main"}
    place = "/aws/sagemaker/Endpoints"
    percent = until(lambda: serving.metric(place, "MemoryUtilization", of, "Maximum"))
    assert 0.05 < percent < 5


def test_components_share_an_endpoint(serving: Serving) -> None:
    components = {f"component-{label}": label for label in ("a", "b")}
    serving.deploy("shared", serving.fleet("shared", components))
    for label in ("a", "b"):
        answer = serving.ask("shared", InferenceComponentName=f"component-{label}")
        assert answer == f"{label}(x)"


def test_a_component_without_room_fails_its_stack(serving: Serving) -> None:
    """An ml.m5.large has 8 GiB: one copy of 5 GiB fits, and another does not."""
    components = {"component-one": "one", "component-other": "other"}
    template = serving.fleet("crowded", components, MinMemoryRequiredInMb=5120)
    template["Resources"]["Componentother"]["DependsOn"] = ["Componentone"]
    with pytest.raises(AssertionError, match="not enough capacity for component-other"):
        serving.deploy("crowded", template)


def test_an_alarm_of_metric_math_is_kept_and_evaluated(serving: Serving) -> None:
    serving.deploy("math", serving.template("math", serving.container("a", status=500)))
    cloudwatch = serving.platform.client("cloudwatch")

    def query(name: str, metric: str) -> dict[str, Any]:
        dimensions = [
            {"Name": "EndpointName", "Value": "math"},
            {"Name": "VariantName", "Value": "main"},
        ]
        asked = {
            "Namespace": "AWS/SageMaker",
            "MetricName": metric,
            "Dimensions": dimensions,
        }
        stat = {"Metric": asked, "Period": 300, "Stat": "Sum"}
        return {"Id": name, "MetricStat": stat, "ReturnData": False}

    cloudwatch.put_metric_alarm(
        AlarmName="math",
        EvaluationPeriods=1,
        Threshold=50,
        ComparisonOperator="GreaterThanThreshold",
        Metrics=[
            {"Id": "rate", "Expression": "100 * errors / calls", "ReturnData": True},
            query("errors", "Invocation5XXErrors"),
            query("calls", "Invocations"),
        ],
    )
    for _ in range(3):
        with pytest.raises(ClientError, match=r"server error \(500\) from primary"):
            serving.ask("math")

    def state() -> str:
        (found,) = cloudwatch.describe_alarms(AlarmNames=["math"])["MetricAlarms"]
        assert found["Metrics"][0]["Expression"] == "100 * errors / calls"
        return str(found["StateValue"])

    until(state, lambda found: found == "ALARM")


def test_an_answer_is_streamed(serving: Serving) -> None:
    serving.deploy("stream", serving.template("stream", serving.container("a")))
    answer = serving.runtime.invoke_endpoint_with_response_stream(
        EndpointName="stream", Body=b"x", ContentType="text/csv", Accept="text/csv"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert b"".join(parts) == b"a(x)"
    assert answer["ContentType"] == "text/csv"
    assert answer["InvokedProductionVariant"] == "main"


class TestApi:
    """What an application can ask that knows the one API: every kind of endpoint."""

    def test_a_container_of_several(self, serving: Serving, application: Application) -> None:
        name = serving.named("chosen")
        containers = [serving.container(label, hostname=label) for label in ("left", "right")]
        serving.deploy(name, serving.template(name, *containers, mode="Direct"))
        for label in ("left", "right"):
            reply = application.post("chosen", X_Amzn_SageMaker_Target_Container_Hostname=label)
            assert (reply.status, reply.text) == (200, f"{label}(x)")
        unnamed = application.post("chosen")
        assert unnamed.status == 400
        assert "Target-Container-Hostname" in unnamed.said["error"]

    def test_a_variant_of_several(self, serving: Serving, application: Application) -> None:
        name = serving.named("compared")
        template = serving.template(
            name,
            serving.container("current"),
            variants=[{"VariantName": "current"}, {"VariantName": "next", "ModelName": "other"}],
        )
        other = {"ExecutionRoleArn": ROLE, "PrimaryContainer": serving.container("next")}
        template["Resources"]["Other"] = {
            "Type": "AWS::SageMaker::Model",
            "Properties": {**other, "ModelName": "other"},
        }
        template["Resources"]["Config"]["DependsOn"] = ["Other"]
        serving.deploy(name, template)
        for variant in ("current", "next"):
            reply = application.post("compared", X_Amzn_SageMaker_Target_Variant=variant)
            assert (reply.status, reply.text) == (200, f"{variant}(x)")
            assert reply.headers["x-amzn-invoked-production-variant"] == variant
        missing = application.post("compared", X_Amzn_SageMaker_Target_Variant="former")
        assert (missing.status, "no variant 'former'" in missing.said["error"]) == (404, True)

    def test_a_model_of_a_fleet(self, serving: Serving, application: Application) -> None:
        name = serving.named("small")
        naming = serving.platform.environment.naming
        components = {naming.component("small", label): label for label in ("iris", "roses")}
        serving.deploy(name, serving.fleet(name, components))
        for label in ("iris", "roses"):
            reply = application.post("small", X_Amzn_SageMaker_Inference_Component=label)
            assert (reply.status, reply.text) == (200, f"{label}(x)")
        missing = application.post("small", X_Amzn_SageMaker_Inference_Component="tulips")
        assert (missing.status, "no model 'tulips'" in missing.said["error"]) == (404, True)
        unnamed = application.post("small")
        assert (unnamed.status, "Inference-Component" in unnamed.said["error"]) == (400, True)

    def test_attributes_and_bytes_go_to_the_model_and_back(
        self, serving: Serving, application: Application
    ) -> None:
        name = serving.named("plain")
        serving.deploy(name, serving.template(name, serving.container("a")))
        reply = application.post("plain", X_Amzn_SageMaker_Custom_Attributes="trace=7")
        assert reply.headers["x-amzn-sagemaker-custom-attributes"] == "trace=7"
        refused = application.post("plain", X_Amzn_SageMaker_Target_Model="a")
        assert refused.status == 400
        kind = "application/x-npy"
        reply = application.post("plain", b"\x93NUMPY\x00", kind, Accept=kind)
        assert (reply.status, reply.body) == (200, b"a(\x93NUMPY\x00)")

    def test_an_answer_that_comes_later(self, serving: Serving, application: Application) -> None:
        name, bucket = serving.named("reports"), serving.platform.outputs("Data")["ArtifactBucket"]
        places = AsyncPlaces("reports")
        output = {
            "S3OutputPath": f"s3://{bucket}/{places.answers}",
            "S3FailurePath": f"s3://{bucket}/{places.failures}",
        }
        container = serving.container("a", fails_on="bad", seconds=1)
        config = {"AsyncInferenceConfig": {"OutputConfig": output}}
        serving.deploy(name, serving.template(name, container, config=config))
        taken = application.post("reports", b"1,2", Prefer="respond-async", Accept="text/csv")
        assert (taken.status, taken.headers["preference-applied"]) == (202, "respond-async")
        location = taken.headers["location"]
        pending = application.get("reports", location)
        assert (pending.status, pending.said) == (
            202,
            {"id": taken.said["id"], "status": "pending"},
        )
        answered = until(
            lambda: application.get("reports", location), lambda reply: reply.status != 202
        )
        assert (answered.status, answered.text) == (200, "a(1,2)")
        assert answered.headers["content-type"] == "text/csv"
        bad = application.post("reports", b"bad", Prefer="respond-async").headers["location"]
        failed = until(lambda: application.get("reports", bad), lambda reply: reply.status != 202)
        assert (failed.status, "a(bad)" in failed.said["error"]) == (400, True)
        unknown = f"invocations/{'0' * 32}-{location.partition('-')[2]}"
        assert application.get("reports", unknown).status == 404

    def test_the_smoke_test_of_a_release_asks_each_of_them(self, serving: Serving) -> None:
        """The endpoints are those of the tests before."""
        platform = serving.platform
        api = Api(
            lambda: platform.invocation_url("{endpoint}"),
            lambda: platform.outputs("Api")["ApiKeyId"],
            SimpleNamespace(client=platform.client),
            signed=False,
        )
        for endpoint, header, part in (
            ("chosen", "Target-Container-Hostname", "right"),
            ("compared", "Target-Variant", "next"),
            ("small", "Inference-Component", "roses"),
        ):
            answer = api.ask(endpoint, "[1]", {f"{START}{header}": part})
            assert answer == Answer(200, f"{part}([1])"), endpoint
        taken = api.ask("reports", "[1]", {"Prefer": "respond-async"})
        assert taken.status == 202
        invocation = json.loads(taken.text)["id"]
        answer = until(
            lambda: api.fetch("reports", invocation), lambda found: found.status != taken.status
        )
        assert answer == Answer(200, "a([1])")

    def test_the_wrong_way_says_which_is_right(
        self, serving: Serving, application: Application
    ) -> None:
        """The endpoints are those of the tests before."""
        waiting = application.post("reports")
        assert (waiting.status, "Prefer: respond-async" in waiting.said["error"]) == (400, True)
        later = application.post("plain", Prefer="respond-async")
        assert (later.status, "respond-async" in later.said["error"]) == (400, True)
        assert Application(serving.platform, "wrong").get("reports", "invocations/x").status == 403
