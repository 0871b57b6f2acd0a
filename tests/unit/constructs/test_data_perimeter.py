from typing import Any

import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template

from mlops_constructs.data_perimeter import DataPerimeter
from tests.unit.constructs.conftest import Bench

DEPLOYING = "arn:aws:iam::123456789012:role/cdk-hnb659fds-cfn-exec-role-123456789012-eu-west-1"
DELIVERY = "arn:aws:iam::123456789012:role/delivery"
EXECUTION = "arn:aws:iam::123456789012:role/mlops/blue/sagemaker/*"


@pytest.fixture
def perimeter(bench: Bench) -> DataPerimeter:
    return DataPerimeter(
        bench.naming,
        bench.network.endpoints,
        other_endpoints=["vpce-9"],
        other_vpcs=["vpc-9"],
        trusted_roles=[DELIVERY],
    )


def denied(bench: Bench, resource_type: str, document: str) -> dict[str, Any]:
    """The statement that denies what comes from elsewhere."""
    (resource,) = bench.template().find_resources(resource_type).values()
    for statement in resource["Properties"][document]["Statement"]:
        if statement.get("Sid") == "DenyFromElsewhere":
            found: dict[str, Any] = statement
            return found
    raise AssertionError(resource)


def endpoints(statement: dict[str, Any]) -> str:
    return str(statement["Condition"]["StringNotEquals"]["aws:SourceVpce"])


class TestManagedRole:
    """A role that a service of AWS takes, over AWS's own network."""

    ROLE = "arn:aws:iam::123456789012:role/mlops/blue/mlflow/*"

    @pytest.fixture
    def statements(self, bench: Bench, perimeter: DataPerimeter) -> dict[str, dict[str, Any]]:
        perimeter.close_bucket(s3.Bucket(bench.stack, "Bucket"), outside_roles=[self.ROLE])
        (policy,) = bench.template().find_resources("AWS::S3::BucketPolicy").values()
        found = policy["Properties"]["PolicyDocument"]["Statement"]
        return {statement["Sid"]: statement for statement in found if "Sid" in statement}

    def test_passes_with_what_it_signs_itself(self, statements: dict[str, dict[str, Any]]) -> None:
        trusted = statements["DenyFromElsewhere"]["Condition"]["ArnNotLike"]
        assert trusted == {"aws:PrincipalArn": [DEPLOYING, DELIVERY, self.ROLE]}

    def test_a_link_that_it_hands_on_is_good_in_the_network_alone(
        self, statements: dict[str, dict[str, Any]]
    ) -> None:
        links = statements["DenyLinksFromElsewhere"]
        assert (links["Effect"], links["Action"]) == ("Deny", "s3:*")
        assert links["Condition"]["ArnLike"] == {"aws:PrincipalArn": [self.ROLE]}
        differ = links["Condition"]["StringNotEquals"]
        assert differ["s3:authType"] == "REST-HEADER"
        assert "S3Endpoint" in endpoints(links)
        assert differ["aws:SourceVpc"] == ["vpc-9"]


class TestDefault:
    def test_services_and_the_deploying_role_pass(
        self, bench: Bench, perimeter: DataPerimeter
    ) -> None:
        perimeter.close_secret(secretsmanager.Secret(bench.stack, "Secret"))
        statement = denied(bench, "AWS::SecretsManager::ResourcePolicy", "ResourcePolicy")
        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == {"AWS": "*"}
        assert statement["Condition"]["ArnNotLike"] == {"aws:PrincipalArn": [DEPLOYING]}
        assert statement["Condition"]["BoolIfExists"] == {
            "aws:PrincipalIsAWSService": "false",
            "aws:ViaAWSService": "false",
        }

    def test_a_secret_is_read_through_its_endpoint(
        self, bench: Bench, perimeter: DataPerimeter
    ) -> None:
        perimeter.close_secret(secretsmanager.Secret(bench.stack, "Secret"))
        statement = denied(bench, "AWS::SecretsManager::ResourcePolicy", "ResourcePolicy")
        assert statement["Action"] == "secretsmanager:GetSecretValue"
        assert "SecretsmanagerEndpoint" in endpoints(statement)
        assert "vpce-9" in endpoints(statement)
        assert statement["Condition"]["StringNotEquals"]["aws:SourceVpc"] == ["vpc-9"]
        assert "S3Endpoint" not in endpoints(statement)

    def test_a_bucket_refuses_everything_from_elsewhere(
        self, bench: Bench, perimeter: DataPerimeter
    ) -> None:
        perimeter.close_bucket(s3.Bucket(bench.stack, "Bucket"))
        statement = denied(bench, "AWS::S3::BucketPolicy", "PolicyDocument")
        assert statement["Action"] == "s3:*"
        assert len(statement["Resource"]) == 2
        assert "S3Endpoint" in endpoints(statement)
        assert statement["Condition"]["ArnNotLike"] == {"aws:PrincipalArn": [DEPLOYING, DELIVERY]}

    def test_a_key_is_used_through_services_alone(
        self, bench: Bench, perimeter: DataPerimeter
    ) -> None:
        perimeter.close_key(kms.Key(bench.stack, "Key"))
        statement = denied(bench, "AWS::KMS::Key", "KeyPolicy")
        assert "kms:Decrypt" in statement["Action"]
        assert "kms:PutKeyPolicy" not in statement["Action"]
        assert statement["Condition"]["Null"] == {"kms:ViaService": "true"}

    def test_images_are_pulled_by_sagemaker_over_its_own_network(
        self, bench: Bench, perimeter: DataPerimeter
    ) -> None:
        perimeter.close_repository(ecr.Repository(bench.stack, "Repository"))
        statement = denied(bench, "AWS::ECR::Repository", "RepositoryPolicyText")
        assert statement["Condition"]["ArnNotLike"] == {
            "aws:PrincipalArn": [DEPLOYING, EXECUTION, DELIVERY]
        }
        assert "EcrApiEndpoint" in endpoints(statement)
        assert "EcrDkrEndpoint" in endpoints(statement)
        assert "Resource" not in statement


def test_without_an_endpoint_nobody_comes_from_anywhere(bench: Bench) -> None:
    """A condition that lists nothing would let everything pass: there is none."""
    DataPerimeter(bench.naming, {}).close_bucket(s3.Bucket(bench.stack, "Bucket"))
    statement = denied(bench, "AWS::S3::BucketPolicy", "PolicyDocument")
    assert "StringNotEquals" not in statement["Condition"]


def test_the_stacks_stay_in_order(bench: Bench, perimeter: DataPerimeter) -> None:
    perimeter.close_bucket(s3.Bucket(bench.stack, "Bucket"))
    Template.from_stack(bench.neighbours)  # no arrow back: this would raise
