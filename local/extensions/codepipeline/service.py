"""The service, and its resource type."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from local.extensions import hooks
from local.extensions.codebuild.service import CodeBuild
from local.extensions.codepipeline.actions import Actions, Approvals
from local.extensions.codepipeline.execution import ActionRun, Execution, Perform
from local.extensions.codepipeline.pipeline import Pipeline
from local.extensions.codepipeline.structure import check, values_given
from local.extensions.codepipeline.views import (
    action_of,
    described,
    event_of,
    execution_of,
    listed,
    state_of,
    summary_of,
)
from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.json_service import JsonService, Record, RefusedError
from local.host import Host

PREFIX = "CodePipeline_20150709."

log = logging.getLogger(__name__)


class CodePipeline(JsonService):
    """CodePipeline, as far as the platform and its tests ask for it.

    Parameters
    ----------
    actions
        What carries actions out, by their providers.
    approvals
        What takes the results of approvals.
    publish
        Given each event: its scope, source, type, detail and resources.
    """

    def __init__(
        self,
        actions: Mapping[str, Perform],
        approvals: Approvals,
        publish: Callable[..., None] = hooks.publish_event,
    ) -> None:
        super().__init__(
            "codepipeline",
            PREFIX,
            {
                "CreatePipeline": self._create,
                "UpdatePipeline": self._update,
                "DeletePipeline": self._delete,
                "GetPipeline": lambda request: described(self.pipeline(request["name"])),
                "ListPipelines": lambda _: {"pipelines": [*map(listed, self._pipelines.values())]},
                "GetPipelineState": lambda request: state_of(self.pipeline(request["name"])),
                "StartPipelineExecution": self._start,
                "StopPipelineExecution": self._stop,
                "GetPipelineExecution": self._execution,
                "ListPipelineExecutions": self._executions,
                "ListActionExecutions": self._actions_of,
                "PutApprovalResult": self._approve,
            },
        )
        self._actions = actions
        self._approvals = approvals
        self._publish = publish
        self._pipelines: dict[str, Pipeline] = {}
        self._events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        # One thread, so that events come in their order, and beside all locks.
        threading.Thread(target=self._tell_all, name="pipeline-events", daemon=True).start()

    def create(self, structure: Record) -> Pipeline:
        """Make a pipeline, which starts it where each of its variables has a default.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-about-starting.html

        Raises
        ------
        RefusedError
            Where it does not run here, or there is one of that name.
        """
        check(structure)
        name = structure["name"]
        if name in self._pipelines:
            raise RefusedError("PipelineNameInUseException", f"There is a pipeline {name}.")
        pipeline = Pipeline(structure, account_and_region(), self._actions, self._changed)
        self._pipelines[name] = pipeline
        trigger = {"triggerType": "CreatePipeline", "triggerDetail": structure["roleArn"]}
        if values_given(structure, [])[1]:
            log.info("%s is not started: it has variables without a default", name)
        else:
            pipeline.start([], trigger)
        return pipeline

    def change(self, structure: Record) -> Pipeline:
        """Change a pipeline, which does not start it.

        Raises
        ------
        RefusedError
            Where it does not run here, or there is none of that name.
        """
        check(structure)
        pipeline = self.pipeline(structure["name"])
        pipeline.change(structure)
        return pipeline

    def pipeline(self, name: str) -> Pipeline:
        """A pipeline.

        Raises
        ------
        RefusedError
            Where there is none of that name.
        """
        if name not in self._pipelines:
            raise RefusedError("PipelineNotFoundException", f"There is no pipeline {name}.")
        return self._pipelines[name]

    def remove(self, name: str) -> None:
        """Forget a pipeline; what runs is abandoned."""
        pipeline = self._pipelines.pop(name, None)
        if pipeline:
            for execution in pipeline.executions:
                execution.abandoned.set()

    def start_for_rule(self, arn: str, given: Mapping[str, Any], rule: str) -> None:
        """Start an execution for a rule of EventBridge, whose input is that of a start."""
        trigger = {"triggerType": "CloudWatchEvent", "triggerDetail": rule}
        self.pipeline(arn.rpartition(":")[2]).start(
            given.get("variables", []), trigger, given.get("sourceRevisions", [])
        )

    def _create(self, request: Mapping[str, Any]) -> Record:
        return {"pipeline": described(self.create(dict(request["pipeline"])))["pipeline"]}

    def _update(self, request: Mapping[str, Any]) -> Record:
        return {"pipeline": described(self.change(dict(request["pipeline"])))["pipeline"]}

    def _delete(self, request: Mapping[str, Any]) -> Record:
        self.remove(request["name"])
        return {}

    def _start(self, request: Mapping[str, Any]) -> Record:
        trigger = {"triggerType": "StartPipelineExecution", "triggerDetail": "user"}
        execution = self.pipeline(request["name"]).start(
            request.get("variables", []), trigger, request.get("sourceRevisions", [])
        )
        return {"pipelineExecutionId": execution.id}

    def _stop(self, request: Mapping[str, Any]) -> Record:
        execution = request["pipelineExecutionId"]
        self.pipeline(request["pipelineName"]).stop(
            execution, request.get("abandon", False), request.get("reason", "")
        )
        return {"pipelineExecutionId": execution}

    def _execution(self, request: Mapping[str, Any]) -> Record:
        pipeline = self.pipeline(request["pipelineName"])
        found = pipeline.execution(request["pipelineExecutionId"])
        return {"pipelineExecution": execution_of(found)}

    def _executions(self, request: Mapping[str, Any]) -> Record:
        newest = self.pipeline(request["pipelineName"]).executions[::-1]
        chosen = newest[: request.get("maxResults", 100)]
        return {"pipelineExecutionSummaries": [summary_of(each) for each in chosen]}

    def _actions_of(self, request: Mapping[str, Any]) -> Record:
        wanted = request.get("filter", {}).get("pipelineExecutionId")
        return {
            "actionExecutionDetails": [
                action_of(execution, run)
                for execution in self.pipeline(request["pipelineName"]).executions[::-1]
                if wanted in (None, execution.id)
                for run in execution.runs[::-1]
            ]
        }

    def _approve(self, request: Mapping[str, Any]) -> Record:
        pipeline = self.pipeline(request["pipelineName"])
        if request["stageName"] not in pipeline.slots:
            raise RefusedError("StageNotFoundException", f"There is no {request['stageName']}.")
        inside = pipeline.slots[request["stageName"]].inside
        runs = inside.runs_of(request["stageName"]) if inside else []
        named = [run for run in runs if run.name == request["actionName"]]
        run = named[-1] if named else None
        return {"approvedAt": self._approvals.answer(run, request["token"], request["result"])}

    def _changed(
        self, execution: Execution, stage: str | None, run: ActionRun | None, state: str
    ) -> None:
        kind, detail = event_of(execution, stage, run, state)
        account, region = execution.scope
        arn = f"arn:aws:codepipeline:{region}:{account}:{execution.structure['name']}"
        self._events.put(
            (
                execution.scope,
                "aws.codepipeline",
                f"CodePipeline {kind} Execution State Change",
                detail,
                [arn],
            )
        )

    def _tell_all(self) -> None:
        while True:
            self._publish(*self._events.get())


class PipelineResource:
    """``AWS::CodePipeline::Pipeline``.

    Parameters
    ----------
    service
        Where it is kept.
    """

    def __init__(self, service: CodePipeline) -> None:
        self._service = service

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Make it, which starts it."""
        return _created(self._service.create(self._structure(properties, stack, logical_id)))

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Change it, or make another where its name changes.

        The emulator updates what has not changed, too, which CloudFormation does not: a pipeline
        fails what runs in it where it is updated.
        """
        structure = self._structure(new, stack, logical_id)
        if structure["name"] != physical_id:
            return _created(self._service.create(structure))
        if structure == self._structure(old, stack, logical_id):
            return _created(self._service.pipeline(physical_id))
        return _created(self._service.change(structure))

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget it."""
        self._service.remove(physical_id)

    def _structure(self, properties: Properties, stack: str, logical_id: str) -> Record:
        given = {**properties, "Name": properties.get("Name") or hooks.made_name(stack, logical_id)}
        for name in ("ArtifactStores", "DisableInboundStageTransitions"):
            if given.get(name):
                raise RefusedError("InvalidStructureException", f"{name} does not run here.")
        shape = self._service.model.input("CreatePipeline").members["pipeline"]
        structure: Record = self._service.model.from_template(shape, given)
        self._service.model.checked("CreatePipeline", {"pipeline": structure})
        return structure


def make_codepipeline(host: Host, codebuild: CodeBuild) -> CodePipeline:
    """CodePipeline, as it runs on a machine.

    Parameters
    ----------
    host
        The machine.
    codebuild
        What builds.
    """
    approvals = Approvals(host)
    return CodePipeline(Actions(host, codebuild, approvals).by_provider, approvals)


def _created(pipeline: Pipeline) -> Created:
    return Created(pipeline.structure["name"], {"Version": str(pipeline.version)})
