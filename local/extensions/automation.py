"""Runbooks of Systems Manager's Automation, carried out against the embedded AWS.

The actions that this platform's own runbooks use, and no other. Steps call the emulator's services
as they would call AWS's, but without a role: nothing asks for rights here.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from operations.errors import OperationError

Step = Mapping[str, Any]
Call = Callable[[str, str, dict[str, Any]], Any]

EXECUTION = "automation:EXECUTION_ID"
JUMP = "step:"
OF_THE_STEP = ("Service", "Api", "PropertySelector", "DesiredValues")
"""The inputs that are the step's own: the others are those of the operation."""

VARIABLE = re.compile(r"\{\{\s*([\w:.]+)\s*\}\}")
SELECTOR = re.compile(r"\$(\.\w+|\[\d+\])*")
PART = re.compile(r"\.(\w+)|\[(\d+)\]")


class StepError(Exception):
    """Why a step failed."""


class Runbook:
    """A runbook whose steps can be carried out here.

    Parameters
    ----------
    content
        What it says.

    Raises
    ------
    OperationError
        Where it holds what cannot be carried out.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.steps: Sequence[Step] = content.get("mainSteps", ())
        unknown = sorted({step["action"] for step in self.steps} - set(ACTIONS))
        if unknown or not self.steps:
            raise OperationError(
                f"The runbook has {', '.join(unknown) or 'no steps'}, which nothing here does.",
                f"Use {', '.join(ACTIONS)}.",
            )

    def run(
        self,
        variables: Mapping[str, Any],
        call: Call,
        say: Callable[[str], None] = lambda _: None,
        pause: float = 0.5,
    ) -> None:
        """Carry out the steps, as they lead from one to another.

        Parameters
        ----------
        variables
            The values of its parameters, and of ``automation:EXECUTION_ID``.
        call
            Calls an operation of a service: ``call("ecs", "RunTask", {...})``.
        say
            Told of each step.
        pause
            Seconds between two looks at what is waited for.

        Raises
        ------
        OperationError
            Where steps fail: with each that did, and why.
        """
        run = _Run(dict(variables), call, pause)
        names = [step["name"] for step in self.steps]
        failures = []
        at: str | None = names[0]
        while at:
            number = names.index(at)
            step = self.steps[number]
            following = None if step.get("isEnd") else next(iter(names[number + 1 :]), None)
            try:
                to = ACTIONS[step["action"]](run, step)
                say(f"{at}: done")
                at = to or step.get("nextStep") or following
            except StepError as error:
                say(f"{at}: failed: {error}")
                failures.append(f"{at}: {error}")
                jump = step.get("onFailure", "Abort")
                at = jump.removeprefix(JUMP) if jump.startswith(JUMP) else None
        if failures:
            raise OperationError(f"The runbook failed. {' '.join(failures)}", "Nothing followed.")


class _Run:
    """What the steps of one run know and do. Each action answers with the step to go to, if any."""

    def __init__(self, variables: dict[str, Any], call: Call, pause: float) -> None:
        self._variables = variables
        self._call = call
        self._pause = pause

    def execute(self, step: Step) -> None:
        answer = self._ask(self._filled(step["inputs"]))
        for output in step.get("outputs", ()):
            found = select(answer, output["Selector"])
            if found is None:
                raise StepError(f"The answer has no {output['Selector']}.")
            as_text = output.get("Type", "String") == "String"
            self._variables[f"{step['name']}.{output['Name']}"] = str(found) if as_text else found

    def wait(self, step: Step) -> None:
        seconds = float(step.get("timeoutSeconds", 3600))
        deadline = time.monotonic() + seconds
        while self._found(step) not in self._desired(step):
            if time.monotonic() > deadline:
                raise StepError(f"It took longer than {seconds:.0f} s.")
            time.sleep(self._pause)

    def check(self, step: Step) -> None:
        found = self._found(step)
        if found not in self._desired(step):
            raise StepError(f"{found}. Not: {' '.join(self._desired(step))}")

    def branch(self, step: Step) -> str | None:
        inputs = step["inputs"]
        chosen = [choice["NextStep"] for choice in inputs["Choices"] if self._holds(choice)]
        to = chosen[0] if chosen else inputs.get("Default")
        return str(to) if to else None

    def _holds(self, choice: Mapping[str, Any]) -> bool:
        if "Not" in choice:
            return not self._holds(choice["Not"])
        return bool(self._filled(choice["Variable"]) == choice["StringEquals"])

    def _found(self, step: Step) -> str:
        inputs = self._filled(step["inputs"])
        return str(select(self._ask(inputs), inputs["PropertySelector"]))

    def _desired(self, step: Step) -> list[str]:
        return [str(value) for value in self._filled(step["inputs"]["DesiredValues"])]

    def _ask(self, inputs: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in inputs.items() if name not in OF_THE_STEP}
        try:
            return self._call(inputs["Service"], inputs["Api"], given)
        except (BotoCoreError, ClientError) as error:
            raise StepError(str(error)) from error

    def _filled(self, value: Any) -> Any:
        """A value, with the variables that it names."""
        if isinstance(value, Mapping):
            return {name: self._filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if not isinstance(value, str):
            return value
        alone = VARIABLE.fullmatch(value)
        if alone:
            return self._variable(alone[1])
        return VARIABLE.sub(lambda match: str(self._variable(match[1])), value)

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            raise StepError(f"Nothing has given {name}.")
        return self._variables[name]


ACTIONS: Mapping[str, Callable[[_Run, Step], str | None]] = {
    "aws:assertAwsResourceProperty": _Run.check,
    "aws:branch": _Run.branch,
    "aws:executeAwsApi": _Run.execute,
    "aws:waitForAwsResourceProperty": _Run.wait,
}
"""The actions that are carried out, and by what."""


def select(answer: Any, selector: str) -> Any:
    """What a JSONPath of names and indices selects; nothing where there is none.

    Parameters
    ----------
    answer
        What an operation answered.
    selector
        The path.

    Raises
    ------
    StepError
        Where it is another kind of path.

    Examples
    --------
    >>> select({"tasks": [{"lastStatus": "STOPPED"}]}, "$.tasks[0].lastStatus")
    'STOPPED'
    """
    if not SELECTOR.fullmatch(selector):
        raise StepError(f"{selector} is more than names and indices, and not understood here.")
    for name, index in PART.findall(selector):
        if name:
            answer = answer.get(name) if isinstance(answer, Mapping) else None
        else:
            items = answer if isinstance(answer, list) else []
            answer = items[int(index)] if int(index) < len(items) else None
    return answer
