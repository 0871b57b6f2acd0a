"""How the service describes what there is."""

from typing import Any

from local.extensions.codepipeline.execution import ActionRun, Execution
from local.extensions.codepipeline.pipeline import Pipeline
from local.extensions.json_service import Record


def described(pipeline: Pipeline) -> Record:
    """A pipeline, for GetPipeline."""
    return {
        "pipeline": {**pipeline.structure, "version": pipeline.version},
        "metadata": {
            "pipelineArn": pipeline.arn,
            "created": pipeline.created,
            "updated": pipeline.updated,
        },
    }


def listed(pipeline: Pipeline) -> Record:
    """A pipeline, for ListPipelines."""
    return {
        "name": pipeline.structure["name"],
        "version": pipeline.version,
        "pipelineType": "V2",
        "executionMode": pipeline.structure.get("executionMode", "SUPERSEDED"),
        "created": pipeline.created,
        "updated": pipeline.updated,
    }


def execution_of(execution: Execution) -> Record:
    """An execution, for GetPipelineExecution."""
    values = execution.values["variables"]
    return {
        "pipelineName": execution.structure["name"],
        "pipelineVersion": execution.version,
        "pipelineExecutionId": execution.id,
        "status": execution.status,
        "statusSummary": execution.summary,
        "artifactRevisions": [
            {"name": run.outputs[0].name, "revisionId": run.revision}
            for run in execution.runs
            if run.revision
        ],
        "variables": [{"name": name, "resolvedValue": value} for name, value in values.items()],
        "trigger": execution.trigger,
        "executionMode": execution.structure.get("executionMode", "SUPERSEDED"),
        "executionType": "STANDARD",
    }


def summary_of(execution: Execution) -> Record:
    """An execution, for ListPipelineExecutions."""
    return {
        "pipelineExecutionId": execution.id,
        "status": execution.status,
        "statusSummary": execution.summary,
        "startTime": execution.started,
        "lastUpdateTime": execution.changed,
        "sourceRevisions": [
            {"actionName": run.name, "revisionId": run.revision}
            for run in execution.runs
            if run.revision
        ],
        "trigger": execution.trigger,
        "stopTrigger": {"reason": execution.stop_reason},
        "executionMode": execution.structure.get("executionMode", "SUPERSEDED"),
        "executionType": "STANDARD",
    }


def state_of(pipeline: Pipeline) -> Record:
    """The stages of a pipeline, for GetPipelineState."""
    states = []
    for stage in pipeline.structure["stages"]:
        slot = pipeline.slots[stage["name"]]
        waiting = [{"pipelineExecutionId": each.id, "status": each.status} for each in slot.waiting]
        state: dict[str, Any] = {
            "stageName": stage["name"],
            "inboundTransitionState": {"enabled": True},
            "inboundExecutions": waiting,
            "actionStates": [_action_state(slot.last, stage, each) for each in stage["actions"]],
        }
        if waiting:
            state["inboundExecution"] = waiting[-1]
        if slot.last:
            state["latestExecution"] = {
                "pipelineExecutionId": slot.last.id,
                "status": slot.status,
            }
        states.append(state)
    return {
        "pipelineName": pipeline.structure["name"],
        "pipelineVersion": pipeline.version,
        "stageStates": states,
        "created": pipeline.created,
        "updated": pipeline.updated,
    }


def _action_state(last: Execution | None, stage: Record, action: Record) -> Record:
    runs = last.runs_of(stage["name"]) if last else []
    for run in runs:
        if run.name == action["name"]:
            latest = {
                "actionExecutionId": run.id,
                "status": run.status,
                "summary": run.summary,
                "lastStatusChange": run.changed,
                "externalExecutionId": run.external_id,
                **({"token": run.token} if run.token and run.status == "InProgress" else {}),
                **({"errorDetails": run.error} if run.error else {}),
            }
            return {"actionName": action["name"], "latestExecution": latest}
    return {"actionName": action["name"]}


def action_of(execution: Execution, run: ActionRun) -> Record:
    """An action, for ListActionExecutions."""
    declared = run.declared
    result = {
        "externalExecutionId": run.external_id,
        "externalExecutionSummary": run.summary,
        **({"errorDetails": run.error} if run.error else {}),
    }
    return {
        "pipelineExecutionId": execution.id,
        "actionExecutionId": run.id,
        "pipelineVersion": execution.version,
        "stageName": run.stage,
        "actionName": run.name,
        "startTime": run.started,
        "lastUpdateTime": run.changed,
        "status": run.status,
        "input": {
            "actionTypeId": declared["actionTypeId"],
            "configuration": declared.get("configuration", {}),
            "resolvedConfiguration": run.configuration,
            "region": execution.scope[1],
            "inputArtifacts": [_artifact(each) for each in run.inputs],
            **({"namespace": declared["namespace"]} if "namespace" in declared else {}),
        },
        "output": {
            "outputArtifacts": [_artifact(each) for each in run.outputs],
            "executionResult": result,
            "outputVariables": run.variables,
        },
    }


def _artifact(artifact: Any) -> Record:
    return {"name": artifact.name, "s3location": {"bucket": artifact.bucket, "key": artifact.key}}


def event_of(
    execution: Execution, stage: str | None, run: ActionRun | None, state: str
) -> tuple[str, Record]:
    """What an event says of a change: its kind and its detail.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
    """
    detail: Record = {
        "pipeline": execution.structure["name"],
        "execution-id": execution.id,
        "version": str(execution.version),
        "state": state,
    }
    if run is not None:
        detail |= {
            "stage": run.stage,
            "action": run.name,
            "action-execution-id": run.id,
            "region": execution.scope[1],
            "type": dict(run.declared["actionTypeId"]),
        }
        if run.status != "InProgress":
            detail["execution-result"] = {
                "external-execution-id": run.external_id,
                "external-execution-summary": run.error.get("message", run.summary),
                **({"error-code": run.error["code"]} if run.error else {}),
            }
        return "Action", detail
    if stage is not None:
        return "Stage", {**detail, "stage": stage}
    return "Pipeline", {
        **detail,
        "execution-trigger": {
            "trigger-type": execution.trigger.get("triggerType", ""),
            "trigger-detail": execution.trigger.get("triggerDetail", ""),
        },
    }
