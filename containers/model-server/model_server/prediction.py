"""From bodies to answers: decode, preprocess, predict, postprocess, encode."""

import logging
import secrets
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from model_server import content
from model_server.calls import Answer, Answerer, Call, enter
from model_server.decoding import decode
from model_server.encoding import Offer, choose, encode
from model_server.errors import CallError, InputError, error_body
from model_server.model import Model
from model_server.stacking import NotStackableError, kind, rows, split, stack

KEPT = 64 * 1024
"""The largest body, in bytes, that is kept to try the model with."""

log = logging.getLogger("model_server")


@dataclass(slots=True)
class Prepared:
    """A request that is ready to be predicted.

    Parameters
    ----------
    call
        The request.
    kinds
        What it may be answered in.
    data
        What `preprocess` made of it.
    rows
        How many rows that is.
    """

    call: Call
    kinds: Offer
    data: Any
    rows: int


class Predictor:
    """Answers requests with a model; one thread at a time.

    Parameters
    ----------
    model
        The model, which is loaded.
    rows
        The most rows of a request, and of several that are predicted together.
    failures
        Failures in a row after which it is asked whether the model is broken.

    Attributes
    ----------
    broken : bool
        The model failed several times, and then with what it could answer before.
    """

    def __init__(self, model: Model, *, rows: int, failures: int) -> None:
        self.broken = False
        self._model = model
        self._rows = rows
        self._most_failures = failures
        self._failures = 0
        self._good: tuple[str, bytes] | None = None
        if model.probe is not None:
            self._good = (content.JSON, model.probe)

    def run(self, calls: Sequence[Call]) -> list[Answer]:
        """The answer of each call; several may be predicted together.

        Parameters
        ----------
        calls
            Calls of a model whose rows do not depend on each other, or one call.
        """
        answers = [self._answer(calls[0])] if len(calls) == 1 else self._answer_all(calls)
        if self._failures >= self._most_failures:
            self._failures = 0
            self.broken = not self.try_again()
        return answers

    def _answer(self, call: Call) -> Answer:
        try:
            one = self._prepare(call)
        except Exception as error:
            return self._failed(error)
        return self._alone(one)

    def _answer_all(self, calls: Sequence[Call]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        prepared = []
        for call in calls:
            try:
                prepared.append(self._prepare(call))
            except Exception as error:
                answers[id(call)] = self._failed(error)
        for group in self._groups(prepared):
            if len(group) > 1:
                try:
                    results = self._together(group)
                except Exception as error:
                    # Each by itself: one that fails does not fail its neighbours.
                    if isinstance(error, NotStackableError):
                        log.warning("Requests are not predicted together: %s", error)
                else:
                    for one, result in zip(group, results, strict=True):
                        answers[id(one.call)] = self._finish(one, result)
                    continue
            for one in group:
                answers[id(one.call)] = self._alone(one)
        return [answers[id(call)] for call in calls]

    def try_again(self) -> bool:
        """Whether the model still answers what it could answer before; False where it never did.

        It is also how a model is tried before the first request.
        """
        if self._good is None:
            log.error("The model fails, and has never answered")
            return False
        kind, body = self._good
        try:
            one = self._prepare(Call({"content-type": kind}, body, _NOWHERE, 0.0))
            self._model.postprocess(self._model.predict(one.data))
        except Exception:
            log.exception("The model fails with what it can answer")
            return False
        return True

    def _prepare(self, call: Call) -> Prepared:
        kinds = choose(call, self._model)
        enter(call)
        data = self._model.preprocess(decode(call, self._model))
        count = rows(data)
        if count > self._rows:
            raise CallError(413, "too_many_rows", f"{count} rows are more than {self._rows}.")
        return Prepared(call, kinds, data, count)

    def _groups(self, prepared: Sequence[Prepared]) -> list[list[Prepared]]:
        """Those that can be predicted together; each in a group of its own where it cannot."""
        groups: list[list[Prepared]] = []
        open_groups: dict[Hashable, tuple[list[Prepared], int]] = {}
        for one in prepared:
            key = None if one.call.attributes or one.call.params else kind(one.data)
            group, count = open_groups.get(key, ([], 0))
            if key is None or not group or count + one.rows > self._rows:
                group, count = [], 0
                groups.append(group)
            group.append(one)
            if key is not None:
                open_groups[key] = (group, count + one.rows)
        return groups

    def _together(self, group: Sequence[Prepared]) -> list[Any]:
        enter(group[0].call)
        result = self._model.predict(stack([one.data for one in group]))
        return split(result, [one.rows for one in group])

    def _alone(self, one: Prepared) -> Answer:
        # What prepared it may have prepared another since.
        enter(one.call)
        try:
            result = self._model.predict(one.data)
        except Exception as error:
            return self._failed(error)
        return self._finish(one, result)

    def _finish(self, one: Prepared, result: Any) -> Answer:
        enter(one.call)
        try:
            answer = encode(self._model.postprocess(result), one.kinds, self._model)
        except Exception as error:
            return self._failed(error)
        self._failures = 0
        self.broken = False
        if not answer.streams and len(one.call.body) <= KEPT:
            self._good = (one.call.content_type, one.call.body)
        return answer

    def _failed(self, error: Exception) -> Answer:
        """What the client is told: never what the model's code said, but for an `InputError`."""
        if isinstance(error, InputError):
            return Answer(400, error_body("bad_input", str(error)))
        if isinstance(error, CallError):
            body = error_body(error.code, str(error))
            return Answer(error.status, body, headers=error.headers)
        self._failures += 1
        return model_failure(error)


def model_failure(error: BaseException) -> Answer:
    """Log a model's failure with a number, and tell the client the number."""
    number = secrets.token_hex(4)
    log.error("The model failed, request %s", number, exc_info=error)
    message = f"The model failed; its log says why at request {number}."
    return Answer(500, error_body("model_failed", message), headers={"x-request-id": number})


class _Nowhere(Answerer):
    def answer(self, call: Call, answer: Answer) -> None:
        raise AssertionError("nobody asked")


_NOWHERE = _Nowhere()
