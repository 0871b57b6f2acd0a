from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from mlops_constructs.platform_role import PlatformRole, grant
from tests.unit.constructs.conftest import Bench


def role(bench: Bench) -> PlatformRole:
    return PlatformRole(
        bench.stack,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description="Does this and that",
    )


def policies(template: Template) -> list[dict[str, object]]:
    found = template.find_resources("AWS::IAM::ManagedPolicy").values()
    return [policy["Properties"] for policy in found]


def test_what_it_is_granted_is_one_managed_policy(bench: Bench) -> None:
    """Grants of ours, and those of the CDK, which call the role from within."""
    granted = role(bench)
    bench.log_settings.group(bench.stack, "Log").grant_write(granted)
    iam.Grant.add_to_principal(
        grantee=granted, actions=["sts:GetCallerIdentity"], resource_arns=["*"]
    )
    template = bench.template()
    template.resource_count_is("AWS::IAM::Policy", 0)
    template.has_resource_properties(
        "AWS::IAM::Role", {"Policies": Match.absent(), "ManagedPolicyArns": Match.absent()}
    )
    (policy,) = policies(template)
    document = policy["PolicyDocument"]
    assert isinstance(document, dict)
    assert [statement["Action"] for statement in document["Statement"]] == [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        "sts:GetCallerIdentity",
    ]
    (attached,) = template.find_resources("AWS::IAM::Role")
    assert policy["Roles"] == [{"Ref": attached}]


def test_what_is_granted_is_the_same_whichever_way_it_comes(bench: Bench) -> None:
    """Straight to the policy, or by way of the role, as the CDK's own grants do."""
    topics = [f"arn:aws:sns:eu-west-1:123456789012:{name}" for name in "ab"]
    wanted: dict[str, Any] = {
        "actions": ["sns:Publish"],
        "conditions": {"Bool": {"aws:SecureTransport": "true"}},
    }
    granted = role(bench)
    grant(grantee=granted, resource_arns=topics[:1], **wanted)
    iam.Grant.add_to_principal(grantee=granted, resource_arns=topics[1:], **wanted)
    (policy,) = policies(bench.template())
    assert policy["PolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sns:Publish",
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
                "Resource": topics,
            }
        ],
    }


def test_who_is_no_role_of_ours_is_granted_by_the_cdk(bench: Bench) -> None:
    grant(
        grantee=bench.role(), actions=("sts:GetCallerIdentity", "sts:TagSession"), resource_arns="*"
    )
    bench.template().has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": Match.object_like(
                {"Statement": [Match.object_like({"Resource": "*"})]}
            )
        },
    )


def test_without_a_grant_it_has_no_policy(bench: Bench) -> None:
    role(bench)
    assert policies(bench.template()) == []


def test_what_depends_on_a_grant_waits_for_the_policy(bench: Bench) -> None:
    given = grant(grantee=role(bench), actions=["sts:GetCallerIdentity"], resource_arns=["*"])
    group = bench.log_settings.group(bench.stack, "Log")
    given.apply_before(group)
    template = bench.template()
    (policy,) = template.find_resources("AWS::IAM::ManagedPolicy")
    (log_group,) = template.find_resources("AWS::Logs::LogGroup").values()
    assert policy in log_group["DependsOn"]
