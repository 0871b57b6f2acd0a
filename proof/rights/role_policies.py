"""The policies of a system's roles, as the question about rights takes them."""

from collections.abc import Mapping
from typing import Any

from proof.model import Finding, Right, Rule
from proof.rights.rights import examine
from proof.rights.statements import RolePolicy
from proof.services.needs import MONITORING
from proof.system.roles import Roles, role_of
from proof.system.system import System, View
from proof.system.values import is_unknown

RUNNING = {
    "AWS::Lambda::Function": "Role",
    "AWS::ECS::TaskDefinition": "TaskRoleArn",
    "AWS::SageMaker::Model": "ExecutionRoleArn",
    **dict.fromkeys(MONITORING, "RoleArn"),
}
"""What runs as a role, and the property that names it."""


def examine_rights(system: System) -> tuple[list[Rule], list[Finding], list[Right]]:
    """Which role can do what, where.

    Parameters
    ----------
    system
        The templates.
    """
    return examine(role_policies(system), system.account, system.expectations)


def role_policies(system: System) -> list[RolePolicy]:
    """Every policy of every role; of a role without any, one that allows nothing.

    Parameters
    ----------
    system
        The templates.
    """
    roles = Roles(system)
    files = {template.name: template.file for template in system.templates}
    running: dict[str, list[str]] = {}
    for view in system.views(*RUNNING):
        running.setdefault(role_of(view, RUNNING[view.type], roles), []).append(view.id)
    found: dict[tuple[str, str], RolePolicy] = {}
    for view in system.views("AWS::IAM::Role"):
        attached = roles.policies(view.id)
        common: dict[str, Any] = {
            "role": view.id,
            "trust": view.get("AssumeRolePolicyDocument") or {},
            "arn": _arn(system, view),
            "managed": tuple(each.source for each in attached if is_unknown(each.document)),
            "boundary": _boundary(system, view),
            "runs": tuple(sorted(running.get(view.id, ()))),
        }
        held = [each for each in attached if not is_unknown(each.document)]
        for each in held:
            file = files.get(each.source.partition(".")[0], view.resource.template.file)
            found[view.id, each.source] = RolePolicy(
                policy=each.source, template=file, document=each.document, **common
            )
        if not held:
            found[view.id, view.id] = RolePolicy(
                policy=view.id, template=view.resource.template.file, document={}, **common
            )
    return list(found.values())


def _arn(system: System, view: View) -> str:
    """The ARN of a role; where CloudFormation names it, a reference stands for its name."""
    account = system.account or "${AWS.AccountId}"
    name = view.get("RoleName") or f"${{{view.id}}}"
    return f"arn:aws:iam::{account}:role{view.get('Path', '/')}{name}"


def _boundary(system: System, view: View) -> Mapping[str, Any] | None:
    given = view.get("PermissionsBoundary")
    policy = system.view(given, "AWS::IAM::ManagedPolicy") if given else None
    document: Mapping[str, Any] | None = policy.get("PolicyDocument") if policy else None
    return document
