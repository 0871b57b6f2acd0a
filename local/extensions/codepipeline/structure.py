"""What a pipeline is declared to be, and what of it runs here.

https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from local.extensions.json_service import Record, RefusedError

SUPERSEDED, QUEUED = "SUPERSEDED", "QUEUED"
PROVIDERS = {
    ("Source", "S3"),
    ("Build", "CodeBuild"),
    ("Test", "CodeBuild"),
    ("Approval", "Manual"),
}
OF_STAGES = ("beforeEntry", "onFailure", "onSuccess", "blockers")
OWN = "codepipeline"
"""The namespace of the service's own variables."""

OBJECT_VERSION = "S3_OBJECT_VERSION_ID"
"""The one kind of revision that an execution can be started with here."""

VARIABLE = re.compile(r"#\{([\w@-]+)\.([\w@-]+)\}")


class UnresolvedError(Exception):
    """A variable that nothing has given."""


def check(structure: Mapping[str, Any]) -> None:
    """Make sure that a pipeline runs here.

    Raises
    ------
    RefusedError
        With all that does not.
    """
    faults = []
    if structure.get("pipelineType", "V1") != "V2":
        faults.append("it is of type V1: declare V2")
    if structure.get("executionMode", SUPERSEDED) not in (SUPERSEDED, QUEUED):
        faults.append(f"{structure['executionMode']}: use {SUPERSEDED} or {QUEUED}")
    if structure.get("triggers"):
        faults.append("triggers: start it by a rule of EventBridge")
    if "artifactStore" not in structure:
        faults.append("it has no artifactStore: declare the one of its region")
    for stage in structure["stages"]:
        faults += [f"{stage['name']}: {name}" for name in OF_STAGES if stage.get(name)]
        for action in stage["actions"]:
            kind = action["actionTypeId"]
            if (kind["category"], kind["provider"]) not in PROVIDERS or kind["owner"] != "AWS":
                faults.append(
                    f"{stage['name']}.{action['name']}: {kind['category']} by {kind['provider']}"
                )
    if faults:
        raise RefusedError(
            "InvalidStructureException",
            f"The pipeline {structure['name']} has what does not run on this machine, and nothing"
            f" pretends that it does: {'; '.join(faults)}.",
        )


def resolved(text: str, values: Mapping[str, Mapping[str, str]]) -> str:
    """A text with the values of the variables that it names.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html

    Parameters
    ----------
    text
        Such as ``#{variables.PROMOTION}``.
    values
        The variables of each namespace.

    Raises
    ------
    UnresolvedError
        Where it names a variable that there is not.

    Examples
    --------
    >>> resolved("release #{variables.VERSION}", {"variables": {"VERSION": "7"}})
    'release 7'
    """

    def value(match: re.Match[str]) -> str:
        namespace, name = match.groups()
        found = values.get(namespace, {}).get(name)
        if found is None:
            raise UnresolvedError(f"The variable {match[0]} has no value.")
        return found

    return VARIABLE.sub(value, text)


def values_given(
    structure: Mapping[str, Any], given: list[Mapping[str, str]]
) -> tuple[dict[str, str], list[str]]:
    """The pipeline's own variables, and what is wrong with them.

    Parameters
    ----------
    structure
        The pipeline.
    given
        The names and values that an execution is started with.
    """
    declared = {each["name"]: each.get("defaultValue") for each in structure.get("variables", [])}
    asked = {each["name"]: each["value"] for each in given}
    faults = [f"{name} is not declared" for name in asked if name not in declared]
    values = {**declared, **asked}
    faults += [f"{name} has no value" for name, value in values.items() if value is None]
    return {name: value for name, value in values.items() if value is not None}, faults


def revisions_given(
    structure: Mapping[str, Any], given: Sequence[Mapping[str, str]]
) -> tuple[dict[str, str], list[str]]:
    """The versions that source actions are to take, and what is wrong with them.

    https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_SourceRevisionOverride.html

    Parameters
    ----------
    structure
        The pipeline.
    given
        The revisions that an execution is started with.
    """
    sources = [
        action["name"]
        for stage in structure["stages"]
        for action in stage["actions"]
        if action["actionTypeId"]["category"] == "Source"
    ]
    faults = [
        f"a revision of type {each['revisionType']} does not run here: use {OBJECT_VERSION}"
        for each in given
        if each["revisionType"] != OBJECT_VERSION
    ]
    faults += [
        f"{each['actionName']} is no source action"
        for each in given
        if each["actionName"] not in sources
    ]
    return {each["actionName"]: each["revisionValue"] for each in given}, faults


def stage_names(structure: Mapping[str, Any]) -> list[str]:
    """The stages, in order."""
    return [stage["name"] for stage in structure["stages"]]


def in_order(stage: Mapping[str, Any]) -> list[list[Record]]:
    """The actions of a stage, of which those of one list run at once."""
    orders = sorted({action.get("runOrder", 1) for action in stage["actions"]})
    return [
        [action for action in stage["actions"] if action.get("runOrder", 1) == order]
        for order in orders
    ]
