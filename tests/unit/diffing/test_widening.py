"""Policies and groups that allow more."""

from pathlib import Path
from typing import Any

import pytest

from diffing.model import Section
from tests.unit.diffing.builders import (
    Resources,
    att,
    changed,
    details,
    policy,
    ref,
    resource,
    says,
    trusting,
)

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}
FUNCTION = {"Runtime": "python3.13", "Handler": "a.b", "Code": {"ZipFile": "x"}}


def role(*statements: dict[str, Any], **properties: Any) -> Resources:
    inline = [{"PolicyName": "it", "PolicyDocument": policy(*statements)}]
    return {"Role": trusting("lambda.amazonaws.com", Policies=inline, **properties)}


@pytest.mark.parametrize(
    "statement",
    [
        {**READ, "Action": ["s3:GetObject", "s3:PutObject"]},
        {**READ, "Action": "s3:Get*"},
        {**READ, "Resource": "arn:aws:s3:::*"},
        {"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": READ["Resource"]},
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::secret/*"},
    ],
)
def test_a_role_that_may_more_has_to_be_named(statement: dict[str, Any], tmp_path: Path) -> None:
    summary = changed(tmp_path, role(READ), role(statement))

    assert "Stack/Role may more" in says(summary, Section.WIDENED)
    assert {"Stack/Role"} == {each.path for each in summary.refused}


def test_a_condition_less_is_more(tmp_path: Path) -> None:
    bound = {**READ, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "ml"}}}

    assert changed(tmp_path / "less", role(bound), role(READ)).destructive
    assert not changed(tmp_path / "more", role(READ), role(bound)).destructive


def test_a_statement_that_only_moves_is_no_change_of_rights(tmp_path: Path) -> None:
    apart = {
        **role(),
        "Policy": resource(
            "IAM::Policy", PolicyName="it", Roles=[ref("Role")], PolicyDocument=policy(READ)
        ),
    }

    summary = changed(tmp_path, role(READ), {**apart, "Role": trusting("lambda.amazonaws.com")})

    assert not summary.of(Section.WIDENED)
    assert not summary.of(Section.NARROWED)


def test_a_deny_less_is_more(tmp_path: Path) -> None:
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::models/secret/*"}

    summary = changed(tmp_path, role(READ, deny), role(READ))

    assert summary.headline == "Takes a Deny away from the role Stack/Role"
    assert details(summary.of(Section.WIDENED)) == ["Deny s3:* on arn:aws:s3:::models/secret/*"]


def test_a_boundary_less_is_more(tmp_path: Path) -> None:
    boundary = {"PermissionsBoundary": "arn:aws:iam::111111111111:policy/boundary"}

    summary = changed(tmp_path, role(READ, **boundary), role(READ))

    assert details(summary.of(Section.WIDENED)) == ["it has no permissions boundary any more"]
    assert not changed(tmp_path / "back", role(READ), role(READ, **boundary)).destructive


def test_another_role_is_another_set_of_rights(tmp_path: Path) -> None:
    def acting(name: str) -> Resources:
        return {
            **role(READ),
            "Other": role(READ)["Role"],
            "Function": resource("Lambda::Function", Role=att(name), **FUNCTION),
        }

    summary = changed(tmp_path, acting("Role"), acting("Other"))

    assert "Stack/Function comes to act as Stack/Other" in says(summary, Section.WIDENED)


def test_a_role_under_another_logical_id_is_the_same_role(tmp_path: Path) -> None:
    path = {"Metadata": {"aws:cdk:path": "Stack/It/Resource"}}
    wider = {**READ, "Resource": "*"}

    same = changed(
        tmp_path / "same",
        {"One": {**role(READ)["Role"], **path}},
        {"Two": {**role(READ)["Role"], **path}},
    )
    more = changed(
        tmp_path / "more",
        {"One": {**role(READ)["Role"], **path}},
        {"Two": {**role(wider)["Role"], **path}},
    )

    assert not same.of(Section.WIDENED)
    assert more.destructive


def test_a_new_role_is_shown_and_not_refused(tmp_path: Path) -> None:
    other = {"Topic": resource("SNS::Topic")}

    summary = changed(tmp_path, other, {**other, **role(READ)})

    assert says(summary, Section.GRANTED) == [
        "Stack/Role is new, and is assumed by:",
        "Stack/Role is new, and may:",
    ]
    assert not summary.destructive


def test_what_is_not_known_counts_as_wider_where_its_policy_changed(tmp_path: Path) -> None:
    def policies(attribute: str) -> Resources:
        unknown = {**READ, "Resource": {"Fn::GetAtt": ["Custom", attribute]}}
        return {
            "Custom": {"Type": "Custom::It", "Properties": {"ServiceToken": "arn"}},
            **role(unknown),
        }

    summary = changed(tmp_path, policies("One"), policies("Two"))

    assert "a part of it is not known" in details(summary.of(Section.WIDENED))[0]
    assert changed(tmp_path / "same", policies("One"), policies("One")).empty


def test_imports_are_told_apart_by_their_names(tmp_path: Path) -> None:
    def policies(export: str, *more: dict[str, Any]) -> Resources:
        return role({**READ, "Resource": {"Fn::ImportValue": export}}, *more)

    narrower = {**READ, "Effect": "Deny", "Resource": "*"}

    assert changed(tmp_path / "other", policies("One"), policies("Two")).destructive
    assert not changed(tmp_path / "same", policies("One"), policies("One", narrower)).destructive


def test_a_policy_on_what_had_none_is_wider(tmp_path: Path) -> None:
    queue = {"Queue": resource("SQS::Queue")}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": att("Queue")}
    opened = resource("SQS::QueuePolicy", Queues=[ref("Queue")], PolicyDocument=policy(statement))

    summary = changed(tmp_path, queue, {**queue, "Open": opened})

    assert "Stack/Queue as its policy says, allows more" in says(summary, Section.WIDENED)


def test_an_endpoint_without_a_policy_lets_everybody_through(tmp_path: Path) -> None:
    common = {"ServiceName": "com.amazonaws.eu-west-1.kms", "VpcId": "vpc-1"}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    closed = resource("EC2::VPCEndpoint", PolicyDocument=policy(statement), **common)

    summary = changed(tmp_path, {"It": closed}, {"It": resource("EC2::VPCEndpoint", **common)})

    assert summary.headline == "Lets EVERYBODY use the VPC endpoint Stack/It"


def test_a_model_role_follows_its_models_files_and_nothing_else(tmp_path: Path) -> None:
    def model(key: str, reads: str) -> Resources:
        source = {"S3DataSource": {"S3Uri": f"s3://models/{key}/", "S3DataType": "S3Prefix"}}
        statement = {**READ, "Resource": f"arn:aws:s3:::models/{reads}/*"}
        return {
            "Role": trusting(
                "sagemaker.amazonaws.com",
                Policies=[{"PolicyName": "it", "PolicyDocument": policy(statement)}],
            ),
            "Model": resource(
                "SageMaker::Model",
                ExecutionRoleArn=att("Role"),
                PrimaryContainer={"ModelDataSource": source},
            ),
        }

    follows = changed(tmp_path / "follows", model("iris/1", "iris/1"), model("iris/2", "iris/2"))
    strays = changed(tmp_path / "strays", model("iris/1", "iris/1"), model("iris/2", "iris/*"))
    climbs = changed(tmp_path / "climbs", model("iris/1", "iris/1"), model("iris", "iris"))

    assert not follows.destructive
    assert details(follows.of(Section.GRANTED)) == ["iris/1 → iris/2"]
    assert strays.destructive
    assert climbs.destructive


def group(*rules: dict[str, Any], out: bool = False) -> Resources:
    egress = {} if out else {"SecurityGroupEgress": [rule("10.9.0.0/16")]}
    return {
        "Group": resource(
            "EC2::SecurityGroup", GroupDescription="it", SecurityGroupIngress=list(rules), **egress
        )
    }


def rule(cidr: str, first: int = 443, last: int = 443, protocol: str = "tcp") -> dict[str, Any]:
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "CidrIp": cidr}


@pytest.mark.parametrize(
    "wider",
    [
        rule("10.0.0.0/15"),
        rule("10.1.0.0/16"),
        rule("10.0.0.0/16", last=444),
        rule("10.0.0.0/16", protocol="udp"),
        {"IpProtocol": "-1", "CidrIp": "10.0.0.0/16"},
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "SourcePrefixListId": "pl-1"},
    ],
)
def test_a_group_that_lets_more_in_has_to_be_named(wider: dict[str, Any], tmp_path: Path) -> None:
    summary = changed(tmp_path, group(rule("10.0.0.0/16")), group(wider))

    assert {"Stack/Group"} == {each.path for each in summary.refused}


def test_a_group_that_lets_less_in_is_narrower(tmp_path: Path) -> None:
    before, after = group(rule("10.0.0.0/16", 0, 65535)), group(rule("10.0.1.0/24"))

    summary = changed(tmp_path, before, after)

    assert not summary.destructive
    assert summary.of(Section.NARROWED)


def test_a_group_without_outbound_rules_lets_everything_out(tmp_path: Path) -> None:
    summary = changed(tmp_path, group(), group(out=True))

    assert "Stack/Group lets out to 0.0.0.0/0, on all" in says(summary, Section.WIDENED)


def test_standing_in_another_group_has_to_be_named(tmp_path: Path) -> None:
    def placed(*names: str) -> Resources:
        return {
            **group(),
            "Other": group()["Group"],
            "Data": resource(
                "RDS::DBInstance", VPCSecurityGroups=[att(name, "GroupId") for name in names]
            ),
        }

    summary = changed(tmp_path, placed("Group"), placed("Group", "Other"))

    assert "Stack/Data comes to stand in Stack/Other" in says(summary, Section.WIDENED)
