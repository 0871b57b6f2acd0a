"""A request on its way, and what its model may know of it."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
"""The header that SageMaker passes on to the model and back, up to 1,024 characters.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""


@dataclass(slots=True)
class Answer:
    """What a request is answered by.

    Parameters
    ----------
    status
        HTTP status.
    body
        The whole body, or an iterator of its parts.
    kind
        Its content type.
    headers
        What it has besides.
    """

    status: int
    body: Any
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def streams(self) -> bool:
        """Whether the body comes in parts."""
        return not isinstance(self.body, bytes)


class Answerer(Protocol):
    """Where an answer goes."""

    def answer(self, call: "Call", answer: Answer) -> None:
        """Send the answer of a call."""


class Call:
    """A request, from its last byte to its answer.

    Parameters
    ----------
    headers
        Its headers, with names in lower case.
    body
        Its whole body.
    to
        Where the answer goes.
    started
        When it was whole, by the monotonic clock.

    Attributes
    ----------
    content_type : str
        Content type of the body, JSON where none is said.
    accept : str
        Content types that the client takes.
    attributes : str
        Custom attributes: as they came, and as the model leaves them they go back.
    form : str or None
        What the body was: ``inputs``, ``instances``, ``dataframe_split``, ``dataframe_records``,
        ``csv``, ``parquet``, ``npy``, ``jsonlines``, ``raw``; None for other JSON.
    params : mapping or None
        ``params`` beside one of MLflow's forms.
    counts : bool
        It is one that metrics count.
    note : Any
        What `preprocess` leaves there for `postprocess`.
    """

    __slots__ = (
        "accept",
        "attributes",
        "body",
        "content_type",
        "counts",
        "done",
        "form",
        "note",
        "params",
        "started",
        "to",
    )

    def __init__(
        self, headers: Mapping[str, str], body: bytes, to: Answerer, started: float
    ) -> None:
        self.content_type = headers.get("content-type") or "application/json"
        self.accept = headers.get("accept") or "*/*"
        self.attributes = headers.get(ATTRIBUTES, "")
        self.body = body
        self.to = to
        self.started = started
        self.form: str | None = None
        self.params: Mapping[str, Any] | None = None
        self.note: Any = None
        self.done = False
        self.counts = False

    def answer(self, answer: Answer) -> None:
        """Answer it, unless it is already."""
        if not self.done:
            self.done = True
            self.to.answer(self, answer)


_current: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The request that is being worked on.

    In a `predict` of several requests it is the first of them: requests with custom attributes or
    parameters are always predicted alone.
    """
    return _current.get()


def enter(call: Call) -> None:
    """Say which request is being worked on."""
    _current.set(call)
