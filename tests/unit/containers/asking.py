"""A model is asked as its server asks it, without a server."""

from typing import Any

import orjson

from model_server import Model
from model_server.calls import Answer, Call
from model_server.prediction import Predictor


class Nowhere:
    """Where answers go that are looked at otherwise."""

    def answer(self, call: Call, answer: Answer) -> None:
        raise AssertionError(answer)


def call(body: str | bytes, kind: str = "application/json", **headers: str) -> Call:
    """A request with these headers beside its content type."""
    content = body.encode() if isinstance(body, str) else body
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call({"content-type": kind, **names}, content, Nowhere(), 0.0)


def predictor(model: Model, *, rows: int = 1000, failures: int = 5) -> Predictor:
    return Predictor(model, rows=rows, failures=failures)


def ask(model: Model, body: str | bytes, kind: str = "application/json", **headers: str) -> Answer:
    """What a model answers to one request."""
    return predictor(model).run([call(body, kind, **headers)])[0]


def said(answer: Answer) -> Any:
    """What an answer in JSON says; of an error its message."""
    content = orjson.loads(answer.body)
    if answer.status >= 400:
        assert set(content) == {"error"}
        assert set(content["error"]) == {"code", "message"}
        return content["error"]["message"]
    return content
