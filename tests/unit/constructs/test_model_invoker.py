from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk.assertions import Match, Template

from invoker import naming
from invoker.settings import Settings
from mlops_constructs.async_plan import ASYNC_PREFIX, AsyncPlaces
from mlops_constructs.faults import FaultsError
from mlops_constructs.model_invoker import ModelInvoker
from tests.conftest import ROOT
from tests.unit.constructs.conftest import Bench


def invoker(bench: Bench, **changes: int) -> ModelInvoker:
    return ModelInvoker(
        bench.stack,
        "Invoker",
        naming=bench.naming,
        network=bench.network,
        artifacts=bench.artifacts(),
        source=ROOT / "lambda" / "invoker",
        log_settings=bench.log_settings,
        **changes,
    )


@pytest.fixture
def template(bench: Bench) -> Template:
    invoker(bench)
    return bench.template()


def function(template: Template) -> dict[str, object]:
    found: dict[str, object] = next(
        iter(template.find_resources("AWS::Lambda::Function").values())
    )["Properties"]
    return found


class TestDefault:
    def test_runs_in_the_network(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::Lambda::Function",
            {"VpcConfig": {"SubnetIds": Match.any_value(), "SecurityGroupIds": Match.any_value()}},
        )

    def test_environment_is_what_the_function_reads(self, template: Template) -> None:
        variables = function(template)["Environment"]["Variables"]  # type: ignore[index]
        settings = Settings.read(variables)
        assert settings.endpoint_prefix == "mlops-blue-"
        assert settings.read_seconds == 26
        assert "Artifacts" in str(settings.bucket)

    def test_gives_up_before_api_gateway_does(self, template: Template) -> None:
        timeout = function(template)["Timeout"]
        assert isinstance(timeout, int)
        assert timeout < 29

    def test_handler_is_in_its_source(self, template: Template) -> None:
        module, _, name = str(function(template)["Handler"]).rpartition(".")
        source = ROOT / "lambda" / "invoker" / Path(*module.split(".")).with_suffix(".py")
        assert f"def {name}(" in source.read_text()

    def test_invokes_the_endpoints_of_the_environment_alone(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        granted = {
            str(s["Action"]): s["Resource"]
            for s in statements(template)
            if "sagemaker:" in str(s["Action"])
        }
        arn = "arn:aws:sagemaker:eu-west-1:123456789012"
        assert granted == {
            "sagemaker:InvokeEndpoint": [
                f"{arn}:endpoint/mlops-blue-*",
                f"{arn}:inference-component/mlops-blue-*",
            ],
            "sagemaker:InvokeEndpointAsync": f"{arn}:endpoint/mlops-blue-*",
        }

    def test_puts_requests_and_reads_answers_of_asynchronous_endpoints_alone(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        bucket = "arn:aws:s3:::mlops-blue-artifacts-123456789012"
        granted = [s for s in statements(template) if "s3:" in str(s["Action"])]
        objects = {str(s["Resource"]): s["Action"] for s in granted if "Condition" not in s}
        assert objects == {
            f"{bucket}/async/*/in/*": ["s3:AbortMultipartUpload", "s3:PutObject"],
            str([f"{bucket}/async/*/failed/*", f"{bucket}/async/*/out/*"]): "s3:GetObject",
        }
        listed = [s for s in granted if "Condition" in s]
        assert {str(s["Action"]) for s in listed} == {"s3:ListBucket"}
        assert "'async/*/in/*'" in str(listed)
        through = [s for s in statements(template) if "kms:" in str(s["Action"])]
        assert through
        assert all("kms:ViaService" in str(s["Condition"]) for s in through)

    def test_its_code_makes_no_network_interfaces(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        (denied,) = [s for s in statements(template) if s["Effect"] == "Deny"]
        assert "lambda:SourceFunctionArn" in str(denied["Condition"])

    def test_has_no_managed_policy(self, template: Template) -> None:
        for role in template.find_resources("AWS::IAM::Role").values():
            assert "ManagedPolicyArns" not in role["Properties"]


def test_both_sides_call_things_the_same(bench: Bench) -> None:
    """The function has a name in an address, and no more: the rest it makes as the stacks do."""
    prefix = bench.naming.endpoint("")
    assert naming.endpoint_name(prefix, "small") == bench.naming.endpoint("small")
    assert naming.component_name(prefix, "small", "iris") == bench.naming.component("small", "iris")
    ours, theirs = naming.Places("small"), AsyncPlaces("small")
    for place in ("requests", "answers", "failures"):
        assert getattr(ours, place) == getattr(theirs, place)
        assert getattr(ours, place).startswith(ASYNC_PREFIX)


def test_what_it_may_run_at_once_is_reserved(bench: Bench) -> None:
    invoker(bench, concurrency=40)
    assert function(bench.template())["ReservedConcurrentExecutions"] == 40


def test_it_must_be_able_to_run(bench: Bench) -> None:
    with pytest.raises(FaultsError) as raised:
        invoker(bench, concurrency=0)
    assert [fault.path for fault in raised.value.faults] == ["concurrency"]
