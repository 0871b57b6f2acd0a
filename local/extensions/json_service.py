"""Services of JSON: what they are asked is checked against the service's own model.

The model is the one that botocore carries.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

Answer = tuple[int, dict[str, str], bytes]
Record = dict[str, Any]
Operation = Callable[[Mapping[str, Any]], Record]


class RefusedError(Exception):
    """A request that a service refuses.

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


class ServiceModel:
    """What a service can be asked.

    Parameters
    ----------
    service
        As botocore names it.
    """

    def __init__(self, service: str) -> None:
        self._service = service

    def checked(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request, if it is one of an operation.

        Raises
        ------
        RefusedError
            Where it is not.
        """
        report = ParamValidator().validate(dict(request), self.input(operation))
        if report.has_errors():
            raise invalid(report.generate_report())
        return request

    def accepted(self, operation: str, properties: Mapping[str, Any]) -> Record:
        """Of `properties`, those that an operation takes."""
        known = self.input(operation).members
        return {name: value for name, value in properties.items() if name in known}

    def from_template(self, shape: Shape, value: Any) -> Any:
        """A value of a template as the service takes it.

        Templates write names otherwise, and numbers and booleans as text. What the service does
        not take is left out.
        """
        if isinstance(shape, StructureShape):
            names = {name.lower(): name for name in shape.members}
            return {
                names[name.lower()]: self.from_template(shape.members[names[name.lower()]], item)
                for name, item in value.items()
                if name.lower() in names and item is not None
            }
        if isinstance(shape, ListShape):
            return [self.from_template(shape.member, item) for item in value]
        if isinstance(shape, MapShape):
            return {name: self.from_template(shape.value, item) for name, item in value.items()}
        if shape.type_name == "boolean":
            return str(value).lower() == "true"
        if shape.type_name in ("integer", "long"):
            return int(value)
        # Of text, a template may write true or 5.
        return str(value).lower() if isinstance(value, bool) else str(value)

    def input(self, operation: str) -> StructureShape:
        """The shape of an operation's request.

        Raises
        ------
        RefusedError
            Where there is no such operation.
        """
        known = _operations(self._service)
        if operation not in known:
            raise RefusedError(
                "UnknownOperationException", f"{self._service} has no operation {operation}."
            )
        shape = known[operation].input_shape
        assert shape is not None
        return shape


class JsonService:
    """A service as the emulator's requests reach it; an operation not given is refused.

    Parameters
    ----------
    name
        As botocore names it.
    target_prefix
        What its operations start with in ``X-Amz-Target``.
    operations
        What carries each out.
    """

    def __init__(self, name: str, target_prefix: str, operations: Mapping[str, Operation]) -> None:
        self.model = ServiceModel(name)
        self._name = name
        self._target_prefix = target_prefix
        self._operations = operations

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Answer:
        """Answer a request."""
        operation = headers.get("x-amz-target", "").removeprefix(self._target_prefix)
        try:
            return as_json(200, self.do(operation, json.loads(body or b"{}")))
        except RefusedError as error:
            return refused(error)

    def do(self, operation: str, request: Mapping[str, Any]) -> Record:
        """Carry out an operation.

        Raises
        ------
        RefusedError
            Where it is not served here, or its request does not fit.
        """
        work = self.work(operation)
        if work is None:
            raise RefusedError(
                "UnknownOperationException",
                f"{self._name}:{operation} does not run on this machine, and nothing pretends that"
                " it did. Deploy to an account to use it.",
            )
        return work(self.model.checked(operation, request))

    def work(self, operation: str) -> Operation | None:
        """What carries an operation out; nothing where it is not served here."""
        return self._operations.get(operation)


@cache
def _operations(service: str) -> Mapping[str, OperationModel]:
    """What a service can be asked, by name."""
    loaded = botocore.session.get_session().get_service_model(service)
    return {name: loaded.operation_model(name) for name in loaded.operation_names}
