"""The step `drift`: whether what serves is what its record says, and whether work is left over."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from operations.errors import OperationError
from releasing.close import close_attempt
from releasing.ending import FAILURES
from releasing.ledger import OvertakenError
from releasing.pipeline import is_outside
from releasing.platform_ending import close_change
from releasing.services import Services
from releasing.store import ConflictError
from releasing.telling import tell
from stacks.container_config import AWS
from stacks.releases import Release

COMPARED = ("realtime", "serverless", "async")


def drift(services: Services, endpoints: Iterable[str]) -> dict[str, list[str]]:
    """What differs, by endpoint. Each difference is told once, until it is another.

    What an execution left half done is seen to first.

    Parameters
    ----------
    services
        Whom to ask.
    endpoints
        Names of the endpoints.

    Raises
    ------
    OperationError
        With all that could not be seen to. The others were.
    """
    found: dict[str, list[str]] = {}
    failed: list[str] = []
    with _noted("the platform", failed):
        _close_changes(services)
    for endpoint in endpoints:
        with _noted(endpoint, failed):
            differences = _compared(services, endpoint)
            if differences is not None:
                found[endpoint] = differences
    if failed:
        raise OperationError(
            f"Not all of it could be seen to: {' '.join(failed)}", "Mend it; all others were."
        )
    return found


@contextmanager
def _noted(what: str, failed: list[str]) -> Iterator[None]:
    """Note a failure, so that others are seen to all the same."""
    try:
        yield
    except (*FAILURES, ConflictError) as error:
        failed.append(f"{what}: {error}")


def _compared(services: Services, endpoint: str) -> list[str] | None:
    """What differs of an endpoint; nothing where it is just being changed."""
    if _under_way(services, endpoint):
        services.say(f"{endpoint}: a release is under way: not compared")
        return None
    if services.stack(endpoint).state().moves:  # by a change of the platform, or by hand
        services.say(f"{endpoint}: its stack is being updated: not compared")
        return None
    differences = _differences(services, endpoint)
    for difference in differences or ["as recorded"]:
        services.say(f"{endpoint}: {difference}")
    _tell(services, endpoint, differences)
    return differences


def _close_changes(services: Services) -> None:
    """Close what changes of the platform were left, whose executions are over."""
    pipeline = services.platform_pipeline
    for change in services.changes.entries():
        if change.settled:
            continue
        ended = pipeline.ended(change.execution)
        if ended.status and not pipeline.runs(change.execution):
            try:
                close_change(services, change, ended)
            except OvertakenError as error:
                services.say(str(error))  # what its execution's end started is at it


def _under_way(services: Services, endpoint: str) -> bool:
    """Whether a release is under way; one whose execution is over is closed."""
    pipeline = services.pipeline(endpoint)
    for attempt in services.journal(endpoint).entries():
        if attempt.settled:
            continue
        ended = pipeline.ended(attempt.execution)
        unknown = not ended.status and not is_outside(attempt.execution)  # by hand
        if attempt.outcome == "running" and (unknown or services.runs(attempt)):
            return True
        try:
            close_attempt(services, attempt, ended)
        except OvertakenError as error:
            services.say(str(error))  # what its execution's end started is at it
            return True
    return False


def _differences(services: Services, endpoint: str) -> list[str]:
    served, state = services.records.current(endpoint), services.stack(endpoint).state()
    if served is None:
        return ["its stack is deployed, but no record says what serves"] if state.there else []
    if not state.there:
        return [f"{served.release.summary} is recorded, but there is no stack"]
    found = []
    if not (state.right or state.rolled_back):
        found.append(f"its stack is {state.status}")
    if not state.description.count(f": model {served.release.summary} ("):
        found.append(f"its stack is '{state.description}', recorded: {served.release.summary}")
    kind = services.environment.endpoints[endpoint].kind
    if kind in COMPARED:
        found += _of_sagemaker(services, endpoint, served.release)
    else:
        services.say(f"{endpoint}: of the kind '{kind}': its stack alone is compared")
    return found


def _of_sagemaker(services: Services, endpoint: str, release: Release) -> list[str]:
    """What SageMaker serves and the record does not say, and the other way round."""
    name, sagemaker = services.environment.naming.endpoint(endpoint), services.sagemaker
    try:
        described = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        return [f"there is no endpoint {name} in SageMaker"]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    variants = config["ProductionVariants"] + config.get("ShadowProductionVariants", [])
    serves = set()
    for variant in variants:
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
        containers = model.get("Containers") or [model["PrimaryContainer"]]
        serves |= {_served(container) for container in containers}
    parts = services.environment.endpoints[endpoint].parts
    recorded = {
        (released.source or "", "" if part.image.startswith(AWS) else released.image or "")
        for part, released in ((it, release.containers[key]) for key, it in parts.items())
        if released
    }
    said = [f"SageMaker serves {_words(it)}, which is not recorded" for it in serves - recorded]
    said += [
        f"{_words(it)} is recorded, and SageMaker does not serve it" for it in recorded - serves
    ]
    status = described["EndpointStatus"]
    return sorted(said) + ([] if status == "InService" else [f"the endpoint is {status}"])


def _served(container: dict[str, Any]) -> tuple[str, str]:
    """Where a container's model comes from, and its image's digest where it is one of ours."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
    image = container.get("Image", "").partition("@")[2]
    return source or container.get("ModelDataUrl", ""), image


def _words(served: tuple[str, str]) -> str:
    return " in ".join(part for part in served if part) or "a container without a model"


def _tell(services: Services, endpoint: str, differences: list[str]) -> None:
    """Tell what differs, and write down that it was told: in this order, so at least once."""
    key = f"drift/{endpoint}.json"
    told = services.store.read(key)
    text = json.dumps({"differences": differences}, indent=2) + "\n"
    if (told.text if told else json.dumps({"differences": []}, indent=2) + "\n") == text:
        return
    if differences:
        environment = services.environment.name
        subject = f"{environment}/{endpoint} is not what its record says"
        tell(services, subject, "\n".join(differences))
    services.store.write(key, text, after=told.etag if told else "")
