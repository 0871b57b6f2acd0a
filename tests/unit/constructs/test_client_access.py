from collections.abc import Callable

import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from mlops_constructs.client_access import ClientAccess
from mlops_constructs.image_repository import ImageRepository
from tests.unit.constructs.conftest import Bench

Statement = dict[str, object]
Statements = Callable[[Template], list[Statement]]
BUCKET = "arn:aws:s3:::mlops-blue-artifacts-123456789012"
SAGEMAKER = "arn:aws:sagemaker:eu-west-1:123456789012"


def access(bench: Bench, *images: str) -> ClientAccess:
    return ClientAccess(
        bench.stack,
        "Access",
        naming=bench.naming,
        name="lab",
        principal=iam.ServicePrincipal("ec2.amazonaws.com"),
        network=bench.network,
        artifacts=bench.artifacts(),
        images=[
            ImageRepository(
                bench.neighbours, image.title(), naming=bench.naming, image=image, key=bench.key
            )
            for image in images
        ],
    )


def policy(template: Template, role: str) -> list[Statement]:
    """The statements of one of the two roles."""
    (found,) = [
        entry["Properties"]["PolicyDocument"]["Statement"]
        for name, entry in template.find_resources("AWS::IAM::ManagedPolicy").items()
        if name.startswith(f"Access{role}Policy")
    ]
    statements: list[Statement] = found
    return statements


def actions(statement: Statement) -> set[str]:
    given = statement["Action"]
    return {given} if isinstance(given, str) else set(given)  # type: ignore[call-overload]


def allowing(statements: list[Statement], action: str) -> list[Statement]:
    return [s for s in statements if s["Effect"] == "Allow" and action in actions(s)]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        access(bench)
        return bench.template()

    def test_creates_models_in_the_platforms_network_alone(self, template: Template) -> None:
        (allowed,) = allowing(policy(template, "Role"), "sagemaker:CreateModel")
        assert allowed["Resource"] == f"{SAGEMAKER}:model/mlops-blue-*"
        condition = allowed["Condition"]
        assert isinstance(condition, dict)
        inside = condition["ForAllValues:StringEquals"]
        assert len(inside["sagemaker:VpcSubnets"]) == 2
        assert len(inside["sagemaker:VpcSecurityGroupIds"]) == 1
        assert condition["Bool"] == {"sagemaker:NetworkIsolation": "true"}
        # An absent list is a subset of any: without these, no VPC at all would do.
        keys = ("sagemaker:VpcSubnets", "sagemaker:VpcSecurityGroupIds")
        assert condition["Null"] == dict.fromkeys(keys, "false")

    def test_a_model_without_a_network_is_denied_whatever_else_allows_it(
        self, template: Template
    ) -> None:
        denied = [s for s in policy(template, "Role") if s["Effect"] == "Deny"]
        assert {s["Resource"] for s in denied} == {"*"}
        models = [s for s in denied if "sagemaker:CreateModel" in str(s["Action"])]
        assert [s["Condition"] for s in models] == [
            {"Null": {"sagemaker:VpcSubnets": "true"}},
            {"Null": {"sagemaker:VpcSecurityGroupIds": "true"}},
        ]

    def test_serves_models_of_the_prefix_alone(self, template: Template) -> None:
        (allowed,) = allowing(policy(template, "Role"), "sagemaker:CreateEndpointConfig")
        models = f"{SAGEMAKER}:model/mlops-blue-*"
        assert allowed["Condition"] == {"ArnLike": {"sagemaker:ModelArn": models}}

    def test_passes_one_role_to_one_service(self, template: Template) -> None:
        (passing,) = allowing(policy(template, "Role"), "iam:PassRole")
        assert passing["Condition"] == {
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
        }
        resource = passing["Resource"]
        assert isinstance(resource, dict)
        assert resource["Fn::GetAtt"][0].startswith("AccessModelRole")

    def test_every_action_on_endpoints_is_under_the_prefix(self, template: Template) -> None:
        allowed = [s for s in policy(template, "Role") if s["Effect"] == "Allow"]
        ours = [s for s in allowed if any(a.startswith("sagemaker:") for a in actions(s))]
        assert len(ours) == 4
        for statement in ours:
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:  # type: ignore[attr-defined]
                assert "/mlops-blue-*" in resource
            assert not any("Delete" in action for action in actions(statement))

    def test_reads_models_and_writes_its_own_files_alone(self, template: Template) -> None:
        statements = policy(template, "Role")
        (writing,) = allowing(statements, "s3:PutObject")
        assert writing["Resource"] == f"{BUCKET}/clients/lab/*"
        assert {s["Resource"] for s in allowing(statements, "s3:GetObject")} == {
            f"{BUCKET}/clients/lab/*",
            f"{BUCKET}/mlflow/*",
        }
        for statement in statements:
            if any("kms:" in action for action in actions(statement)):
                assert statement["Condition"] == {
                    "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
                }

    def test_without_images_no_repository(self, template: Template) -> None:
        for role in ("Role", "ModelRole"):
            for statement in policy(template, role):
                assert not any("ecr:" in action for action in actions(statement))

    def test_models_write_logs_and_nothing_else(self, template: Template) -> None:
        statements = policy(template, "ModelRole")
        assert allowing(statements, "s3:PutObject") == []
        (logging,) = allowing(statements, "logs:PutLogEvents")
        assert str(logging["Resource"]).endswith("/aws/sagemaker/Endpoints/mlops-blue-*")

    def test_models_leave_for_s3_alone(self, template: Template) -> None:
        template.resource_count_is("AWS::EC2::SecurityGroupIngress", 0)
        template.has_resource_properties(
            "AWS::EC2::SecurityGroupEgress", {"DestinationPrefixListId": "pl-6da54004"}
        )

    def test_only_ec2_takes_the_role(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::IAM::Role",
            {
                "Description": "What lab may do on the platform",
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        Match.object_like({"Principal": {"Service": "ec2.amazonaws.com"}})
                    ]
                },
            },
        )


class TestCustom:
    def test_pushes_to_the_repositories_it_is_given(self, bench: Bench) -> None:
        access(bench, "iris", "rose")
        template = bench.template()
        pushing = allowing(policy(template, "Role"), "ecr:PutImage")
        assert len(pushing) == 1
        assert len(pushing[0]["Resource"]) == 2  # type: ignore[arg-type]
        (token,) = allowing(policy(template, "Role"), "ecr:GetAuthorizationToken")
        assert actions(token) == {"ecr:GetAuthorizationToken"}
        assert allowing(policy(template, "ModelRole"), "ecr:PutImage") == []
        assert allowing(policy(template, "ModelRole"), "ecr:BatchGetImage")
