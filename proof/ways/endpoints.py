"""Ways through VPC endpoints: whose calls they pass, on whose resources, and to whom they lead."""

import re
from collections.abc import Iterator

from proof.model import Question
from proof.reach.components import is_private_service
from proof.system.policies import Condition, Statement, matches, statements
from proof.system.system import System, View
from proof.system.values import Unknown, best, is_unknown, named
from proof.ways.audience import (
    Who,
    account_of,
    denies,
    mentions_ours,
    narrows,
    only_ours_pass,
    open_doors,
)
from proof.ways.checks import Register, Sight, broken, lacking, unsure

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]

RESOURCE_KEYS = {"aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths"}

# Buckets of AWS that its services read from: layers of images, packages, patches, examples.
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
# https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-minimum-s3-permissions.html
AWS_BUCKETS = re.compile(
    r"arn:[^:]+:s3:::("
    r"prod-[^*/]+-starport-layer-bucket|amazonlinux[^*/]*|al2023-repos-[^*/]+|"
    r"(aws-ssm|aws-windows-downloads|amazon-ssm|amazon-ssm-packages|patch-baseline-snapshot)-[^*/]+|"
    r"(repo|packages)\.[^*/]+\.amazonaws\.com|jumpstart-(cache|private-cache)-prod-[^*/]+|"
    r"sagemaker-sample-files|assets-\d{12}-[^*/]+)(/.*)?"
)
READS = ("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket")

# Actions that name no resource, or only describe: they act on the caller's own account.
UNBOUND = (
    "ecr:GetAuthorizationToken",
    "sts:GetCallerIdentity",
    "cloudwatch:PutMetricData",
    "kms:ListKeys",
    "kms:ListAliases",
    "kms:GenerateRandom",
    "secretsmanager:GetRandomPassword",
    "ec2:Describe*",
    "*:Describe*",
    "*:List*",
    "ssmmessages:*",
    "ec2messages:*",
    "xray:Put*",
    "xray:Get*",
)


@RULES.rule(
    "way.private-service",
    "AWS::EC2::VPCEndpoint",
    says="Endpoints lead to AWS and to services of ours only.",
    mend="Name the endpoint service in these templates, or in the configuration.",
)
def private_service(view: View, system: System) -> Sights:
    """An endpoint to somebody's own service is a way to them."""
    name = view.get("ServiceName")
    ours = system.mentioned(name, "AWS::EC2::VPCEndpointService")
    if ours or str(name) in system.expectations.attachments:
        return
    if is_private_service(name) or view.get("VpcEndpointType") in ("Resource", "ServiceNetwork"):
        yield lacking(f"The endpoint leads to {named(name)}, which is not AWS's own.")
    elif is_unknown(name) and not str(name).startswith(("com.amazonaws.", "aws.")):
        yield unsure("Nobody can tell where the endpoint leads.")


@RULES.rule(
    "way.endpoint-service-principals",
    "AWS::EC2::VPCEndpointServicePermissions",
    says="Endpoint services are open to accounts that are named.",
    mend="Name the principals that may connect.",
)
def endpoint_service(view: View, system: System) -> Sights:
    """Who may ask for a connection to an endpoint service."""
    for principal in view.items("AllowedPrincipals"):
        if principal == "*":
            yield broken("Everybody may connect to the endpoint service.")
            continue
        owned = system.owns(account_of(str(principal)))
        if owned is False:
            yield broken(f"{principal} of another account may connect to the endpoint service.")
        elif owned is None and not system.find(principal):
            yield unsure(f"Nobody can tell whether {named(principal)} is ours.")


