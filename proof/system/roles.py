"""Roles: who may take them on, and every policy that the templates attach to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proof.system.policies import Statement, statements
from proof.system.system import System, View
from proof.system.values import PLACEHOLDER, Unknown, is_unknown

# What AWS's managed policies for services allow, as far as a network has to carry it.
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
MANAGED: dict[str, tuple[str, ...]] = {
    "AWSLambdaBasicExecutionRole": ("logs:CreateLogStream", "logs:PutLogEvents"),
    "AWSLambdaVPCAccessExecutionRole": (
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
    ),
    "AmazonECSTaskExecutionRolePolicy": (
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchGetImage",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ),
    "AmazonSSMManagedInstanceCore": ("ssm:UpdateInstanceInformation", "ssmmessages:*"),
}


@dataclass(frozen=True)
class Attached:
    """A policy of a role.

    Parameters
    ----------
    source
        The resource that holds it: ``Template.LogicalId``; or the ARN of a managed policy.
    document
        The document, resolved; unknown where it is not among the templates.
    """

    source: str
    document: Any

    @property
    def statements(self) -> list[Statement]:
        """Its statements."""
        return statements(self.document)


class Roles:
    """Every role of a system, with its policies in every branch.

    Parameters
    ----------
    system
        The system.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._attached: dict[str, list[Attached]] = {
            role.id: [] for role in system.of("AWS::IAM::Role")
        }
        for view in system.views("AWS::IAM::Role"):
            for policy in view.items("Policies"):
                document = policy.get("PolicyDocument") if isinstance(policy, dict) else policy
                self._add(view.id, Attached(view.id, document))
            for managed in view.items("ManagedPolicyArns"):
                self._add(view.id, self._managed(str(managed), managed))
        types = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")
        for view in system.views(*types):
            for role in [*view.items("Roles"), *view.items("RoleName")]:
                for identity in self.named(role):
                    self._add(identity, Attached(view.id, view.get("PolicyDocument")))

    def named(self, value: Any) -> list[str]:
        """The roles that a value means: by reference, or by their name."""
        found = self._system.find(value, "AWS::IAM::Role")
        if found:
            return [found.id]
        name = str(value).rsplit("/", 1)[-1]
        match = PLACEHOLDER.fullmatch(name)
        inner = self._system.find(match[0], "AWS::IAM::Role") if match else None
        if inner:
            return [inner.id]
        return sorted(
            {
                view.id
                for view in self._system.views("AWS::IAM::Role")
                if view.get("RoleName") == name and not is_unknown(name)
            }
        )

    def policies(self, role: str) -> list[Attached]:
        """The policies of a role, by its id."""
        return self._attached.get(role, [])

    def __iter__(self) -> Iterator[str]:
        return iter(self._attached)

    def _add(self, role: str, attached: Attached) -> None:
        if attached not in self._attached[role]:
            self._attached[role].append(attached)

    def _managed(self, name: str, value: Any) -> Attached:
        resource = self._system.view(value, "AWS::IAM::ManagedPolicy")
        if resource:
            return Attached(resource.id, resource.get("PolicyDocument"))
        actions = MANAGED.get(name.rsplit("/", 1)[-1])
        if actions is None:
            return Attached(name, Unknown(f"the policy {name} is not among the templates"))
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        return Attached(name, {"Statement": [statement]})


def role_of(view: View, path: str, roles: Roles) -> str:
    """The role that a property names; as it is written where it is none of the templates'."""
    value = view.get(path)
    if value is None:
        return ""
    found = roles.named(value)
    return found[0] if found else str(value)
