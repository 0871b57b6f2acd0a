from collections.abc import Callable

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.aws_images import AwsImage
from mlops_constructs.batch_model import BatchModel
from mlops_constructs.faults import FaultsError
from mlops_constructs.model_container import ModelContainer, ModelFiles
from mlops_constructs.transform_job import TransformJob
from tests.unit.constructs.conftest import MODEL_DIGEST, Bench

ARCHIVE = ModelFiles("batch/model.tar.gz", MODEL_DIGEST)
JOB = TransformJob("batch/in/", "batch/out/")


def batch(bench: Bench, job: TransformJob, *containers: ModelContainer) -> BatchModel:
    return BatchModel(
        bench.stack,
        "Batch",
        naming=bench.naming,
        name="iris",
        network=bench.network,
        artifacts=bench.artifacts(),
        containers=containers,
        job=job,
        log_settings=bench.log_settings,
        alarms=bench.alarms(),
    )


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        batch(bench, JOB, bench.container(files=ARCHIVE))
        return bench.template()

    def test_the_model_stands_in_the_network_isolated(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::Model",
            {
                "EnableNetworkIsolation": True,
                "VpcConfig": {"Subnets": Match.any_value(), "SecurityGroupIds": Match.any_value()},
            },
        )

    def test_there_is_a_machine_and_no_endpoint(self, template: Template) -> None:
        template.resource_count_is("AWS::StepFunctions::StateMachine", 1)
        template.resource_count_is("AWS::SageMaker::Endpoint", 0)
        template.resource_count_is("AWS::SageMaker::EndpointConfig", 0)

    def test_the_role_reads_the_model_and_pulls_its_image(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        found = statements(template)
        read = str([each["Resource"] for each in found if each["Action"] == "s3:GetObject"])
        assert "/batch/model.tar.gz*" in read
        assert [each for each in found if "ecr:BatchGetImage" in str(each["Action"])]


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        unknown = ModelContainer(image=AwsImage("xgboost", "0.1"), name="second")
        with pytest.raises(FaultsError) as error:
            batch(bench, TransformJob("/in", "batch/out/"), bench.container(name="first"), unknown)
        paths = [fault.path for fault in error.value.faults]
        assert paths == ["kind", "containers.1.image", "batch.input"]
