"""Whom a resource policy lets in, after its conditions and its denials.

Everybody whom the policy names is let in, unless a condition keeps others out: a positive
comparison (``StringEquals``, ``ArnLike``...) with something of ours, without a wildcard that
would let an account's number vary, and not ``...IfExists``, which holds where the key is
absent. A denial of everybody but ours does the same, as AWS's own examples write it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from proof.system.policies import Condition, Statement, matches, statements
from proof.system.system import System
from proof.system.values import PLACEHOLDER, is_unknown

POSITIVE = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
NEGATIVE = {"StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike"} | {
    "ArnNotEquals",
    "ArnNotLike",
}
ACCOUNT_KEYS = {
    "aws:principalaccount",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:vpceaccount",
    "kms:calleraccount",
}
ORGANIZATION_KEYS = {"aws:principalorgid", "aws:sourceorgid", "aws:vpceorgid"}
PATH_KEYS = {"aws:principalorgpaths", "aws:sourceorgpaths", "aws:vpceorgpaths"}
ARN_KEYS = {"aws:principalarn", "aws:sourcearn"}
IS_SERVICE = "aws:principalisawsservice"
NETWORK_KEYS = {"aws:sourcevpce", "aws:sourcevpc"}
ENTRANCES = (
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPC",
)

# Accounts of AWS that deliver the logs of load balancers, by region; they may only write.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
LOG_DELIVERY = frozenset(
    [
        "127311923021",
        "033677994240",
        "027434742980",
        "797873946194",
        "098369216593",
        "754344448648",
        "718504428378",
        "383597477331",
        "600734575887",
        "114774131450",
        "783225319266",
        "589379963580",
        "582318560864",
        "985666609251",
        "054676820928",
        "156460612806",
        "652711504416",
        "635631232127",
        "009996457667",
        "897822967062",
        "076674570225",
        "507241528517",
    ]
)


class Who(StrEnum):
    """Whom a door is open to."""

    ANYONE = "anyone"
    OTHERS = "others"
    SERVICE = "service"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Door:
    """Somebody whom a policy lets in, who is neither ours nor named on purpose.

    Parameters
    ----------
    who
        What sort of caller it is.
    name
        The principal, as it is written.
    statement
        The statement that lets them in.
    """

    who: Who
    name: str
    statement: Statement

    @property
    def sentence(self) -> str:
        """What the policy does, in one sentence."""
        actions = ", ".join(self.statement.actions) or "everything"
        limit = f" ({'; '.join(map(str, self.statement.conditions))})"
        condition = limit if self.statement.conditions else ""
        return {
            Who.ANYONE: f"Everybody may {actions}{condition}.",
            Who.OTHERS: f"{self.name} of another account may {actions}{condition}.",
            Who.SERVICE: f"{self.name} may {actions} on behalf of any account{condition}.",
            Who.UNKNOWN: f"Nobody can tell whether {self.name} may {actions}{condition}.",
        }[self.who]


def doors(document: Any, system: System) -> Iterator[Door]:
    """Every way that a policy document opens to those who are not ours."""
    yield from open_doors(statements(document), system)


def open_doors(found: list[Statement], system: System) -> Iterator[Door]:
    """Every way that statements open to those who are not ours."""
    denials = [statement for statement in found if statement.effect == "Deny"]
    for statement in found:
        if not statement.allows:
            continue
        for kind, name in statement.principals or (("AWS", "*"),):
            who = _who(kind, name, statement, system)
            if who is None:
                continue
            tests = [narrows(condition, system) for condition in statement.conditions]
            tests += [
                _closes(denial, statement, system)
                for denial in denials
                if not (who is Who.SERVICE and _spares_services(denial))
            ]
            if True in tests:
                continue
            yield Door(Who.UNKNOWN if None in tests else who, name, statement)


def _who(kind: str, name: str, statement: Statement, system: System) -> Who | None:
    """Whom a principal means; ``None`` where it is ours."""
    if statement.not_principals or name == "*":
        return Who.ANYONE
    if kind == "Service":
        return Who.SERVICE
    if kind == "Federated":
        return None  # judged with trust policies, the only place where they can stand
    if kind != "AWS" or is_unknown(name):
        return Who.UNKNOWN
    if system.find(name):
        return None
    account = account_of(name)
    if "*" in account:
        return Who.OTHERS
    if account in LOG_DELIVERY and set(statement.actions) <= {"s3:PutObject"}:
        return None
    owned = system.owns(account) if account else None
    return {True: None, False: Who.OTHERS, None: Who.UNKNOWN}[owned]


def account_of(text: str) -> str:
    """The account that a principal or an ARN names; empty where it names none.

    Examples
    --------
    >>> account_of("arn:aws:iam::111111111111:root"), account_of("arn:aws:s3:::bucket")
    ('111111111111', '')
    """
    parts = text.split(":")
    if len(parts) >= 5 and parts[0] == "arn":
        return parts[4]
    return text if len(parts) == 1 and "/" not in text else ""


def narrows(condition: Condition, system: System) -> bool | None:
    """Whether a condition of an Allow lets only ours through; ``None`` where it is unknown."""
    if condition.operator == "?":
        return None
    if condition.lenient:
        return False
    if condition.base == "Bool":
        mounted = condition.key == "elasticfilesystem:accessedviamounttarget"
        return mounted and condition.values == ("true",)
    return condition.base in POSITIVE and _all_ours(condition, system)


def _all_ours(condition: Condition, system: System) -> bool | None:
    verdicts = [_is_ours(condition.key, value, system) for value in condition.values]
    if not verdicts or False in verdicts:
        return False
    return None if None in verdicts else True


def _is_ours(key: str, value: str, system: System) -> bool | None:
    """Whether a value that a condition compares with is ours."""
    if key in ACCOUNT_KEYS:
        return False if "*" in value or "?" in value.replace("${?}", "") else system.owns(value)
    if key in ORGANIZATION_KEYS | PATH_KEYS:
        return _is_our_organization(value.split("/")[0], system)
    if key in NETWORK_KEYS:
        return _is_our_entrance(value, system)
    if key == "aws:userid":
        # The id of a role or a session, which nobody knows before deployment.
        return False if value.strip("*:") == "" else None
    if key in ARN_KEYS or key.startswith("kms:encryptioncontext:aws:"):
        return _is_our_arn(value, system)
    return False


def _is_our_organization(value: str, system: System) -> bool | None:
    if "*" in value:
        return False
    if value == system.expectations.organization and value:
        return True
    return False if system.expectations.organization and not is_unknown(value) else None


def _is_our_entrance(value: str, system: System) -> bool | None:
    if "*" in value:
        return False
    shared = {endpoint for _, endpoint in system.expectations.shared_endpoints}
    if system.find(value, *ENTRANCES) or value in shared | system.expectations.attachments:
        return True
    return None


def _is_our_arn(value: str, system: System) -> bool | None:
    if system.find(value):
        return True
    if value in ("*", ""):
        return False
    account = account_of(value)
    if not account:
        # The ARN of a bucket names no account: a bucket of ours is known by its reference.
        bucket = value.split(":::")[-1].split("/")[0]
        ours = system.find(bucket) or any(
            view.get("BucketName") == bucket for view in system.views("AWS::S3::Bucket")
        )
        return True if ours else (False if "*" in bucket else None)
    if "*" in account or "?" in account.replace("${?}", ""):
        return False
    return system.owns(account)


def _closes(denial: Statement, allowed: Statement, system: System) -> bool | None:
    """Whether a denial leaves only ours of what a statement allows."""
    if not denies(denial, allowed.actions, allowed.resources):
        return False
    return only_ours_pass(denial.conditions, system)


def _spares_services(denial: Statement) -> bool:
    """Whether a statement denies nothing to services of AWS, in whoever's name they come."""
    return any(condition.key == IS_SERVICE for condition in denial.conditions)


