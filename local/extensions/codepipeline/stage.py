"""The actions of one stage, in their order."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from local.extensions.codepipeline.execution import (
    ABANDONED,
    FAILED,
    IN_PROGRESS,
    STOPPING,
    SUCCEEDED,
    ActionError,
    ActionRun,
    Artifact,
    Execution,
    Perform,
)
from local.extensions.codepipeline.structure import UnresolvedError, in_order, resolved

LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)


def run_stage(
    execution: Execution,
    stage: Mapping[str, Any],
    actions: Mapping[str, Perform],
    tell: Callable[[ActionRun], None],
) -> str:
    """Have a stage's actions carried out; whether they succeeded, failed, or were stopped.

    Parameters
    ----------
    execution
        The execution that is in the stage.
    stage
        The stage, as it is declared.
    actions
        What carries an action out, by its provider.
    tell
        Told of each change of an action.
    """
    for together in in_order(stage):
        if execution.status == STOPPING:
            return STOPPING
        runs = [ActionRun(stage["name"], action) for action in together]
        execution.runs += runs
        # Daemons: an approval that waits for a week does not hold the platform's end up.
        threads = [
            threading.Thread(
                target=_run_action, args=(execution, run, actions, tell), name=run.name, daemon=True
            )
            for run in runs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not execution.abandoned.is_set():
                thread.join(LOOK_SECONDS)
        if execution.abandoned.is_set():
            for run in runs:
                if run.status == IN_PROGRESS:
                    run.become(ABANDONED)
                    tell(run)
            return STOPPING
        if any(run.status == FAILED for run in runs):
            return FAILED
    return SUCCEEDED


def _run_action(
    execution: Execution,
    run: ActionRun,
    actions: Mapping[str, Perform],
    tell: Callable[[ActionRun], None],
) -> None:
    tell(run)
    try:
        _prepare(execution, run)
        actions[run.declared["actionTypeId"]["provider"]](execution, run)
    except ActionError as error:
        _end(execution, run, tell, FAILED, {"code": error.code, "message": str(error)})
    except Exception as error:
        # Whatever happens, the action ends, and says why.
        log.exception("%s.%s of %s", run.stage, run.name, execution.structure["name"])
        failed = {"code": "InternalError", "message": f"{type(error).__name__}: {error}"}
        _end(execution, run, tell, FAILED, failed)
    else:
        _end(execution, run, tell, SUCCEEDED, {})


def _prepare(execution: Execution, run: ActionRun) -> None:
    """Find what an action is given, and say where it leaves what it makes."""
    declared, store = run.declared, execution.structure["artifactStore"]
    try:
        run.configuration = {
            name: resolved(value, execution.values)
            for name, value in declared.get("configuration", {}).items()
        }
    except UnresolvedError as error:
        raise ActionError("ConfigurationError", str(error)) from error
    for each in declared.get("inputArtifacts", []):
        if each["name"] not in execution.artifacts:
            raise ActionError("ConfigurationError", f"There is no artifact {each['name']}.")
        run.inputs.append(execution.artifacts[each["name"]])
    for each in declared.get("outputArtifacts", []):
        # The bucket's folders are named so: the pipeline's name and the artifact's, cut.
        folder = f"{execution.structure['name'][:20]}/{each['name'][:10]}"
        key = f"{folder}/{run.id.replace('-', '')[:7]}"
        run.outputs.append(Artifact(each["name"], store["location"], key))


def _end(
    execution: Execution,
    run: ActionRun,
    tell: Callable[[ActionRun], None],
    status: str,
    error: dict[str, str],
) -> None:
    if execution.abandoned.is_set():
        # Nobody waits for it any more.
        return
    run.error = error
    if status == SUCCEEDED:
        execution.artifacts |= {artifact.name: artifact for artifact in run.outputs}
        if run.declared.get("namespace"):
            execution.values[run.declared["namespace"]] = dict(run.variables)
    run.become(status)
    tell(run)
