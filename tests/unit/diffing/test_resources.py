"""What is replaced, deleted, new or changed."""

from pathlib import Path
from typing import Any

import pytest

from diffing.model import Section
from tests.unit.diffing.builders import Resources, changed, details, ref, resource, says

CLOSED = dict.fromkeys(
    ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
)
ENGINE = {"Engine": "mysql", "DBInstanceClass": "db.t4g.medium"}


def database(**properties: Any) -> dict[str, Any]:
    return resource("RDS::DBInstance", **{**ENGINE, **properties})


def test_what_cannot_change_in_place_is_replaced(tmp_path: Path) -> None:
    summary = changed(
        tmp_path,
        {"Topic": resource("SNS::Topic", TopicName="one")},
        {"Topic": resource("SNS::Topic", TopicName="two")},
    )

    assert says(summary, Section.REPLACED) == ["Stack/Topic is replaced, for TopicName"]
    assert details(summary.of(Section.REPLACED)) == ["TopicName: one → two"]
    assert not summary.destructive


def test_what_names_something_replaced_where_it_cannot_change_is_replaced_too(
    tmp_path: Path,
) -> None:
    def network(cidr: str) -> Resources:
        return {
            "Vpc": resource("EC2::VPC", CidrBlock=cidr),
            "Subnet": resource("EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/24"),
            "Table": resource("EC2::RouteTable", VpcId=ref("Vpc")),
            "Association": resource(
                "EC2::SubnetRouteTableAssociation",
                SubnetId=ref("Subnet"),
                RouteTableId=ref("Table"),
            ),
            "Topic": resource("SNS::Topic", DisplayName=ref("Vpc")),
        }

    summary = changed(tmp_path, network("10.0.0.0/16"), network("10.1.0.0/16"))

    assert {each.path for each in summary.of(Section.REPLACED)} == {
        "Stack/Association",
        "Stack/Subnet",
        "Stack/Table",
        "Stack/Vpc",
    }


@pytest.mark.parametrize(
    ("policies", "fate"),
    [
        ({}, " with its data"),
        ({"UpdateReplacePolicy": "Snapshot"}, ", and a snapshot is kept"),
        ({"UpdateReplacePolicy": "Retain"}, ", and the old one is kept outside of the stacks"),
    ],
)
def test_a_replacement_says_what_becomes_of_the_data(
    policies: dict[str, str], fate: str, tmp_path: Path
) -> None:
    summary = changed(
        tmp_path,
        {"Data": {**database(KmsKeyId="one"), **policies}},
        {"Data": {**database(KmsKeyId="two"), **policies}},
    )

    assert summary.headline == f"REPLACES the database Stack/Data{fate}"
    assert [each.path for each in summary.refused] == ["Stack/Data"]


@pytest.mark.parametrize(
    ("body", "fate"),
    [
        (database(), ", and a snapshot is kept"),
        (database(DBClusterIdentifier="one"), " with its data"),
        ({**database(), "DeletionPolicy": "Delete"}, " with its data"),
        (resource("S3::Bucket"), " with its data"),
        (
            {**resource("S3::Bucket"), "DeletionPolicy": "Retain"},
            ", which is kept outside of the stacks",
        ),
    ],
)
def test_a_deletion_says_what_becomes_of_the_data(
    body: dict[str, Any], fate: str, tmp_path: Path
) -> None:
    other = {"Topic": resource("SNS::Topic")}

    summary = changed(tmp_path, {"Data": body, **other}, other)

    assert says(summary, Section.DELETED) == [f"Stack/Data is deleted{fate}"]
    assert summary.destructive


def test_what_only_interrupts_is_no_replacement(tmp_path: Path) -> None:
    summary = changed(tmp_path, {"Data": database()}, {"Data": database(MultiAZ=True)})

    assert says(summary, Section.CHANGED) == ["Stack/Data changes"]
    assert not summary.destructive


def test_what_may_be_replaced_has_to_be_named_where_it_holds_data(tmp_path: Path) -> None:
    summary = changed(
        tmp_path, {"Data": database()}, {"Data": database(DBSnapshotIdentifier="yesterday")}
    )

    assert summary.headline == "May REPLACE the database Stack/Data"


def test_another_logical_id_is_another_resource(tmp_path: Path) -> None:
    body = {**database(), "Metadata": {"aws:cdk:path": "Stack/Server/Resource"}}

    summary = changed(tmp_path, {"ServerOne": body}, {"ServerTwo": body})

    assert says(summary, Section.REPLACED) == [
        "Stack/Server is replaced with its data, for its logical id"
    ]


