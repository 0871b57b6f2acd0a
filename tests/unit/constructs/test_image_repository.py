from collections.abc import Callable

from aws_cdk import RemovalPolicy
from aws_cdk.assertions import Template

from mlops_constructs.image_repository import ImageRepository
from tests.unit.constructs.conftest import Bench


class TestDefault:
    def test_tags_never_move_and_pushes_are_scanned(self, bench: Bench) -> None:
        ImageRepository(bench.stack, "Iris", naming=bench.naming, image="iris", key=bench.key)
        bench.template().has_resource(
            "AWS::ECR::Repository",
            {
                "DeletionPolicy": "Retain",
                "Properties": {
                    "RepositoryName": "mlops/blue/iris",
                    "ImageTagMutability": "IMMUTABLE",
                    "ImageScanningConfiguration": {"ScanOnPush": True},
                    "EncryptionConfiguration": {"EncryptionType": "KMS"},
                },
            },
        )


class TestCustom:
    def test_may_go_with_its_stack(self, bench: Bench) -> None:
        ImageRepository(
            bench.stack,
            "Iris",
            naming=bench.naming,
            image="iris",
            key=bench.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        bench.template().has_resource("AWS::ECR::Repository", {"DeletionPolicy": "Delete"})


def test_codebuild_pulls_as_itself_for_projects_of_this_account(bench: Bench) -> None:
    repository = ImageRepository(
        bench.stack, "Iris", naming=bench.naming, image="iris", key=bench.key
    )
    repository.allow_builds("arn:aws:codebuild:eu-west-1:123456789012:project/mlops-blue-*")
    (made,) = bench.template().find_resources("AWS::ECR::Repository").values()
    (statement,) = made["Properties"]["RepositoryPolicyText"]["Statement"]
    assert statement["Principal"] == {"Service": "codebuild.amazonaws.com"}
    assert "ecr:PutImage" not in statement["Action"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {
            "aws:SourceArn": "arn:aws:codebuild:eu-west-1:123456789012:project/mlops-blue-*"
        },
    }


class TestGrants:
    def test_pushing_is_to_this_one_and_a_token_is_for_all(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        repository = ImageRepository(
            bench.stack, "Iris", naming=bench.naming, image="iris", key=bench.key
        )
        repository.grant_push(bench.role())
        token, images = statements(bench.template())
        assert (token["Action"], token["Resource"]) == ("ecr:GetAuthorizationToken", "*")
        assert set(images["Action"]) == {  # type: ignore[call-overload]
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:DescribeImages",
            "ecr:DescribeRepositories",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        }
        assert "Fn::GetAtt" in str(images["Resource"])

    def test_pulling_pushes_nothing(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        repository = ImageRepository(
            bench.stack, "Iris", naming=bench.naming, image="iris", key=bench.key
        )
        repository.grant_pull(bench.role())
        _, images = statements(bench.template())
        assert not any(
            verb in action
            for action in images["Action"]  # type: ignore[attr-defined]
            for verb in ("Put", "Upload", "Complete")
            if action != "ecr:GetDownloadUrlForLayer"
        )
