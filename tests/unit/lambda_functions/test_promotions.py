"""Whatever happens to webhooks: each move of an alias that lasts is one promotion, in order.

The counts are printed.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promoter.errors import LookError
from promoter.messages import DELIVERY, SIGNATURE, TIMESTAMP
from promoter.signing import WINDOW_SECONDS
from tests.unit.lambda_functions.promoting import IRIS, World, alias_body, signed_event, world

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Say:
    """Print a line, though the test succeeds."""

    def said(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {request.node.name}: {line}", end="")

    return said


def assert_followed(promoted: Sequence[int], moves: Sequence[int]) -> None:
    """What was promoted are moves, in their order, none twice, and the last one at the end."""
    rest = iter(moves)
    assert all(version in rest for version in promoted), (promoted, moves)
    assert all(before != after for before, after in pairwise(promoted))
    assert list(promoted[-1:]) == list(moves[-1:])


def all_at_once(tasks: Sequence[Callable[[], Any]], threads: int) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return [each.result() for each in [pool.submit(task) for task in tasks]]


class TestForged:
    def test_nothing_is_looked_at(self, say: Say) -> None:
        here = world()
        here.registry.move(1)
        luck = random.Random(6)  # noqa: S311 - the same forgeries each time
        answers: Counter[int] = Counter()
        for number in range(1000):
            event = here.alias_event(number + 2)
            headers = event["headers"]
            way = number % 5
            if way == 0:
                event["body"] = event["body"].replace("champion", "champioN")
            elif way == 1:
                headers[DELIVERY] = headers[DELIVERY][::-1]
            elif way == 2:
                headers[TIMESTAMP] = str(int(headers[TIMESTAMP]) + 1)
            elif way == 3:
                headers[SIGNATURE] = here.alias_event(1, secret=str(luck.random()))["headers"][
                    SIGNATURE
                ]
            else:
                headers[SIGNATURE] = headers[SIGNATURE].replace("v1,", "v2,")
            answers[here.hear(event)[0]] += 1
        say(f"1000 forged: {dict(answers)}, {here.registry.asked} looks")
        assert answers == {401: 800, 400: 200}
        assert here.registry.asked == 0
        assert not here.s3.versions


class TestReplayed:
    def test_one_is_heard_once(self, say: Say) -> None:
        here = world()
        here.registry.move(1)
        event = here.alias_event(1)
        heard = Counter(str(here.hear(event)[1]["heard"]) for _ in range(200))
        here.registry.move(2)
        here.hear(event)
        say(f"200 times one: heard {dict(heard)}, {here.registry.asked} look")
        assert heard == {"now": 1, "before": 199}
        assert here.registry.asked == 1
        assert here.s3.promoted() == [1]

    def test_much_later_it_is_refused(self) -> None:
        here = world()
        here.registry.move(1)
        event = here.alias_event(1)
        here.hear(event)
        here.clock.pass_(86_400)
        here.s3.versions = {
            key: it for key, it in here.s3.versions.items() if not key.startswith("deliveries/")
        }
        assert here.hear(event)[0] == 401


class TestReordered:
    def test_the_present_counts(self, say: Say) -> None:
        here, luck = world(), random.Random(6)  # noqa: S311 - the same order each time
        waiting = []
        for version in range(1, 301):
            here.registry.move(version)
            waiting.append(here.alias_event(version))
            luck.shuffle(waiting)
            while len(waiting) > 5:
                here.hear(waiting.pop())
        while waiting:
            here.hear(waiting.pop())
        promoted = here.s3.promoted()
        say(f"300 moves, told in any order: {len(promoted)} promotions, the last {promoted[-1]}")
        assert_followed(promoted, here.registry.moves)


class TestDuplicated:
    def test_each_move_is_one_promotion(self, say: Say) -> None:
        here = world()
        answers: Counter[str] = Counter()
        for version in range(1, 51):
            here.registry.move(version)
            event, other = here.alias_event(version), here.alias_event(version)
            tasks = [partial(here.hear, each) for each in [event, other] * 4]
            for status, said in all_at_once(tasks, 8):
                assert status == 200
                answers[said["heard"]] += 1
        promoted = here.s3.promoted()
        say(f"50 moves, each told 8 times at once: {len(promoted)} promotions, {dict(answers)}")
        assert promoted == list(range(1, 51))


class TestDelayed:
    def test_by_an_hour_it_is_refused_and_the_schedule_had_found_it(self, say: Say) -> None:
        here = world()
        answers: Counter[int] = Counter()
        late: list[tuple[float, dict[str, Any]]] = []
        for minute in range(0, 181, 5):
            if minute % 20 == 0:
                here.registry.move(minute // 20 + 1)
                late.append((here.clock() + 3600, here.alias_event(minute // 20 + 1)))
            here.promoter.reconcile()
            here.s3.attempt(here.s3.versions["promotions/iris.json"][-1].id)
            for _, event in [it for it in late if it[0] == here.clock()]:
                answers[here.hear(event)[0]] += 1
            here.clock.pass_(300)
        promoted = here.s3.promoted()
        say(f"10 moves, of 7 told an hour late: {dict(answers)}, promoted {promoted}")
        assert answers == {401: 7}
        assert promoted == here.registry.moves == list(range(1, 11))


class TestBurst:
    @pytest.mark.parametrize("moves", [1, 25])
    def test_of_a_thousand(self, moves: int, say: Say) -> None:
        here = world()
        here.registry.move(1)
        events = [here.alias_event(number) for number in range(1000)]
        moving = iter(range(2, moves + 1))

        def hear(number: int) -> int:
            if number % (1000 // moves) == 0:
                version = next(moving, None)
                if version:
                    here.registry.move(version)
            return here.tell(events[number])

        answers = Counter(all_at_once([partial(hear, number) for number in range(1000)], 32))
        promoted = here.s3.promoted()
        say(f"1000 at once, {moves} moves: {dict(answers)}, {len(promoted)} promotions")
        assert answers == {200: 1000}
        if moves == 1:
            assert promoted == [1]
        # The last move may come after the last look.
        here.promoter.reconcile()
        assert_followed(here.s3.promoted(), here.registry.moves)


class TestDown:
    def test_for_ten_minutes_nothing_is_lost(self, say: Say) -> None:
        here = world()
        answers: Counter[int] = Counter()
        begin = here.clock()

        def up() -> bool:
            return not 600 <= here.clock() - begin < 1200

        last_look = begin
        for version in range(1, 61):
            here.registry.move(version)
            answers[here.tell(here.alias_event(version), up)] += 1
            here.clock.pass_(max(0.0, begin + 30 * version - here.clock()))
            if here.clock() - last_look >= 300:
                last_look = here.clock()
                if up():
                    here.promoter.reconcile()
        here.promoter.reconcile()
        promoted = here.s3.promoted()
        lost = sorted(set(here.registry.moves) - set(promoted))
        say(f"60 moves, down for 10 min: answers {dict(answers)}, {len(promoted)} promotions;")
        say(f"overtaken while it was down: {lost}")
        assert_followed(promoted, here.registry.moves)
        assert set(promoted) | set(lost) == set(range(1, 61))
        assert 15 <= len(lost) <= 22, "those of ten minutes, and no other"

    def test_what_moves_last_while_it_is_down_is_found(self, say: Say) -> None:
        here = world()
        here.registry.move(1)
        assert here.tell(here.alias_event(1)) == 200
        here.registry.move(2)
        assert here.tell(here.alias_event(2), lambda: False) == 0
        here.clock.pass_(600)
        here.promoter.reconcile()
        say(f"told {here.s3.promoted()} after ten minutes, from the schedule")
        assert here.s3.promoted()[-1] == 2

    def test_mlflow_is_down_and_tells_again(self, say: Say) -> None:
        here = world()
        here.registry.move(1)
        event = here.alias_event(1)
        here.registry.down = True
        statuses = [here.hear(event)[0] for _ in range(3)]
        here.registry.down = False
        statuses.append(here.hear(event)[0])
        say(f"one webhook, MLflow away: {statuses}, promoted {here.s3.promoted()}")
        assert statuses == [503, 503, 503, 200]
        assert here.s3.promoted() == [1]


class Turns:
    """Threads that take a step each when it is theirs: any interleaving, and always the same.

    A thread waits before each call to S3 or MLflow, and goes on when it is chosen.
    """

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._condition = threading.Condition()
        self._waiting: list[int] = []
        self._running: set[int] = set()
        self._chosen: int | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        me = threading.get_ident()
        with self._condition:
            if me not in self._running:
                # Not one of the threads that take turns.
                yield
                return
            self._wait(me)
        yield

    def _wait(self, me: int) -> None:
        self._waiting.append(me)
        self._condition.notify_all()
        assert self._condition.wait_for(lambda: self._chosen == me, 10)
        self._chosen = None
        self._waiting.remove(me)

    def run(self, tasks: Sequence[Callable[[], Any]]) -> None:
        """Run tasks to their end."""
        threads = [threading.Thread(target=self._task, args=(task,)) for task in tasks]
        order: list[int] = []
        for thread in threads:
            thread.start()
            with self._condition:
                # One after the other, so that the order of the threads is that of the tasks.
                assert self._condition.wait_for(lambda: len(self._waiting) == len(order) + 1, 10)
                order.append(self._waiting[-1])
        with self._condition:
            while self._running:
                assert self._condition.wait_for(
                    lambda: self._chosen is None and len(self._waiting) == len(self._running), 10
                )
                if self._running:
                    ready = [each for each in order if each in self._running]
                    self._chosen = ready[self._choose(len(ready))]
                    self._condition.notify_all()
        for thread in threads:
            thread.join()

    def _task(self, task: Callable[[], Any]) -> None:
        me = threading.get_ident()
        with self._condition:
            self._running.add(me)
            self._wait(me)
        try:
            task()
        finally:
            with self._condition:
                self._running.remove(me)
                self._condition.notify_all()


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[int], list[str], list[int]]:
    """Versions that an alias is moved to, few of them; who looks meanwhile; whose turn it is."""
    moves = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    looks = draw(st.lists(st.sampled_from(["webhook", "schedule", "old"]), min_size=1, max_size=5))
    return moves, looks, draw(st.lists(st.integers(0, 5), max_size=60))


class TestAnyInterleaving:
    @settings(max_examples=400)
    @given(stories())
    def test_promotions_are_moves_in_order(
        self, story: tuple[list[int], list[str], list[int]]
    ) -> None:
        """Of looks that are interleaved step by step with moves, each of any age."""
        moves, looks, chosen = story
        whose = iter(chosen)
        turns = Turns(lambda many: next(whose, 0) % many)
        here = world(turn=turns)
        here.registry.move(moves[0])

        def move() -> None:
            for version in moves[1:]:
                with turns():
                    here.registry.move(version)

        def look(kind: str) -> None:
            try:
                if kind == "schedule":
                    here.promoter.reconcile()
                else:
                    age = WINDOW_SECONDS + 1 if kind == "old" else 0
                    here.hear(signed_event(alias_body(IRIS, 1), at=here.clock() - age))
            except LookError as error:
                # So many others wrote meanwhile: whoever asked for the look asks again.
                assert "written by others" in str(error)  # noqa: PT017

        turns.run([move, *(partial(look, kind) for kind in looks)])
        rest = iter(here.registry.moves)
        assert all(version in rest for version in here.s3.promoted())
        here.promoter.reconcile()
        assert_followed(here.s3.promoted(), here.registry.moves)

    @settings(max_examples=200)
    @given(st.lists(st.sampled_from(["move", "lose", "tell", "again", "look", "begin", "wait"])))
    def test_nothing_is_lost_whatever_is(self, steps: list[str]) -> None:
        """Moves, webhooks that are lost or told twice, schedules, and pipelines that begin."""
        here: World = world()
        told: list[dict[str, Any]] = []
        version = 0
        for step in ["move", *steps]:
            if step == "move":
                version += 1
                here.registry.move(version)
                told.append(here.alias_event(version))
            elif step == "lose" and told:
                told.pop()
            elif step in ("tell", "again") and told:
                here.hear(told[-1] if step == "again" else told.pop(0))
            elif step == "look":
                here.promoter.reconcile()
            elif step == "begin" and here.s3.promoted():
                here.s3.attempt(here.s3.versions["promotions/iris.json"][-1].id)
            elif step == "wait":
                here.clock.pass_(200)
        here.promoter.reconcile()
        promoted = here.s3.promoted()
        once = [it for i, it in enumerate(promoted) if i == 0 or promoted[i - 1] != it]
        assert_followed(once, here.registry.moves)
        if "wait" not in steps:
            assert promoted == once
