"""A pipeline: how executions go from stage to stage, and overtake each other.

A stage is locked while an execution is in it. In mode SUPERSEDED an execution that waits for a
stage gives way to a newer one that comes to wait; in mode QUEUED each waits its turn.
https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.extensions.codepipeline.execution import (
    FAILED,
    IN_PROGRESS,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    SUPERSEDED,
    ActionRun,
    Execution,
    Perform,
)
from local.extensions.codepipeline.stage import run_stage
from local.extensions.codepipeline.structure import (
    OWN,
    QUEUED,
    revisions_given,
    stage_names,
    values_given,
)
from local.extensions.hooks import Scope
from local.extensions.json_service import Record, RefusedError

UPDATED = "The pipeline was updated while the execution was in a stage."

Tell = Callable[[Execution, str | None, ActionRun | None, str], None]
"""Told of each change: of an execution, of it in a stage, or of an action; and of the new state."""


@dataclass
class Slot:
    """A stage of a pipeline: who is in it, who waits for it, who was there last and how it went."""

    inside: Execution | None = None
    waiting: list[Execution] = field(default_factory=list)
    last: Execution | None = None
    status: str = ""


class Pipeline:
    """A pipeline.

    Parameters
    ----------
    structure
        As it is declared.
    scope
        Its account and region.
    actions
        What carries actions out, by their providers.
    tell
        Told of each change.

    Attributes
    ----------
    executions : list of Execution
        The oldest first.
    slots : dict of str to Slot
        Its stages.
    """

    def __init__(
        self,
        structure: Mapping[str, Any],
        scope: Scope,
        actions: Mapping[str, Perform],
        tell: Tell,
    ) -> None:
        self.structure = structure
        self.scope = scope
        self.version = 1
        self.created = self.updated = time.time()
        self.executions: list[Execution] = []
        self.slots = {name: Slot() for name in stage_names(structure)}
        self._actions = actions
        self._tell = tell
        self._lock = threading.RLock()

    @property
    def arn(self) -> str:
        """Its ARN."""
        account, region = self.scope
        return f"arn:aws:codepipeline:{region}:{account}:{self.structure['name']}"

    def change(self, structure: Mapping[str, Any]) -> None:
        """Have further executions run as is declared now, and those that are in a stage fail.

        What runs comes to its end before:
        https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-edit.html
        """
        with self._lock:
            for slot in self.slots.values():
                if slot.inside:
                    slot.inside.outdated = True
            self.structure = structure
            self.version += 1
            self.updated = time.time()
            self.slots |= {
                name: Slot() for name in stage_names(structure) if name not in self.slots
            }

    def start(
        self,
        variables: list[Mapping[str, str]],
        trigger: Record,
        revisions: Sequence[Mapping[str, str]] = (),
    ) -> Execution:
        """Start an execution.

        Parameters
        ----------
        variables
            Names and values of the pipeline's variables.
        trigger
            What starts it.
        revisions
            The versions that source actions are to take, rather than the last ones.

        Raises
        ------
        RefusedError
            Where a variable is not declared, or has no value, or a revision is of no source.
        """
        values, faults = values_given(self.structure, variables)
        taken, more = revisions_given(self.structure, revisions)
        faults += more
        if faults:
            raise RefusedError("ValidationException", f"{self.arn}: {'; '.join(faults)}.")
        with self._lock:
            execution = Execution(
                self.structure, self.version, self.scope, {"variables": values}, trigger, taken
            )
            execution.values[OWN] = {"PipelineExecutionId": execution.id}
            self.executions.append(execution)
            self._tell(execution, None, None, "STARTED")
            self._enter(execution, 0)
        return execution

    def execution(self, execution_id: str) -> Execution:
        """An execution.

        Raises
        ------
        RefusedError
            Where there is none.
        """
        for execution in self.executions:
            if execution.id == execution_id:
                return execution
        raise RefusedError(
            "PipelineExecutionNotFoundException", f"There is no execution {execution_id}."
        )

    def stop(self, execution_id: str, abandon: bool, reason: str) -> None:
        """Stop an execution.

        Parameters
        ----------
        execution_id
            The execution.
        abandon
            Whether to leave its actions to themselves, rather than to wait for their end.
        reason
            Why.

        Raises
        ------
        RefusedError
            Where there is none, or it has ended.
        """
        execution = self.execution(execution_id)
        with self._lock:
            if execution.over or (execution.status == STOPPING and not abandon):
                raise RefusedError(
                    "PipelineExecutionNotStoppableException",
                    f"{execution_id} is {execution.status}.",
                )
            execution.stop_reason = reason
            if execution.status != STOPPING:
                execution.become(STOPPING)
                self._tell(execution, None, None, "STOPPING")
            for slot in self.slots.values():
                if execution in slot.waiting:
                    slot.waiting.remove(execution)
                    self._finish(execution, STOPPED)
            if abandon:
                execution.abandoned.set()

    def _enter(self, execution: Execution, index: int) -> None:
        slot = self.slots[stage_names(execution.structure)[index]]
        if slot.inside is None:
            self._occupy(slot, execution, index)
            return
        if execution.structure.get("executionMode", "") != QUEUED:
            for older in slot.waiting:
                self._finish(older, SUPERSEDED, f"Superseded by {execution.id}")
            slot.waiting.clear()
        slot.waiting.append(execution)

    def _occupy(self, slot: Slot, execution: Execution, index: int) -> None:
        slot.inside = slot.last = execution
        slot.status = IN_PROGRESS
        stage = execution.structure["stages"][index]
        self._tell(execution, stage["name"], None, "STARTED")
        threading.Thread(
            target=self._work,
            args=(slot, execution, index),
            name=f"{execution.structure['name']}-{stage['name']}",
            daemon=True,
        ).start()

    def _work(self, slot: Slot, execution: Execution, index: int) -> None:
        stages = execution.structure["stages"]
        stage = stages[index]

        def tell(run: ActionRun) -> None:
            state = "STARTED" if run.status == IN_PROGRESS else run.status.upper()
            self._tell(execution, run.stage, run, state)

        status = run_stage(execution, stage, self._actions, tell)
        with self._lock:
            if execution.status == STOPPING and status != FAILED:
                status = STOPPED
            if execution.outdated and status == SUCCEEDED:
                status = FAILED
            slot.status = status
            self._tell(execution, stage["name"], None, status.upper())
            if status != SUCCEEDED:
                self._finish(execution, status, UPDATED if execution.outdated else "")
            elif index + 1 < len(stages):
                self._enter(execution, index + 1)
            else:
                self._finish(execution, SUCCEEDED)
            slot.inside = None
            if slot.waiting:
                following = slot.waiting.pop(0)
                names = stage_names(following.structure)
                self._occupy(slot, following, names.index(stage["name"]))

    def _finish(self, execution: Execution, status: str, summary: str = "") -> None:
        failed = [run for run in execution.runs if run.status == FAILED]
        if status == FAILED and failed:
            summary = f"{failed[0].stage}.{failed[0].name}: {failed[0].error['message']}"
        execution.become(status, summary or execution.stop_reason)
        self._tell(execution, None, None, status.upper())
