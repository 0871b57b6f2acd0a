"""The first question to a version: whatever answers is asked, and as the API wants it."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from releasing.smoke import START, Answer, Smoke, smoke_test
from stacks.endpoint_config import Endpoint
from stacks.releases import Release
from tests.unit.releasing.world import World

IRIS = {"image": "iris", "model": "models:/iris@champion"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestSmoke:
    def release(self, world: World) -> Any:
        """The same model in every container that the tests name."""
        served = world.services().records.current("iris")
        assert served
        return Release(dict.fromkeys(("model", "one", "two", "copy"), served.release.only))

    def asked(self, world: World, settings: Endpoint, ask: Any) -> Smoke:
        caller = SimpleNamespace(ask=ask)
        return smoke_test("iris", settings, self.release(world), world.s3, caller, lambda _: None)

    def test_an_endpoint_that_is_busy_is_asked_again(self, world: World) -> None:
        answers = [Answer(503, "not ready"), Answer(200, '{"predictions": [{}, {}]}')]

        found = self.asked(world, world.environment.endpoints["iris"], lambda *_: answers.pop(0))
        assert answers == []
        assert "category is missing" in found.faults[0]

    @pytest.mark.parametrize(
        ("settings", "asked"),
        [
            ({**IRIS}, [{}]),
            ({**IRIS, "invocation": "direct"}, [{"Target-Container-Hostname": "model"}]),
            (
                {"variants": {"one": IRIS, "two": IRIS, "copy": {**IRIS, "shadow": True}}},
                [{"Target-Variant": "one"}, {"Target-Variant": "two"}],
            ),
            (
                {"kind": "components", "components": {"models": {"one": IRIS, "two": IRIS}}},
                [{"Inference-Component": "one"}, {"Inference-Component": "two"}],
            ),
        ],
    )
    def test_whatever_answers_is_asked_by_its_name(
        self, world: World, settings: dict[str, Any], asked: list[dict[str, str]]
    ) -> None:
        given: list[dict[str, str]] = []

        def ask(endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
            given.append({it.removeprefix(START): value for it, value in headers.items()})
            return Answer(200, '{"predictions": [{"category": "a"}, {"category": "b"}]}')

        found = self.asked(world, Endpoint.model_validate(settings), ask)
        assert found == Smoke("passed")
        assert given == asked

    def test_one_of_several_that_answers_wrongly_is_named(self, world: World) -> None:
        models = {"kind": "components", "components": {"models": {"one": IRIS, "two": IRIS}}}

        def ask(endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
            wrong = headers[f"{START}Inference-Component"] == "two"
            return Answer(500 if wrong else 200, '[{"category": "a"}, {"category": "b"}]')

        found = self.asked(world, Endpoint.model_validate(models), ask)
        (fault,) = found.faults
        assert fault.startswith("two: the API answered 500")

    @pytest.mark.parametrize(
        ("ends", "said"),
        [(Answer(200, '["a", "b"]'), ""), (Answer(424, "no memory"), "the API answered 424")],
    )
    def test_an_answer_that_comes_later_is_waited_for(
        self, world: World, ends: Answer, said: str
    ) -> None:
        looks, slept = [Answer(202, "{}"), Answer(503, "busy"), ends], list[float]()

        def ask(endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
            assert headers == {"Prefer": "respond-async"}
            return Answer(202, '{"id": "4-1"}')

        def fetch(endpoint: str, invocation: str) -> Answer:
            assert invocation == "4-1"
            return looks.pop(0)

        caller = SimpleNamespace(ask=ask, fetch=fetch)
        settings = Endpoint.model_validate({**IRIS, "kind": "async"})
        found = smoke_test("iris", settings, self.release(world), world.s3, caller, slept.append)
        assert (looks, len(slept)) == ([], 2)
        assert said in " ".join(found.faults)
        assert (found.said == "passed") == (not said)

    def test_one_that_never_answers_is_not_waited_for_for_ever(self, world: World) -> None:
        caller = SimpleNamespace(
            ask=lambda *_: Answer(202, '{"id": "4-1"}'), fetch=lambda *_: Answer(202, "{}")
        )
        settings = Endpoint.model_validate({**IRIS, "kind": "async"})
        found = smoke_test("iris", settings, self.release(world), world.s3, caller, lambda _: None)
        assert "the API answered 202" in found.faults[0]

    def test_a_batch_answers_nobody(self, world: World) -> None:
        batch = Endpoint.model_construct(kind="batch")
        assert self.asked(world, batch, lambda *_: Answer(500, "")).said.startswith("not asked: ")
