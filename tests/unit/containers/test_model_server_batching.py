"""Requests that are predicted together are answered as if each had been alone."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_server import InputError, Model, current
from model_server import batching as module
from model_server.batching import Batcher
from model_server.calls import Answer, Call
from model_server.health import Health
from tests.unit.containers.asking import ask, call, predictor, said


class Rows(Model):
    """A result for each row, and a note of how many rows each run had."""

    batches = True

    def __init__(self) -> None:
        self.runs: list[int] = []

    def predict(self, data: Any) -> Any:
        array = data.to_numpy(dtype=float) if isinstance(data, pd.DataFrame) else data
        if isinstance(array, dict):
            array = np.stack([np.asarray(column, dtype=float) for column in array.values()], 1)
        self.runs.append(len(array))
        if (array == 13).any():
            raise RuntimeError("a secret of the model")
        if (array == 14).any():
            raise InputError("14 is not served")
        return array.reshape(len(array), -1).sum(axis=1)


class Tables(Rows):
    def predict(self, data: Any) -> Any:
        return pd.DataFrame({"sum": super().predict(data)})


class Columns(Rows):
    def predict(self, data: Any) -> Any:
        sums = super().predict(data)
        return {"sum": sums, "text": [str(value) for value in sums]}


class Total(Rows):
    """One result for all rows: it says that it batches, and does not."""

    def predict(self, data: Any) -> Any:
        return float(super().predict(data).sum())


def bodies() -> st.SearchStrategy[str]:
    """Requests of several forms, widths and types, some of them wrong or poisonous."""
    number = st.integers(0, 16) | st.floats(0, 10, width=16)
    rows = st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(number, min_size=width, max_size=width), min_size=1, max_size=4
        )
    )
    forms = st.one_of(
        rows.map(lambda found: {"inputs": found}),
        rows.map(lambda found: {"dataframe_split": {"data": found}}),
        rows.map(lambda found: {"instances": [{"a": row[0], "b": row[-1]} for row in found]}),
    )
    return forms.map(json.dumps) | st.sampled_from(["{", '{"inputs": [[1], [2, 3]]}'])


def without_number(answer: Answer) -> tuple[int, str, str]:
    """An answer, but for the number that a failure has in the log."""
    text = answer.body.decode()
    for number in answer.headers.values():
        text = text.replace(number, "#")
    return answer.status, answer.kind, text


class TestPredictor:
    @given(
        st.lists(
            st.tuples(bodies(), st.sampled_from(["*/*", "text/csv", "image/png"])), min_size=2
        ),
        st.sampled_from([Rows, Tables, Columns, Total]),
        st.integers(1, 20),
    )
    def test_together_is_as_alone(
        self, given_: list[tuple[str, str]], kind: type[Rows], most: int
    ) -> None:
        calls = [call(body, accept=accept) for body, accept in given_]
        together = predictor(kind(), rows=most, failures=1000).run(calls)
        alone = [
            predictor(kind(), rows=most, failures=1000).run([call(body, accept=accept)])[0]
            for body, accept in given_
        ]
        assert [*map(without_number, together)] == [*map(without_number, alone)]
        assert not any(b"secret" in answer.body for answer in together)

    def test_what_fits_is_one_run(self) -> None:
        model = Rows()
        calls = [call(json.dumps({"inputs": [[n, n]]})) for n in range(8)]
        answers = predictor(model).run(calls)
        assert [said(answer)["predictions"] for answer in answers] == [[2 * n] for n in range(8)]
        assert model.runs == [8]

    def test_what_does_not_fit_is_a_run_of_its_own(self) -> None:
        model = Rows()
        given_ = [[[1, 2]], [[1.5, 2]], [[1, 2, 3]], [[3, 4]], [[2.5, 1]]]
        predictor(model).run([call(json.dumps({"inputs": rows})) for rows in given_])
        assert sorted(model.runs) == [1, 2, 2]

    def test_no_run_has_more_rows_than_allowed(self) -> None:
        model = Rows()
        rows = [call(json.dumps({"inputs": [[1]] * 3})) for _ in range(4)]
        predictor(model, rows=7).run(rows)
        assert model.runs == [6, 6]

    def test_one_that_fails_does_not_fail_its_neighbours(self) -> None:
        model = Rows()
        calls = [call(json.dumps({"inputs": [[n]]})) for n in (1, 13, 2, 14)]
        answers = predictor(model).run(calls)
        assert [answer.status for answer in answers] == [200, 500, 200, 400]
        assert said(answers[3]) == "14 is not served"
        assert model.runs == [4, 1, 1, 1, 1]

    def test_what_has_attributes_or_parameters_is_alone(self) -> None:
        model = Rows()
        plain = [call('{"inputs": [[1]]}') for _ in range(2)]
        marked = call('{"inputs": [[1]]}', x_amzn_sagemaker_custom_attributes="a")
        with_params = call('{"inputs": [[1]], "params": {"a": 1}}')
        predictor(model).run([*plain, marked, with_params])
        assert sorted(model.runs) == [1, 1, 2]

    def test_each_postprocess_knows_its_own_request(self) -> None:
        class Noted(Rows):
            def preprocess(self, data: Any) -> Any:
                current().note = data.tolist()
                return data

            def postprocess(self, result: Any) -> Any:
                return [current().note, result.tolist()]

        answers = predictor(Noted()).run([call(json.dumps({"inputs": [[n]]})) for n in range(4)])
        assert [said(answer)["predictions"] for answer in answers] == [
            [[[n]], [n]] for n in range(4)
        ]

    def test_too_many_rows_are_refused(self) -> None:
        answer = predictor(Rows(), rows=2).run([call('{"inputs": [[1], [2], [3]]}')])[0]
        assert (answer.status, said(answer)) == (413, "3 rows are more than 2.")


class TestBroken:
    class Mortal(Model):
        dead = False

        def predict(self, data: Any) -> Any:
            if self.dead or data[0] == 13:
                raise RuntimeError("a secret of the model")
            return data

    def run(self, given_: Sequence[int], probe: bytes | None, dies_at: int = -1) -> list[bool]:
        """Whether it is broken after each request."""
        model = self.Mortal()
        model.probe = probe
        asked = predictor(model, failures=3)
        found = []
        for number, value in enumerate(given_):
            model.dead = number == dies_at or model.dead
            asked.run([call(json.dumps({"inputs": [value]}))])
            found.append(asked.broken)
        return found

    def test_bad_input_breaks_nothing_that_answered_before(self) -> None:
        assert not any(self.run([1, *[13] * 9], None))
        assert not any(self.run([13] * 9, b'{"inputs": [1]}'))

    def test_a_model_that_dies_is_broken(self) -> None:
        assert self.run([1, 1, 1, 1, 1], None, dies_at=1) == [False, False, False, True, True]

    def test_a_model_that_never_answered_is_broken(self) -> None:
        assert self.run([13, 13, 13], None) == [False, False, True]

    def test_a_model_that_answers_again_is_not(self) -> None:
        assert self.run([13, 13, 13, 1], None) == [False, False, True, False]

    def test_what_the_client_did_wrong_is_no_failure(self) -> None:
        asked = predictor(Rows(), failures=1)
        for body in ("{", '{"inputs": [[14]]}', '{"inputs": [[1], [2, 3]]}'):
            assert asked.run([call(body)])[0].status == 400
        assert not asked.broken


class Client:
    """Collects its answers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def answer(self, call: Call, answer: Answer) -> None:
        self.answers.append(answer)