@RULES.rule(
    "way.endpoint-policy",
    "AWS::EC2::VPCEndpoint",
    says="Endpoints of AWS services pass only calls of our principals on our resources.",
    mend=(
        "Write a PolicyDocument that allows what is called, where aws:PrincipalAccount and"
        " aws:ResourceAccount are yours."
    ),
)
def endpoint_policy(view: View, system: System) -> Sights:
    """Through an endpoint without a policy, data is carried to anybody's account."""
    service = str(view.get("ServiceName", ""))
    if view.get("VpcEndpointType") == "GatewayLoadBalancer" or is_private_service(service):
        return
    policy = view.get("PolicyDocument")
    if policy is None:
        yield lacking(f"The endpoint of {named(service)} has no policy: everything may pass.")
        return
    found = statements(policy)
    denials = [statement for statement in found if statement.effect == "Deny"]
    for statement in found:
        if statement.allows:
            yield from _passed(statement, denials, system)


def _passed(statement: Statement, denials: list[Statement], system: System) -> Sights:
    """What one statement of an endpoint's policy lets pass that is not ours."""
    if any(isinstance(word, Unknown) for word in statement.actions):
        yield unsure(f"Nobody can tell what passes: {getattr(statement.actions[0], 'why', '')}.")
        return
    what = ", ".join(statement.actions)
    if not statement.not_resources and not statement.not_actions and _of_aws(statement):
        return
    # Whoever calls a private API may be nobody in particular: its own policy and keys decide.
    anonymous = all(action.startswith("execute-api:") for action in statement.actions)
    who = anonymous or _principals_bound(statement, denials, system)
    where = _resources_bound(statement, denials, system)
    if who is False and where is False:
        yield lacking(f"Principals of any account may {what} on resources of any account.")
        return
    if who is False:
        yield lacking(f"Principals of any account may {what}.")
    elif who is None:
        yield unsure(f"Nobody can tell whose principals may {what}.")
    if where is False:
        yield lacking(f"Resources of any account may be reached by {what}.")
    elif where is None:
        yield unsure(f"Nobody can tell whose resources are reached by {what}.")


def _of_aws(statement: Statement) -> bool:
    reads = all(action in READS for action in statement.actions)
    return reads and all(AWS_BUCKETS.fullmatch(resource) for resource in statement.resources)


def _principals_bound(
    statement: Statement, denials: list[Statement], system: System
) -> bool | None:
    doors = list(open_doors([statement, *denials], system))
    if not doors:
        return True
    return None if all(door.who is Who.UNKNOWN for door in doors) else False


def _resources_bound(statement: Statement, denials: list[Statement], system: System) -> bool | None:
    tests = [_resource_condition(condition, system) for condition in statement.conditions]
    for denial in denials:
        if denies(denial, statement.actions, statement.resources):
            tests.append(only_resources_of_ours(denial.conditions, system))
    if statement.not_resources or statement.not_actions:
        return best(tests)
    unbound = all(any(matches(wide, action) for wide in UNBOUND) for action in statement.actions)
    tests += [True] if unbound else []
    resources = [_resource_is_ours(resource, system) for resource in statement.resources]
    tests.append(False if False in resources else None if None in resources else bool(resources))
    return best(tests)


def _resource_condition(condition: Condition, system: System) -> bool | None:
    """Whether a condition of an Allow keeps to resources of ours."""
    if condition.key not in RESOURCE_KEYS or condition.lenient:
        return False
    twin = condition.key.replace("resource", "principal")
    return narrows(Condition(condition.operator, twin, condition.values), system)


def only_resources_of_ours(conditions: tuple[Condition, ...], system: System) -> bool | None:
    """Whether a denial spares resources of ours only."""
    if not all(condition.key in RESOURCE_KEYS for condition in conditions):
        return False
    twins = tuple(
        Condition(test.operator, test.key.replace("resource", "principal"), test.values)
        for test in conditions
    )
    return only_ours_pass(twins, system)


def _resource_is_ours(resource: str, system: System) -> bool | None:
    if resource == "*":
        return False
    if mentions_ours(resource, system):
        return True
    account = account_of(resource)
    if not account:
        return None if is_unknown(resource) else False
    return False if "*" in account else system.owns(account)
