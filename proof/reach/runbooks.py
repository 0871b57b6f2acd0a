"""Tasks that runbooks of Systems Manager run: they stand in the network as a service's do."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from proof.system.system import System, View
from proof.system.values import as_list


def run_by_runbooks(system: System) -> Iterator[View]:
    """Each runbook that runs tasks, once for each place, with the properties of a service.

    Its own calls are made by Systems Manager and not from the network: the rights of its role
    say what they may be.

    Parameters
    ----------
    system
        The system.
    """
    for resource in system.of("AWS::SSM::Document"):
        for view in system.branches(resource)[:1]:
            places: list[dict[str, Any]] = []
            for inputs in _runs(view.get("Content")):
                network = inputs.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
                place = {
                    "TaskDefinition": _task(inputs.get("taskDefinition"), view, system),
                    "NetworkConfiguration": {
                        "AwsvpcConfiguration": {
                            "Subnets": network.get("subnets", []),
                            "SecurityGroups": network.get("securityGroups", []),
                        }
                    },
                }
                if place not in places:
                    places.append(place)
            yield from (replace(view, properties=place) for place in places)


def _runs(content: Any) -> Iterator[dict[str, Any]]:
    """The inputs of each step that runs a task."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except json.JSONDecodeError:
            return
    steps = content.get("mainSteps") if isinstance(content, dict) else None
    for step in as_list(steps):
        inputs = step.get("inputs") if isinstance(step, dict) else None
        if isinstance(inputs, dict) and (inputs.get("Service"), inputs.get("Api")) == (
            "ecs",
            "RunTask",
        ):
            yield inputs


def _task(given: Any, document: View, system: System) -> Any:
    """The task definition that is run: what the associations give where it is a parameter."""
    name = str(given).strip("{} ")
    if name == str(given):
        return given
    for association in system.views("AWS::SSM::Association"):
        if system.find(association.get("Name")) == document.resource:
            if association.get("AutomationTargetParameterName") == name:
                for target in association.items("Targets"):
                    return as_list(target.get("Values"))[0]
            for value in as_list(association.get(f"Parameters.{name}")):
                return value
    return given
