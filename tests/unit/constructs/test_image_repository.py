from aws_cdk import RemovalPolicy

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
