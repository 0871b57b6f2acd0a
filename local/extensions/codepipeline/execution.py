"""What runs: an execution of a pipeline, and its actions."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.extensions.hooks import Scope
from local.extensions.json_service import Record

IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"
STOPPING, STOPPED, SUPERSEDED, ABANDONED = "Stopping", "Stopped", "Superseded", "Abandoned"


class Artifact(NamedTuple):
    """Where the files of an artifact are."""

    name: str
    bucket: str
    key: str


class ActionError(Exception):
    """Why an action failed.

    Parameters
    ----------
    code
        Such as ``JobFailed``.
    message
        What happened.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class ActionRun:
    """An action of an execution.

    Parameters
    ----------
    stage
        Name of its stage.
    declared
        The action, as the pipeline declares it.
    """

    stage: str
    declared: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = IN_PROGRESS
    started: float = field(default_factory=time.time)
    changed: float = field(default_factory=time.time)
    configuration: dict[str, str] = field(default_factory=dict)
    inputs: list[Artifact] = field(default_factory=list)
    outputs: list[Artifact] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    external_id: str = ""
    summary: str = ""
    error: Record = field(default_factory=dict)
    token: str = ""
    revision: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.declared["name"])

    def become(self, status: str) -> None:
        """Change its status."""
        self.status, self.changed = status, time.time()


@dataclass
class Execution:
    """An execution of a pipeline.

    Parameters
    ----------
    structure
        The pipeline as it is declared when the execution begins.
    version
        The version of that.
    scope
        Its account and region.
    values
        The variables that actions may name, by namespace.
    trigger
        What started it.
    revisions
        The version that a source action is to take, by its name; the last one where none is given.
    """

    structure: Mapping[str, Any]
    version: int
    scope: Scope
    values: dict[str, dict[str, str]]
    trigger: Record
    revisions: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = IN_PROGRESS
    summary: str = ""
    started: float = field(default_factory=time.time)
    changed: float = field(default_factory=time.time)
    runs: list[ActionRun] = field(default_factory=list)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    stop_reason: str = ""
    outdated: bool = False
    abandoned: threading.Event = field(default_factory=threading.Event)

    def become(self, status: str, summary: str = "") -> None:
        """Change its status."""
        self.status, self.summary, self.changed = status, summary or self.summary, time.time()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status not in (IN_PROGRESS, STOPPING)

    def runs_of(self, stage: str) -> list[ActionRun]:
        """Its actions of a stage, as far as they have begun."""
        return [run for run in self.runs if run.stage == stage]


Perform = Callable[[Execution, ActionRun], None]
"""Carries out an action: fills in what comes of it, or raises `ActionError`."""
