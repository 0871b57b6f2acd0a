from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk.assertions import Template

from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.faults import FaultsError
from mlops_constructs.managed_tracking import ManagedTracking
from mlops_constructs.private_network import PrivateNetwork
from tests.unit.constructs.conftest import ACCOUNT, Bench

APP = "AWS::SageMaker::MlflowApp"
FILES = "arn:aws:s3:::mlops-blue-artifacts-123456789012/mlflow/*"

Collect = Callable[[Template], list[dict[str, Any]]]


def network(bench: Bench) -> PrivateNetwork:
    return PrivateNetwork(
        bench.neighbours,
        "Network",
        vpc=bench.vpc(bench.neighbours),
        calls=ManagedTracking.CALLS,
        naming=bench.naming,
        principals=Principals(ACCOUNT),
        s3_prefix_list="pl-6da54004",
    )


def tracking(bench: Bench, **changes: object) -> ManagedTracking:
    arguments: dict[str, object] = {"naming": bench.naming, "artifacts": bench.artifacts()}
    if "network" not in changes:
        changes["network"] = network(bench)
    return ManagedTracking(bench.stack, "Mlflow", **arguments, **changes)  # type: ignore[arg-type]


def only(template: Template, resource_type: str) -> dict[str, Any]:
    (found,) = template.find_resources(resource_type).values()
    return dict(found)


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        tracking(bench)
        return bench.template()

    def test_the_app_outlives_its_stack(self, template: Template) -> None:
        app = only(template, APP)
        assert app["DeletionPolicy"] == app["UpdateReplacePolicy"] == "Retain"

    def test_files_stand_where_models_are_released_from(self, template: Template) -> None:
        uri = str(only(template, APP)["Properties"]["ArtifactStoreUri"])
        assert "'s3://'" in uri
        assert "'/mlflow'" in uri

    def test_no_model_goes_to_another_registry(self, template: Template) -> None:
        mode = only(template, APP)["Properties"]["ModelRegistrationMode"]
        assert mode == "AutoModelRegistrationDisabled"

    def test_aws_chooses_when_to_upgrade(self, template: Template) -> None:
        assert "WeeklyMaintenanceWindowStart" not in only(template, APP)["Properties"]

    def test_the_role_is_sagemakers_for_this_account_and_has_a_path_of_its_own(
        self, template: Template
    ) -> None:
        role = only(template, "AWS::IAM::Role")["Properties"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        assert role["Path"] == "/mlops/blue/mlflow/"

    def test_the_role_reaches_the_models_and_nothing_else(self, template: Template) -> None:
        (policy,) = [
            found["Properties"]["PolicyDocument"]["Statement"]
            for found in template.find_resources("AWS::IAM::ManagedPolicy").values()
            if found["Properties"].get("Roles")
        ]
        objects = [statement for statement in policy if "s3:PutObject" in statement["Action"]]
        assert [statement["Resource"] for statement in objects] == [FILES]
        named = [statement["Action"] for statement in policy]
        actions = {a for each in named for a in (each if isinstance(each, list) else [each])}
        assert {action.partition(":")[0] for action in actions} == {"s3", "kms"}

    def test_whoever_uses_it_does_so_through_the_endpoint(
        self, template: Template, statements: Collect
    ) -> None:
        (call,) = [s for s in statements(template) if "sagemaker:CallMlflowAppApi" in s["Action"]]
        assert "SagemakerMlflowEndpoint" in str(call["Condition"]["StringEquals"])
        assert list(call["Condition"]["StringEquals"]) == ["aws:SourceVpce"]
        assert "App" in str(call["Resource"])

    def test_nobody_makes_links_to_its_pages(self, template: Template) -> None:
        assert "Presigned" not in str(template.to_json())


def test_the_window_and_the_removal_are_chosen(bench: Bench) -> None:
    tracking(bench, maintenance="Tue:03:30", removal_policy=RemovalPolicy.DESTROY)
    app = only(bench.template(), APP)
    assert app["Properties"]["WeeklyMaintenanceWindowStart"] == "Tue:03:30"
    assert app["DeletionPolicy"] == "Delete"


def test_a_client_calls_from_its_own_vpc(bench: Bench, statements: Collect) -> None:
    tracking(bench).grant_use(bench.role(), vpc="vpc-0a1b2c3d")
    calls = [
        s["Condition"]["StringEquals"]
        for s in statements(bench.template())
        if "sagemaker:CallMlflowAppApi" in s["Action"]
    ]
    assert {"aws:SourceVpc": "vpc-0a1b2c3d"} in calls


def test_a_network_without_its_endpoint_is_a_fault(bench: Bench) -> None:
    with pytest.raises(FaultsError, match=r"sagemaker\.mlflow"):
        tracking(bench, network=bench.network)


class TestEndpoint:
    """What the network makes of the declared calls."""

    @pytest.fixture
    def endpoint(self, bench: Bench) -> dict[str, Any]:
        tracking(bench)
        found = Template.from_stack(bench.neighbours).find_resources("AWS::EC2::VPCEndpoint")
        (properties,) = [
            each["Properties"]
            for each in found.values()
            if each["Properties"]["VpcEndpointType"] == "Interface"
        ]
        named: dict[str, Any] = properties
        return named

    def test_is_named_as_aws_names_it(self, endpoint: dict[str, Any]) -> None:
        assert endpoint["ServiceName"] == "aws.sagemaker.eu-west-1.mlflow"
        assert endpoint["PrivateDnsEnabled"] is True

    def test_passes_calls_of_apps_of_this_account_alone(self, endpoint: dict[str, Any]) -> None:
        (statement,) = endpoint["PolicyDocument"]["Statement"]
        assert statement["Action"] == "sagemaker:CallMlflowAppApi"
        assert f"eu-west-1:{ACCOUNT}:mlflow-app/*" in str(statement["Resource"])
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
