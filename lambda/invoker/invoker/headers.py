"""Headers of a request that SageMaker is told of, by the names that its runtime gives them.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

START = "x-amzn-sagemaker-"
"""What names of SageMaker's headers start with."""

INFERENCE_COMPONENT = "InferenceComponentName"
TARGETS = ("TargetContainerHostname", "TargetVariant", INFERENCE_COMPONENT)
"""What says which part of an endpoint answers: a container, a variant, a model."""

RESPOND_ASYNC = "respond-async"
"""The preference of who does not wait: https://www.rfc-editor.org/rfc/rfc7240#section-4.1"""


class Header(NamedTuple):
    """A header that is passed on.

    Parameters
    ----------
    option
        What SageMaker's API calls it.
    pattern
        What it must be like.
    allowed
        The same in words.
    """

    option: str
    pattern: re.Pattern[str]
    allowed: str


_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}")
_NAMED = "a name of at most 63 letters, digits and hyphens"

HEADERS: Mapping[str, Header] = {
    "target-container-hostname": Header("TargetContainerHostname", _NAME, _NAMED),
    "target-variant": Header("TargetVariant", _NAME, _NAMED),
    "inference-component": Header(
        INFERENCE_COMPONENT, re.compile(r"[a-z][a-z0-9-]{0,62}"), "a model's name in the endpoint"
    ),
    "inference-id": Header(
        "InferenceId", re.compile(r"[!-~][ -~]{0,63}"), "1 to 64 printable characters of ASCII"
    ),
    "custom-attributes": Header(
        "CustomAttributes", re.compile(r"[ -~]{1,1024}"), "1 to 1024 printable characters of ASCII"
    ),
}
"""Those that are passed on, by what follows `START`."""


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """What SageMaker is told, by the names of its API.

    Parameters
    ----------
    headers
        All headers of a request, with names in lower case.

    Raises
    ------
    ValueError
        Where one of SageMaker's is not passed on, or is not what SageMaker takes.

    Examples
    --------
    >>> passed_on({"accept": "*/*", "x-amzn-sagemaker-target-variant": "candidate"})
    {'TargetVariant': 'candidate'}
    """
    found = {}
    for name, value in headers.items():
        if not name.startswith(START):
            continue
        header = HEADERS.get(name.removeprefix(START))
        if header is None:
            known = ", ".join(f"{START}{each}" for each in HEADERS)
            raise ValueError(f"The header {name} is not passed on: {known} are.")
        if not header.pattern.fullmatch(value):
            raise ValueError(f"The header {name} is '{value[:80]}': it must be {header.allowed}.")
        found[header.option] = value
    return found


def waits_not(headers: Mapping[str, str]) -> bool:
    """Whether the caller prefers to be answered later.

    Parameters
    ----------
    headers
        All headers of a request, with names in lower case.

    Raises
    ------
    ValueError
        Where the request also names a part of the endpoint: the queue has one for all of it.

    Examples
    --------
    >>> waits_not({"prefer": "respond-async, wait=10"})
    True
    """
    preferences = headers.get("prefer", "").lower().split(",")
    later = RESPOND_ASYNC in (each.partition(";")[0].strip() for each in preferences)
    targets = [f"{START}{name}" for name, it in HEADERS.items() if it.option in TARGETS]
    given = [name for name in targets if later and name in headers]
    if given:
        raise ValueError(
            f"'Prefer: {RESPOND_ASYNC}' is for asynchronous endpoints, which have no parts to be"
            f" named by {' and '.join(given)}: send one or the other."
        )
    return later
