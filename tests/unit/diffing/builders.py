"""Small templates, and what a change between two of them comes to."""

import json
from pathlib import Path
from typing import Any

from diffing.model import Change, Section
from diffing.summary import Summary, summarize
from tests.unit.proof.builders import att, policy, ref, resource

Resources = dict[str, dict[str, Any]]

__all__ = ["Resources", "att", "changed", "policy", "ref", "resource", "says", "trusting", "write"]


def write(folder: Path, resources: Resources, **sections: Any) -> Path:
    """A folder with one template, the stack ``Stack``; an empty one without resources."""
    folder.mkdir(parents=True)
    if resources:
        body = {"Resources": resources, **sections}
        (folder / "Stack.json").write_text(json.dumps(body))
    return folder


def changed(folder: Path, before: Resources, after: Resources) -> Summary:
    return summarize(write(folder / "before", before), write(folder / "after", after))


def says(summary: Summary, section: Section) -> list[str]:
    return [f"{each.path} {each.says}" for each in summary.of(section)]


def details(found: list[Change]) -> list[str]:
    return [line for each in found for line in each.details]


def trusting(service: str, **properties: Any) -> dict[str, Any]:
    """A role that a service assumes."""
    trust = policy(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    )
    return resource("IAM::Role", AssumeRolePolicyDocument=trust, **properties)
