"""What CloudFormation replaces a resource for, as the providers' own schemas say.

cfn-lint ships the schemas: ``createOnlyProperties`` of a type cannot change in place, and
``conditionalCreateOnlyProperties`` cannot in some cases. See
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from functools import cache
from typing import Any

from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

REGION = "us-east-1"
"""The region whose schemas are read where nobody says which: it has every type."""

IN_PLACE = {
    "AWS::RDS::DBInstance": frozenset(
        {
            "AutoMinorVersionUpgrade",
            "BackupRetentionPeriod",
            "DBParameterGroupName",
            "MultiAZ",
            "PreferredMaintenanceWindow",
        }
    )
}
"""Conditional ones that only interrupt: a modification of the instance that is there.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html
"""


@cache
def replacing(kind: str, region: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The properties that replace a resource of a type, and those that may; each a dotted path.

    Parameters
    ----------
    kind
        The type.
    region
        The region; empty where unknown.

    Returns
    -------
    tuple
        Both lists, or ``None`` where nobody has a schema of the type.
    """
    if not kind.startswith("AWS::"):
        return (), ()  # what a custom resource replaces is known to its function alone
    schema = _schema(kind, region or REGION) or _schema(kind, REGION)
    if schema is None:
        return None
    surely = _paths(schema, "createOnlyProperties")
    in_place = IN_PLACE.get(kind, frozenset())
    maybe = _paths(schema, "conditionalCreateOnlyProperties")
    return surely, tuple(each for each in maybe if each not in in_place)


def at(value: Any, path: str) -> list[Any]:
    """Every value that a dotted path leads to; ``*`` leads to each entry of a list.

    Parameters
    ----------
    value
        The properties.
    path
        The path.

    Examples
    --------
    >>> at({"Rules": [{"Id": 1}, {"Id": 2}]}, "Rules.*.Id")
    [1, 2]
    """
    found = [value]
    for step in path.split("."):
        following: list[Any] = []
        for each in found:
            if step == "*" and isinstance(each, list):
                following += each
            elif isinstance(each, dict) and step in each:
                following.append(each[step])
        found = following
    return found


def _schema(kind: str, region: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind).schema
    except ResourceNotFoundError:
        return None
    return found


def _paths(schema: dict[str, Any], name: str) -> tuple[str, ...]:
    pointers = schema.get(name, [])
    return tuple(each.removeprefix("/properties/").replace("/", ".") for each in pointers)
