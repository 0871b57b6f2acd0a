"""Every policy of a system, by whom or what it is about."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from diffing.grants import EVERYBODY, Grant, Names, grants
from proof.system.policies import Statement, statements
from proof.system.roles import Roles
from proof.system.system import System, View
from proof.system.values import Unknown, as_list

POLICIES = frozenset(
    {
        "AccessPolicy",
        "AccessPolicies",
        "AssumeRolePolicyDocument",
        "KeyPolicy",
        "Policy",
        "PolicyDocument",
        "PolicyText",
        "RepositoryPolicyText",
        "ResourcePolicy",
    }
)
"""Properties that hold a policy, or its text."""

ABOUT = {
    "AWS::S3::BucketPolicy": ("Bucket",),
    "AWS::SecretsManager::ResourcePolicy": ("SecretId",),
    "AWS::SNS::TopicPolicy": ("Topics",),
    "AWS::SQS::QueuePolicy": ("Queues",),
    "AWS::IAM::GroupPolicy": ("GroupName",),
    "AWS::IAM::UserPolicy": ("UserName",),
    "AWS::IAM::Policy": ("Users", "Groups"),
    "AWS::IAM::ManagedPolicy": ("Users", "Groups"),
    "AWS::IAM::RolePolicy": (),
}
"""Types that hold the policy of something else, and the properties that name it."""

ROLES = {
    "AWS::IAM::Policy": "Roles",
    "AWS::IAM::ManagedPolicy": "Roles",
    "AWS::IAM::RolePolicy": "RoleName",
}
"""Types that hold the policy of a role, and the property that names it."""

Held = dict[tuple[str, str], list[Grant]]
"""Grants by what they are about, and by the sort of the policy: ``rights``, ``trust``, ``policy``
of a resource, or the ``boundary`` of a role."""


def held(system: System) -> Held:
    """What every policy of a system allows and denies.

    Parameters
    ----------
    system
        The templates.
    """
    found: Held = defaultdict(list)
    roles = Roles(system)
    for resource in system.resources.values():
        for view in system.branches(resource):
            for about, sort, stated in _policies(view, system, roles):
                found[about, sort] += grants(stated, view.id, view.branch)
            for about, sort, grant in _unwritten(view, system):
                found[about, sort].append(grant)
    return found


def _policies(
    view: View, system: System, roles: Roles
) -> Iterator[tuple[str, str, list[Statement]]]:
    if view.type == "AWS::Lambda::Permission":
        yield _id(view.get("FunctionName"), system), "policy", [_permission(view)]
        return
    if view.type == "AWS::EC2::VPCEndpointServicePermissions":
        allowed = tuple(("AWS", str(each)) for each in view.items("AllowedPrincipals"))
        if allowed:
            connect = Statement("Allow", allowed, ("ec2:CreateVpcEndpoint",), ("*",))
            yield _id(view.get("ServiceId"), system), "policy", [connect]
        return
    for name, document in _documents(view.properties):
        stated = statements(document)
        if name == "AssumeRolePolicyDocument":
            yield view.id, "trust", stated
        elif view.type.startswith("AWS::IAM::"):
            for about in _whose(view, system, roles):
                yield about, "rights", stated
        else:
            for about in _whose(view, system, roles):
                yield about, "policy", stated


def _whose(view: View, system: System, roles: Roles) -> list[str]:
    """What a policy is about; the resource itself where it names nothing else."""
    named = [value for each in ABOUT.get(view.type, ()) for value in view.items(each)]
    found = [_id(each, system) for each in named]
    if view.type in ROLES:
        for value in view.items(ROLES[view.type]):
            found += roles.named(value) or [str(value)]
    if view.type == "AWS::IAM::ManagedPolicy":
        found += [
            role.id
            for role in system.views("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group")
            for arn in role.items("ManagedPolicyArns")
            if _id(arn, system) == view.id
        ]
    return sorted(set(found)) or [view.id]


def _documents(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every policy in a resource's properties, with the property that holds it."""
    if isinstance(value, dict):
        if isinstance(value.get("Statement"), list | dict | Unknown):
            yield name, value
            return
        for key, each in value.items():
            yield from _documents(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _documents(each, name)
    elif name in POLICIES and (isinstance(value, Unknown) or _is_policy(value)):
        yield name, value


def _is_policy(value: Any) -> bool:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return False
    try:
        return "Statement" in json.loads(value)
    except ValueError:
        return "Statement" in value  # what cannot be read is unknown, not absent


def _unwritten(view: View, system: System) -> Iterator[tuple[str, str, Grant]]:
    """What holds without a policy in the templates."""
    if view.type == "AWS::EC2::VPCEndpoint" and view.get("PolicyDocument") is None:
        # https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
        yield view.id, "policy", _everything(view, EVERYBODY)
    if view.type not in ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
        return
    for arn in view.items("ManagedPolicyArns"):
        if not system.find(arn, "AWS::IAM::ManagedPolicy"):
            yield view.id, "rights", _attached(view, str(arn))
    boundary = view.get("PermissionsBoundary")
    if boundary is None:
        yield view.id, "boundary", _everything(view, "")
        return
    policy = system.view(boundary, "AWS::IAM::ManagedPolicy")
    if policy:
        for grant in grants(statements(policy.get("PolicyDocument")), policy.id, view.branch):
            yield view.id, "boundary", grant
    else:
        yield view.id, "boundary", _attached(view, str(boundary))


def _everything(view: View, whom: str) -> Grant:
    everything = Names(("*",))
    return Grant(True, Names((whom,)), everything, everything, (), view.branch, view.id, "*")


def _attached(view: View, arn: str) -> Grant:
    """A policy that no template holds: all that is known is its name."""
    written = f"what {arn.rpartition('/')[2]} allows"
    names = Names((f"the policy {arn}".lower().replace("*", ""),))
    return Grant(True, Names(("",)), names, Names(("*",)), (), view.branch, view.id, written)


def _permission(view: View) -> Statement:
    """A function's permission as the statement that it becomes.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    principal = str(view.get("Principal", "*"))
    kind = "Service" if "." in principal and not principal.startswith("arn:") else "AWS"
    conditions: dict[str, Any] = {}
    for name, operator, key in (
        ("SourceArn", "ArnLike", "AWS:SourceArn"),
        ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
        ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
        ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ):
        if view.get(name) is not None:
            conditions.setdefault(operator, {})[key] = view.get(name)
    body = {
        "Effect": "Allow",
        "Principal": {kind: principal},
        "Action": view.get("Action", "*"),
        "Resource": "*",
        "Condition": conditions,
    }
    return statements({"Statement": body})[0]


def _id(value: Any, system: System) -> str:
    found = system.find(value)
    return found.id if found else ", ".join(map(str, as_list(value)))
