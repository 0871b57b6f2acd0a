"""How fast waits pass, and what is done again and again."""

import logging
import threading

import pytest

from local.extensions.heartbeat import Heartbeat
from local.extensions.sagemaker.deployer import PacedClock
from local.pace import Pace


@pytest.mark.parametrize(("minute", "expected"), [(1, 10.0), (6, 60.0), (60, 600.0)])
def test_ten_minutes(minute: float, expected: float) -> None:
    assert Pace(minute).seconds(600) == expected


def test_says_how_fast() -> None:
    assert str(Pace(0.5)) == "a minute counts as 0.5 s on this machine"


@pytest.mark.parametrize("minute", [0, -1])
def test_time_does_not_stand_still(minute: float) -> None:
    with pytest.raises(ValueError, match="say how many seconds"):
        Pace(minute)


class TestClock:
    def test_waits_for_what_holds(self) -> None:
        looks = iter([False, False, True])
        assert PacedClock(Pace(60)).wait(3600, lambda: next(looks))

    def test_or_until_the_time_is_over(self) -> None:
        clock = PacedClock(Pace(0.001))
        begun = clock.now()
        assert not clock.wait(60, lambda: False)
        assert clock.now() - begun >= 60


def test_what_fails_is_done_again(caplog: pytest.LogCaptureFixture) -> None:
    heartbeat, beats, again = Heartbeat(0.001), [], threading.Event()

    def work() -> None:
        beats.append(1)
        if len(beats) > 1:
            again.set()
        raise ValueError("not this time")

    heartbeat.add(work)
    with caplog.at_level(logging.CRITICAL):
        heartbeat.start()
        assert again.wait(10)
        heartbeat.stop()
