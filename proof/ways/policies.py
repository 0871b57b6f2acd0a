"""Ways that resource policies open, and those that endpoint policies leave open."""

from collections.abc import Iterator
from typing import Any

from proof.model import Question
from proof.system.policies import Condition, Statement, statements
from proof.system.system import System, View
from proof.system.values import is_unknown, named
from proof.ways.audience import (
    Who,
    open_doors,
)
from proof.ways.checks import Register, Sight, broken, lacking, unsure

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]

DOCUMENTS = {
    "AWS::Backup::BackupVault": ("AccessPolicy",),
    "AWS::CodeArtifact::Domain": ("PermissionsPolicyDocument",),
    "AWS::CodeArtifact::Repository": ("PermissionsPolicyDocument",),
    "AWS::DynamoDB::Table": (
        "ResourcePolicy.PolicyDocument",
        "StreamSpecification.ResourcePolicy.PolicyDocument",
    ),
    "AWS::ECR::PublicRepository": ("RepositoryPolicyText",),
    "AWS::ECR::RegistryPolicy": ("PolicyText",),
    "AWS::ECR::Repository": ("RepositoryPolicyText",),
    "AWS::EFS::FileSystem": ("FileSystemPolicy",),
    "AWS::Elasticsearch::Domain": ("AccessPolicies",),
    "AWS::Events::EventBus": ("Policy",),
    "AWS::Events::EventBusPolicy": ("Statement",),
    "AWS::KMS::Key": ("KeyPolicy",),
    "AWS::KMS::ReplicaKey": ("KeyPolicy",),
    "AWS::Kinesis::ResourcePolicy": ("ResourcePolicy",),
    "AWS::Lambda::LayerVersionPermission": ("",),
    "AWS::Lambda::Permission": ("",),
    "AWS::Logs::Destination": ("DestinationPolicy",),
    "AWS::Logs::LogGroup": ("ResourcePolicyDocument",),
    "AWS::Logs::ResourcePolicy": ("PolicyDocument",),
    "AWS::MSK::ClusterPolicy": ("Policy",),
    "AWS::OpenSearchService::Domain": ("AccessPolicies",),
    "AWS::S3::AccessPoint": ("Policy",),
    "AWS::S3::BucketPolicy": ("PolicyDocument",),
    "AWS::SNS::TopicInlinePolicy": ("PolicyDocument",),
    "AWS::SNS::TopicPolicy": ("PolicyDocument",),
    "AWS::SQS::QueueInlinePolicy": ("PolicyDocument",),
    "AWS::SQS::QueuePolicy": ("PolicyDocument",),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupPolicy",),
    "AWS::SecretsManager::ResourcePolicy": ("ResourcePolicy",),
}
"""Where each type keeps the policy that lets others in."""


def documents(view: View) -> Iterator[list[Statement]]:
    """The policies of a resource, as statements."""
    if view.type.startswith("AWS::Lambda::"):
        yield [_permission(view)]
        return
    for path in DOCUMENTS[view.type]:
        document = view.get(path)
        if view.type.endswith("EventBusPolicy"):
            yield statements({"Statement": document or _bus_statement(view)})
        elif document is not None:
            yield statements(document)


def _bus_statement(view: View) -> dict[str, Any]:
    """The older form of a bus policy: one principal, and at most one condition."""
    test = view.get("Condition")
    condition = (
        {test.get("Type"): {test.get("Key"): test.get("Value")}} if isinstance(test, dict) else {}
    )
    return {
        "Principal": view.get("Principal"),
        "Action": view.get("Action", "events:PutEvents"),
        "Resource": "*",
        "Condition": condition,
    }


def _permission(view: View) -> Statement:
    """A permission of Lambda as the statement that it becomes."""
    principal = str(view.get("Principal", "*"))
    service = "amazonaws.com" in principal and not principal.startswith("arn:")
    pairs = (
        ("aws:sourcearn", "ArnLike", "SourceArn"),
        ("aws:sourceaccount", "StringEquals", "SourceAccount"),
        ("aws:principalorgid", "StringEquals", "PrincipalOrgID"),
        ("aws:principalorgid", "StringEquals", "OrganizationId"),
        ("lambda:eventsourcetoken", "StringEquals", "EventSourceToken"),
    )
    conditions = tuple(
        Condition(operator, key, (str(view.get(name)),))
        if not is_unknown(view.get(name))
        else Condition(operator, key, (view.get(name),))
        for key, operator, name in pairs
        if view.get(name) is not None
    )
    return Statement(
        "Allow",
        (("Service" if service else "AWS", principal),),
        (str(view.get("Action", "lambda:InvokeFunction")),),
        (str(view.get("FunctionName", view.get("LayerVersionArn", "*"))),),
        conditions,
    )


@RULES.rule(
    "way.resource-policy",
    *DOCUMENTS,
    says="No resource policy lets in other accounts, or everybody.",
    mend=(
        "Name principals of this account, or add a condition such as StringEquals"
        " aws:PrincipalAccount; name other accounts in the configuration."
    ),
)
def resource_policy(view: View, system: System) -> Sights:
    """Policies on buckets, keys, queues, topics, repositories, secrets, functions..."""
    for found in documents(view):
        for door in open_doors(found, system):
            if door.who is Who.UNKNOWN:
                yield unsure(door.sentence)
            elif door.who is not Who.SERVICE:
                yield broken(door.sentence)


@RULES.rule(
    "way.confused-deputy",
    *DOCUMENTS,
    says="Services act on our resources on our behalf only.",
    mend="Add a condition StringEquals aws:SourceAccount, or ArnLike aws:SourceArn.",
)
def confused_deputy(view: View, system: System) -> Sights:
    """A service that is let in without its source does what any account tells it to do."""
    for found in documents(view):
        for door in open_doors(found, system):
            if door.who is Who.SERVICE:
                yield lacking(door.sentence)


@RULES.rule(
    "way.trust",
    "AWS::IAM::Role",
    says="No role is assumed from other accounts.",
    mend="Trust a service or a role of this account, and bind federation to its subject.",
)
def trust(view: View, system: System) -> Sights:
    """A role is passed within its account, so services need no source here."""
    found = statements(view.get("AssumeRolePolicyDocument"))
    for door in open_doors(found, system):
        if door.who is Who.UNKNOWN:
            yield unsure(door.sentence)
        elif door.who is not Who.SERVICE:
            yield broken(door.sentence)
    for statement in found:
        for kind, name in statement.principals:
            if kind == "Federated" and statement.allows and "saml-provider" not in name:
                subjects = [
                    value
                    for condition in statement.conditions
                    if condition.key.endswith((":sub", ":aud")) and not condition.lenient
                    for value in condition.values
                    if condition.key.endswith(":sub") or "cognito" in name
                ]
                if not subjects or any(value.strip("*") in ("", "repo:") for value in subjects):
                    yield broken(f"Every subject of {named(name)} may assume the role.")