def batcher(
    run: Callable[[Sequence[Call]], list[Answer]], *, most: int = 10, waiting: int = 100
) -> Batcher:
    slot = Health(1, 60).slots[0]
    loop = asyncio.get_running_loop()
    return Batcher(loop, run, slot, most=most, waiting=waiting, timeout=0.05)


def request(client: Client, body: bytes = b"") -> Call:
    return Call({}, body, client, time.monotonic())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


class TestBatcher:
    def test_what_comes_while_the_model_is_at_work_is_predicted_together(self) -> None:
        go = threading.Event()
        runs: list[int] = []

        def run(calls: Sequence[Call]) -> list[Answer]:
            runs.append(len(calls))
            assert go.wait(10)
            return [Answer(200, call.body) for call in calls]

        async def scene() -> None:
            client, asked = Client(), batcher(run)
            asked.add(request(client, b"0"))
            await until(lambda: runs == [1])
            for number in range(1, 13):
                asked.add(request(client, b"%d" % number))
            assert not asked.idle
            go.set()
            await until(lambda: len(client.answers) == 13)
            assert runs == [1, 10, 2]
            assert [answer.body for answer in client.answers] == [b"%d" % n for n in range(13)]
            await until(lambda: asked.idle)

        asyncio.run(scene())

    def test_who_comes_when_too_many_wait_is_refused(self) -> None:
        async def scene() -> None:
            client, asked = (
                Client(),
                batcher(lambda calls: [Answer(200, b"")] * len(calls), waiting=2),
            )
            for _ in range(3):
                asked.add(request(client))
            assert [answer.status for answer in client.answers] == [503]
            assert client.answers[0].headers == {"retry-after": "1"}
            await until(lambda: len(client.answers) == 3)

        asyncio.run(scene())

    def test_who_waited_too_long_is_told(self) -> None:
        go = threading.Event()

        def run(calls: Sequence[Call]) -> list[Answer]:
            assert go.wait(10)
            return [Answer(200, b"")] * len(calls)

        async def scene() -> None:
            client, asked = Client(), batcher(run, most=1)
            asked.add(request(client))
            asked.add(request(client))
            await asyncio.sleep(0.1)
            asked.give_up_late()
            assert [answer.status for answer in client.answers] == [504, 504]
            go.set()
            await until(lambda: asked.idle)
            assert len(client.answers) == 2, "nobody is answered twice"

        asyncio.run(scene())

    def test_what_is_quick_is_predicted_in_the_loop_itself(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "QUICK", 60)  # whatever this machine does
        threads: list[threading.Thread] = []

        def run(calls: Sequence[Call]) -> list[Answer]:
            threads.append(threading.current_thread())
            return [Answer(200, b"")] * len(calls)

        async def scene() -> None:
            client, asked = Client(), batcher(run)
            for number in range(3):
                asked.add(request(client))
                await until(lambda: len(client.answers) > number)  # noqa: B023
            asked.add(request(client, b" " * (module.SMALL + 1)))
            await until(lambda: len(client.answers) == 4)

        asyncio.run(scene())
        main = threading.main_thread()
        assert [thread is main for thread in threads] == [False, True, True, False]

    def test_what_ends_the_models_thread_is_answered(self) -> None:
        def run(calls: Sequence[Call]) -> list[Answer]:
            raise SystemExit("a secret of the model")

        async def scene() -> None:
            client, asked = Client(), batcher(run)
            asked.add(request(client))
            await until(lambda: len(client.answers) == 1)
            assert client.answers[0].status == 500
            assert b"secret" not in client.answers[0].body
            assert asked.idle

        asyncio.run(scene())


def test_a_batch_is_off_where_the_model_says_nothing() -> None:
    assert not Model.batches
    assert ask(Model(), '{"inputs": [[1]]}').status == 500, "there is no predict"
    Model().load(Path())