def denies(denial: Statement, actions: Iterable[str], resources: Iterable[str]) -> bool:
    """Whether a statement denies everybody these actions on these resources."""
    everybody = ("AWS", "*") in denial.principals and not denial.not_principals
    if denial.effect != "Deny" or not everybody or denial.not_actions or denial.not_resources:
        return False
    return all(any(matches(wide, action) for wide in denial.actions) for action in actions) and all(
        any(matches(wide, resource) for wide in denial.resources) for resource in resources
    )


def only_ours_pass(
    conditions: tuple[Condition, ...],
    system: System,
    keys: set[str] | None = None,
    *,
    signed: bool = False,
) -> bool | None:
    """Whether everybody that a denial's conditions spare is ours.

    A denial strikes where all of its conditions hold, so each of them spares somebody.

    Parameters
    ----------
    conditions
        The conditions of a denial of everybody.
    system
        The system.
    keys
        The keys that conditions may compare, besides those that spare AWS itself; every key
        of ours if not given.
    signed
        Whether only requests that somebody signed are meant, as a presigned URL is.
    """
    verdicts: list[bool | None] = []
    for condition in conditions:
        services = (IS_SERVICE, "aws:viaawsservice")
        if condition.base == "Bool" and condition.key in services:
            # A request that nobody signed has no such key, and a plain Bool would spare it.
            strict = signed or condition.lenient or condition.key == "aws:viaawsservice"
            verdicts.append(condition.values == ("false",) and strict)
        elif condition.base in NEGATIVE and not condition.operator.startswith("ForAnyValue:"):
            known = keys is None or condition.key in keys
            verdicts.append(known and _all_ours(condition, system))
        else:
            verdicts.append(False)
    if False in verdicts:
        return False
    return None if None in verdicts else True


def mentions_ours(text: str, system: System) -> bool:
    """Whether a text mentions a resource of the templates."""
    return any(system.find(match[0]) for match in PLACEHOLDER.finditer(text))
