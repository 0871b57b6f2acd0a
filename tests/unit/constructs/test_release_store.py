from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk.assertions import Match, Template

from mlops_constructs.naming import Naming
from mlops_constructs.release_store import (
    APP,
    PROMOTIONS,
    PROPOSED,
    RECORDS,
    ReleaseStore,
)
from tests.unit.constructs.conftest import Bench

Statements = Callable[[Template], list[dict[str, Any]]]
BUCKET = "arn:aws:s3:::mlops-blue-releases-123456789012"


def store(bench: Bench, **changes: Any) -> ReleaseStore:
    return ReleaseStore(
        bench.stack,
        "Releases",
        naming=bench.naming,
        key=bench.key,
        logs=bench.artifacts().access_logs,
        **changes,
    )


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        store(bench)
        return bench.template()

    def test_it_is_encrypted_versioned_and_logged(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::S3::Bucket",
            {
                "BucketName": "mlops-blue-releases-123456789012",
                "BucketEncryption": Match.object_like(
                    {
                        "ServerSideEncryptionConfiguration": [
                            Match.object_like({"BucketKeyEnabled": True})
                        ]
                    }
                ),
                "VersioningConfiguration": {"Status": "Enabled"},
                "LoggingConfiguration": Match.object_like({"LogFilePrefix": "releases/"}),
                "PublicAccessBlockConfiguration": Match.object_like({"BlockPublicPolicy": True}),
            },
        )

    def test_it_tells_eventbridge_without_a_function(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::S3::Bucket",
            {
                "NotificationConfiguration": {
                    "EventBridgeConfiguration": {"EventBridgeEnabled": True}
                }
            },
        )
        template.resource_count_is("AWS::Lambda::Function", 0)

    def test_what_only_guards_against_replays_expires_and_records_do_not(
        self, template: Template
    ) -> None:
        (bucket,) = template.find_resources("AWS::S3::Bucket").values()
        rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        expiring = {
            rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule
        }
        assert expiring == {
            "deliveries/": 1,
            "mlops-blue-release-": 90,
            "mlops-blue-platform/": 90,
            "platform/handed-on/": 90,
        }

    def test_it_is_kept(self, template: Template) -> None:
        template.all_resources(
            "AWS::S3::Bucket", {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        )


class TestGrants:
    def test_reading_is_of_every_version_below_the_prefix_alone(
        self, bench: Bench, statements: Statements
    ) -> None:
        store(bench).grant_read(bench.role(), RECORDS)
        found = {str(s["Resource"]): s["Action"] for s in statements(bench.template())}
        assert found[f"{BUCKET}/records/*"] == ["s3:GetObject", "s3:GetObjectVersion"]
        assert found[BUCKET] == ["s3:ListBucket", "s3:ListBucketVersions"]

    def test_reading_the_latest_is_of_no_former_version(
        self, bench: Bench, statements: Statements
    ) -> None:
        store(bench).grant_read_latest(bench.role(), RECORDS)
        found = {str(s["Resource"]): s["Action"] for s in statements(bench.template())}
        assert found[f"{BUCKET}/records/*"] == "s3:GetObject"
        assert found[BUCKET] == "s3:ListBucket"

    def test_an_object_that_is_not_there_is_said_to_be_missing(
        self, bench: Bench, statements: Statements
    ) -> None:
        """S3 says so to who may list the bucket, and asks for no prefix then."""
        store(bench).grant_read(bench.role(), RECORDS)
        (listing,) = [s for s in statements(bench.template()) if s["Resource"] == BUCKET]
        assert "Condition" not in listing

    def test_nobody_deletes(self, bench: Bench, statements: Statements) -> None:
        releases, role = store(bench), bench.role()
        releases.grant_read_write(role, PROMOTIONS)
        releases.grant_replace(role, APP)
        releases.grant_pipeline(role, APP, "mlops-blue-release-")
        releases.grant_build(role)
        assert "Delete" not in str(statements(bench.template()))

    def test_one_object_is_replaced_and_none_beside_it(
        self, bench: Bench, statements: Statements
    ) -> None:
        store(bench).grant_replace(bench.role(), APP)
        (written,) = [s for s in statements(bench.template()) if "s3" in str(s["Action"])]
        assert written["Action"] == "s3:PutObject"
        assert written["Resource"] == f"{BUCKET}/source/app.zip"

    def test_a_pipeline_takes_its_own_source_alone(
        self, bench: Bench, statements: Statements
    ) -> None:
        store(bench).grant_pipeline(bench.role(), PROPOSED, "mlops-blue-platform/")
        objects = [
            str(s["Resource"]) for s in statements(bench.template()) if "/" in str(s["Resource"])
        ]
        assert set(objects) == {
            f"{BUCKET}/source/proposed.zip",
            f"{BUCKET}/mlops-blue-platform/*",
        }

    def test_the_key_is_used_through_s3_alone(self, bench: Bench, statements: Statements) -> None:
        store(bench).grant_read_write(bench.role(), PROMOTIONS)
        used = [s for s in statements(bench.template()) if "kms:GenerateDataKey" in s["Action"]]
        assert [s["Condition"] for s in used] == [
            {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
        ]


def test_what_is_handed_on_expires_by_one_rule_where_names_are_cut_to_the_same(
    bench: Bench,
) -> None:
    """A bucket refuses two rules with the same prefix."""
    bench.naming = Naming("private-mlops", "stage")
    store(bench)
    (bucket,) = bench.template().find_resources("AWS::S3::Bucket").values()
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    prefixes = [rule["Prefix"] for rule in rules if "Prefix" in rule]
    assert prefixes == ["deliveries/", "private-mlops-stage-/", "platform/handed-on/"]


def test_it_may_go_with_its_stack(bench: Bench) -> None:
    store(bench, removal_policy=RemovalPolicy.DESTROY)
    bench.template().all_resources("AWS::S3::Bucket", {"DeletionPolicy": "Delete"})
