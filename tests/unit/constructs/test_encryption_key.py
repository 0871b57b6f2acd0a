from aws_cdk import RemovalPolicy
from aws_cdk.assertions import Match

from mlops_constructs.encryption_key import EncryptionKey, grant_through
from tests.unit.constructs.conftest import Bench

OF_ALARMS = {
    "StringEquals": {"aws:SourceAccount": "123456789012"},
    "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:*"},
}


class TestDefault:
    def test_rotates_and_is_kept(self, bench: Bench) -> None:
        EncryptionKey(bench.stack, "DataKey", description="Data at rest")
        bench.template().has_resource(
            "AWS::KMS::Key",
            {
                "DeletionPolicy": "Retain",
                "Properties": {"EnableKeyRotation": True, "Description": "Data at rest"},
            },
        )


class TestCustom:
    def test_may_go_with_its_stack(self, bench: Bench) -> None:
        EncryptionKey(bench.stack, "Key", description="x", removal_policy=RemovalPolicy.DESTROY)
        bench.template().has_resource("AWS::KMS::Key", {"DeletionPolicy": "Delete"})

    def test_log_groups_of_this_account_and_region_may_use_it(self, bench: Bench) -> None:
        EncryptionKey(bench.stack, "LogKey", description="Logs").allow_log_groups()
        log_groups = "arn:aws:logs:eu-west-1:123456789012:log-group:*"
        bench.template().has_resource_properties(
            "AWS::KMS::Key",
            {
                "KeyPolicy": {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Principal": {"Service": "logs.eu-west-1.amazonaws.com"},
                                    "Condition": {
                                        "ArnLike": {
                                            "kms:EncryptionContext:aws:logs:arn": log_groups
                                        }
                                    },
                                }
                            )
                        ]
                    )
                }
            },
        )

    def test_alarms_of_this_account_and_region_may_use_it(self, bench: Bench) -> None:
        EncryptionKey(bench.stack, "Key", description="x").allow_alarms()
        bench.template().has_resource_properties(
            "AWS::KMS::Key",
            {
                "KeyPolicy": {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                                    "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                                    "Condition": OF_ALARMS,
                                }
                            )
                        ]
                    )
                }
            },
        )


class TestGrants:
    def test_use_through_a_service_is_no_use_without_it(self, bench: Bench) -> None:
        grant_through(bench.key, bench.role(), "s3", "kms:Decrypt")
        bench.template().has_resource_properties(
            "AWS::IAM::Policy",
            {
                "PolicyDocument": {
                    "Statement": [
                        Match.object_like(
                            {
                                "Action": "kms:Decrypt",
                                "Condition": {
                                    "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
                                },
                            }
                        )
                    ]
                }
            },
        )
