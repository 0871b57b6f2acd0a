"""What goes wrong in SageMaker, and how an answer says so."""

import json
from collections.abc import Mapping
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


class RefusedError(Exception):
    """A request that SageMaker refuses.

    Parameters
    ----------
    code
        The error's code.
    message
        What is wrong.
    status
        HTTP status.
    further
        What else the error carries.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, further: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.further = further or {}


class StartError(Exception):
    """Why a model cannot be served."""


def invalid(message: str) -> RefusedError:
    """A request that does not fit."""
    return RefusedError("ValidationException", message)


def as_json(status: int, content: Mapping[str, Any]) -> Answer:
    """An answer of JSON."""
    return (
        status,
        {"Content-Type": "application/x-amz-json-1.1"},
        json.dumps(content).encode(),
    )


def refused(error: RefusedError) -> Answer:
    """The answer that says why there is none, in the form that SDKs read."""
    said = {"__type": error.code, "message": str(error), "Message": str(error)}
    status, headers, body = as_json(error.status, {**said, **error.further})
    return status, {**headers, "x-amzn-errortype": error.code}, body
