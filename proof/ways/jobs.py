"""Ways through SageMaker's jobs: those of templates, of schedules and of state machines."""

import json
from collections.abc import Iterator
from typing import Any

from proof.model import Question
from proof.system.system import System, View
from proof.system.values import is_unknown
from proof.ways.checks import Register, Sight, broken, unsure

RULES = Register(Question.WAYS)

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
PLACES = {
    "createautomljob": "AutoMLJobConfig.SecurityConfig.VpcConfig",
    "createautomljobv2": "SecurityConfig.VpcConfig",
    "createhyperparametertuningjob": "TrainingJobDefinition.VpcConfig",
    "createmodel": "VpcConfig",
    "createprocessingjob": "NetworkConfig.VpcConfig",
    "createtrainingjob": "VpcConfig",
}
"""Where the request for a job, or for a model, says in which network its containers stand."""

TRANSFORM = "createtransformjob"
"""A job whose containers stand where its model does."""

OUTSIDE = "The containers of {} stand in a network of AWS that reaches the internet."


@RULES.rule(
    "way.job-network",
    "AWS::StepFunctions::StateMachine",
    "AWS::SageMaker::MonitoringSchedule",
    "AWS::SageMaker::ProcessingJob",
    "AWS::SageMaker::TransformJob",
    says="Every SageMaker job that is started stands in the VPC.",
    mend="Give the job, or the model that it is of, a VpcConfig.",
)
def job_network(view: View, system: System) -> Iterator[Sight]:
    """Without a VPC, a job's containers stand in a network of SageMaker's own."""
    if view.type.endswith("::StateMachine"):
        yield from _started(view, system)
    elif view.type.endswith("::TransformJob"):
        yield from _of_model(view.get("ModelName"), "the job", system)
    elif view.type.endswith("::ProcessingJob"):
        yield from _placed(view.properties, PLACES["createprocessingjob"], "the job")
    else:
        # A schedule that names a definition has no job of its own: the definition has a rule.
        job = view.get("MonitoringScheduleConfig.MonitoringJobDefinition")
        if job is not None:
            yield from _placed(job, PLACES["createprocessingjob"], "its jobs")


def _started(view: View, system: System) -> Iterator[Sight]:
    """The jobs that the tasks of a state machine start."""
    text = view.get("DefinitionString")
    definition = view.get("Definition") if text is None else text
    if isinstance(definition, str) and not is_unknown(definition):
        try:
            definition = json.loads(definition)
        except ValueError:
            definition = None
    if not isinstance(definition, dict):
        yield unsure("Nobody can tell which jobs it starts: its definition is not here to read.")
        return
    for name, state in _tasks(definition):
        _, _, call = str(state.get("Resource", "")).lower().rpartition("sagemaker:")
        request = state.get("Parameters", state.get("Arguments"))
        operation = call.partition(".")[0]
        if operation == TRANSFORM:
            model = request.get("ModelName") if isinstance(request, dict) else None
            yield from _of_model(model, f"the job of {name}", system)
        elif operation in PLACES:
            yield from _placed(request, PLACES[operation], f"the job of {name}")


def _tasks(body: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task of a definition, those in branches and maps too, by its name."""
    if isinstance(body, dict):
        if body.get("Type") == "Task":
            yield name, body
        for key, value in body.items():
            yield from _tasks(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from _tasks(value, name)


def _placed(request: Any, path: str, what: str) -> Iterator[Sight]:
    """Follow a path through a request; what is chosen as it runs is not in the template."""
    value = request
    for step in path.split("."):
        chosen = isinstance(value, str) or (isinstance(value, dict) and f"{step}.$" in value)
        if chosen or is_unknown(value):
            yield unsure(f"Nobody can tell where the containers of {what} stand.")
            return
        value = value.get(step) if isinstance(value, dict) else None
    if not value:
        yield broken(OUTSIDE.format(what))


def _of_model(name: Any, what: str, system: System) -> Iterator[Sight]:
    model = system.view(name, "AWS::SageMaker::Model")
    if model is None:
        yield unsure(
            f"Nobody can tell where the containers of {what} stand: it is of no model here."
        )
    elif not model.get("VpcConfig"):
        yield broken(OUTSIDE.format(what), model.id)
