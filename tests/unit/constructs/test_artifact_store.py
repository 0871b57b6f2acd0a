from collections.abc import Callable

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk.assertions import Match, Template

from mlops_constructs.artifact_store import ArtifactStore
from tests.unit.constructs.conftest import Bench

Statements = Callable[[Template], list[dict[str, object]]]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        ArtifactStore(bench.stack, "Artifacts", naming=bench.naming, key=bench.key)
        return bench.template()

    def test_artifacts_are_encrypted_versioned_and_logged(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::S3::Bucket",
            {
                "BucketName": "mlops-blue-artifacts-123456789012",
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": True,
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": Match.any_value(),
                            },
                        }
                    ]
                },
                "VersioningConfiguration": {"Status": "Enabled"},
                "LoggingConfiguration": {"LogFilePrefix": "artifacts/"},
            },
        )

    def test_no_bucket_can_be_public_or_called_without_tls(self, template: Template) -> None:
        template.all_resources_properties(
            "AWS::S3::Bucket",
            {
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                }
            },
        )
        template.all_resources_properties(
            "AWS::S3::BucketPolicy",
            {
                "PolicyDocument": {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Effect": "Deny",
                                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                                }
                            )
                        ]
                    )
                }
            },
        )

    def test_is_kept(self, template: Template) -> None:
        template.all_resources(
            "AWS::S3::Bucket", {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        )

    def test_lets_load_balancers_of_this_account_alone_deliver_logs(
        self, template: Template
    ) -> None:
        template.has_resource_properties(
            "AWS::S3::BucketPolicy",
            {
                "PolicyDocument": {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Action": "s3:PutObject",
                                    "Principal": {"Service": "delivery.logs.amazonaws.com"},
                                    "Condition": {
                                        "StringEquals": {"aws:SourceAccount": "123456789012"}
                                    },
                                }
                            )
                        ]
                    )
                }
            },
        )


class TestCustom:
    def test_may_be_destroyed_on_purpose(self, bench: Bench) -> None:
        ArtifactStore(
            bench.stack,
            "Artifacts",
            naming=bench.naming,
            key=bench.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        bench.template().all_resources("AWS::S3::Bucket", {"DeletionPolicy": "Delete"})

    def test_keeps_access_logs_as_long_as_it_is_told(self, bench: Bench) -> None:
        ArtifactStore(bench.stack, "Artifacts", naming=bench.naming, key=bench.key, log_days=30)
        bench.template().has_resource_properties(
            "AWS::S3::Bucket",
            {"LifecycleConfiguration": {"Rules": [Match.object_like({"ExpirationInDays": 30})]}},
        )

    def test_what_expires_is_gone_for_good_a_day_later(self, bench: Bench) -> None:
        ArtifactStore(
            bench.stack,
            "Artifacts",
            naming=bench.naming,
            key=bench.key,
            expiring={"capture/": 30},
        )
        bench.template().has_resource_properties(
            "AWS::S3::Bucket",
            {
                "LifecycleConfiguration": {
                    "Rules": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Prefix": "capture/",
                                    "ExpirationInDays": 30,
                                    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                                }
                            )
                        ]
                    )
                }
            },
        )


class TestGrants:
    def test_reading_is_reading_one_prefix(self, bench: Bench, statements: Statements) -> None:
        role = bench.role()
        bench.artifacts().grant_read(role, "mlflow/1/")
        listing, reading, key = statements(bench.template())
        assert listing["Action"] == "s3:ListBucket"
        assert listing["Condition"] == {"StringLike": {"s3:prefix": ["mlflow/1/", "mlflow/1/*"]}}
        assert reading["Action"] == "s3:GetObject"
        assert reading["Resource"] == "arn:aws:s3:::mlops-blue-artifacts-123456789012/mlflow/1/*"
        assert key["Action"] == "kms:Decrypt"
        assert key["Condition"] == {
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
        }

    def test_writing_adds_no_wildcard_action(self, bench: Bench, statements: Statements) -> None:
        role = bench.role()
        bench.artifacts().grant_read_write(role, "mlflow/")
        actions = [
            action
            for statement in statements(bench.template())
            for action in (
                [statement["Action"]]
                if isinstance(statement["Action"], str)
                else statement["Action"]  # type: ignore[attr-defined]
            )
        ]
        assert {"s3:PutObject", "s3:DeleteObject", "kms:GenerateDataKey"} <= set(actions)
        assert [action for action in actions if "*" in action] == []
