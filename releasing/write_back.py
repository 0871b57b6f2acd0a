"""What a release says in MLflow: tags and a line on the version, and the alias of what serves."""

import re
from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import MlflowException

from releasing.journal import Attempt

OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [a-z0-9-]+/[a-z0-9-]+: ")
"""How a line of ours begins."""

LONGEST_TAG, LONGEST_DESCRIPTION = 900, 5000
"""Letters of a tag that people read, and of a description: MLflow keeps 5,000 of that."""


def serving_alias(environment: str) -> str:
    """The alias of the version that serves in an environment."""
    return f"serving-{environment}"


def write_back(mlflow: Any, environment: str, attempt: Attempt, newer: Mapping[str, int]) -> None:
    """Say on the versions of an attempt how it ended. Saying it again changes nothing.

    MLflow has no comments on a version: what a person reads there is a line of its description.

    Parameters
    ----------
    mlflow
        A client of MLflow.
    environment
        Name of the environment.
    attempt
        The attempt, which ended.
    newer
        The versions that were promoted since.

    Raises
    ------
    MlflowException
        Where MLflow does not take it.
    """
    start = f"release.{environment}.{attempt.endpoint}"
    served = attempt.outcome == "served"
    former = {it.model: it.version for it in attempt.former.values() if it.model}
    changed = {name: it for name, it in attempt.models.items() if former.get(name) != it}
    for model, version in (attempt.models if served else changed or attempt.models).items():
        if attempt.outcome == "superseded" and newer.get(model) == version:
            continue  # it was asked for again: how that ends is what is said of it
        said = _said(attempt, newer.get(model))
        tags = {start: said, f"{start}.at": attempt.ended}
        if attempt.smoke_test:
            tags[f"{start}.smoke_test"] = attempt.smoke_test
        line = f"{attempt.ended} {environment}/{attempt.endpoint}: {said}"
        if not _say(mlflow, model, version, tags, line):
            continue
        before = former.get(model)
        if served and before and before != version:
            replaced = f"replaced by {version}"
            line = f"{attempt.ended} {environment}/{attempt.endpoint}: {replaced}"
            _say(mlflow, model, before, {start: replaced, f"{start}.at": attempt.ended}, line)
        if served:
            mlflow.set_registered_model_alias(model, serving_alias(environment), str(version))


def described(before: str, line: str) -> str:
    """A description with one more line; where it gets too long, without the oldest lines of ours.

    Parameters
    ----------
    before
        What it said: what people wrote stays.
    line
        The line.

    Examples
    --------
    >>> described("", "2026-11-25T10:00:00Z dev/iris: serving")
    '2026-11-25T10:00:00Z dev/iris: serving'
    """
    lines = [*before.splitlines(), line]
    while len("\n".join(lines)) > LONGEST_DESCRIPTION:
        ours = [number for number, it in enumerate(lines) if OURS.match(it)]
        del lines[ours[0]]
    return "\n".join(lines)


def _said(attempt: Attempt, newer: int | None) -> str:
    match attempt.outcome:
        case "served":
            return "serving"
        case "superseded":
            return f"superseded by {newer}" if newer else f"superseded: {_line(attempt.reason)}"
        case _:
            return f"{attempt.outcome}: {_line(attempt.reason)}"[:LONGEST_TAG]


def _line(reason: str) -> str:
    """A reason in one line: what a model says of its fault has many."""
    return " ".join(reason.split())


def _say(mlflow: Any, model: str, version: int, tags: Mapping[str, str], line: str) -> bool:
    """Set tags and a line of a version; whether there still is such a version."""
    try:
        known = mlflow.get_model_version(model, str(version))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    for name, value in tags.items():
        mlflow.set_model_version_tag(model, str(version), name, value)
    before = known.description or ""
    if line not in before.splitlines():
        mlflow.update_model_version(model, str(version), described(before, line))
    return True