def test_what_never_changes_in_place_is_made_anew(tmp_path: Path) -> None:
    def version(number: str) -> Resources:
        return {f"Version{number * 32}": resource("Lambda::Version", FunctionName="one")}

    summary = changed(tmp_path, version("1"), version("2"))

    assert says(summary, Section.CHANGED) == [f"Stack/Version{'2' * 32} is made anew"]


def test_a_type_without_a_schema_says_so(tmp_path: Path) -> None:
    summary = changed(
        tmp_path, {"It": resource("New::Thing", A=1)}, {"It": resource("New::Thing", A=2)}
    )

    assert "there is no schema of its type" in says(summary, Section.CHANGED)[0]


def test_a_hash_of_what_was_built_is_no_noise(tmp_path: Path) -> None:
    def function(sign: str) -> Resources:
        code = {"S3Bucket": "assets", "S3Key": f"{sign * 64}.zip"}
        return {"It": resource("Lambda::Function", Role="arn:aws:iam::1:role/it", Code=code)}

    summary = changed(tmp_path, function("1"), function("2"))

    assert details(summary.of(Section.CHANGED)) == ["Code.S3Key: other content"]


def test_what_is_known_after_deployment_is_compared_as_it_is_written(tmp_path: Path) -> None:
    def topic(attribute: str) -> Resources:
        return {
            "Custom": {"Type": "Custom::It", "Properties": {"ServiceToken": "arn"}},
            "Topic": resource("SNS::Topic", DisplayName={"Fn::GetAtt": ["Custom", attribute]}),
        }

    summary = changed(tmp_path, topic("One"), topic("Two"))

    assert says(summary, Section.CHANGED) == ["Stack/Topic changes"]


def test_a_first_deployment_is_new_and_destroys_nothing(tmp_path: Path) -> None:
    summary = changed(tmp_path, {}, {"Topic": resource("SNS::Topic")})

    assert says(summary, Section.ADDED) == ["Stack/Topic is new"]
    assert not summary.destructive
    assert summary.headline == "1 stack: topic Stack/Topic is new"


@pytest.mark.parametrize(
    ("before", "after", "says_it"),
    [
        (database(StorageEncrypted=True), database(), "StorageEncrypted: true → none"),
        (
            {**database(), "DeletionPolicy": "Retain"},
            database(),
            "DeletionPolicy: Retain → none",
        ),
        (
            resource("S3::Bucket", PublicAccessBlockConfiguration=CLOSED),
            resource("S3::Bucket"),
            "PublicAccessBlockConfiguration: 4 settings → none",
        ),
        (
            database(),
            {**database(), "DeletionPolicy": "Delete"},
            "DeletionPolicy: none → Delete",
        ),
        (
            resource("ECR::Repository", ImageTagMutability="IMMUTABLE"),
            resource("ECR::Repository"),
            "ImageTagMutability: IMMUTABLE → none",
        ),
        (
            resource("S3::Bucket", VersioningConfiguration={"Status": "Enabled"}),
            resource("S3::Bucket"),
            "VersioningConfiguration.Status: Enabled → none",
        ),
        (
            resource("DMS::ReplicationInstance", ReplicationInstanceClass="dms.t3.micro"),
            resource("DMS::ReplicationInstance", PubliclyAccessible=True),
            "PubliclyAccessible: none → true",
        ),
        (
            resource("Logs::LogGroup"),
            resource("Logs::LogGroup", RetentionInDays=7),
            "RetentionInDays: none → 7",
        ),
        (
            resource("Logs::LogGroup", RetentionInDays=365),
            resource("Logs::LogGroup", RetentionInDays=7),
            "RetentionInDays: 365 → 7",
        ),
        (
            resource("Logs::LogGroup", KmsKeyId="one"),
            resource("Logs::LogGroup"),
            "KmsKeyId: one → none",
        ),
    ],
)
def test_a_lost_safeguard_has_to_be_named(
    before: dict[str, Any], after: dict[str, Any], says_it: str, tmp_path: Path
) -> None:
    summary = changed(tmp_path, {"It": before}, {"It": after})
    back = changed(tmp_path / "back", {"It": after}, {"It": before})

    assert f"Stack/It loses a safeguard: {says_it}" in says(summary, Section.WIDENED)
    assert "Stack/It" in {each.path for each in summary.refused}
    assert not back.of(Section.WIDENED)
