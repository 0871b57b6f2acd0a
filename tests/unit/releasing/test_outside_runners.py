"""Releases that GitHub or GitLab runs: nobody here can ask about their executions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from releasing import ledger
from releasing.services import SILENCE
from tests.unit.releasing.world import FakeCdk, World

GITHUB = "github-4711"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def begun(world: World, promotion: str) -> None:
    """GitHub's execution of a promotion has begun."""
    world.codepipeline.promotions[GITHUB] = promotion
    assert world.step("prepare", GITHUB) == "done"


def half_way(world: World, promotion: str) -> None:
    """It was killed as it deployed."""
    journal = world.services().journal("iris")
    attempt = journal.of(promotion)
    assert attempt
    journal.advance(attempt, step="deploying")


def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written from now on was written before that much silence."""
    at = datetime.now(UTC) - SILENCE - timedelta(minutes=1)
    monkeypatch.setattr(ledger, "now", lambda: at.strftime("%Y-%m-%dT%H:%M:%SZ"))


class TestTheSamePromotion:
    def test_is_left_to_github_where_that_began_first(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promotion = world.promote(8)
        begun(world, promotion)
        other, said = world.execution(promotion), []
        deploy = FakeCdk.deploy

        def meanwhile(cdk: FakeCdk, assembly: Path, *stacks: str) -> None:
            said.append(world.step("prepare", other))
            deploy(cdk, assembly, *stacks)

        monkeypatch.setattr(FakeCdk, "deploy", meanwhile)
        assert world.step("deploy", GITHUB) == "done"
        assert world.step("deploy", other) == "done"
        assert world.step("verify", GITHUB) == "done"
        assert said == ["done"]
        assert (world.outcome(promotion), world.recorded, world.updates) == ("served", 8, [8])
        assert any(f"execution {GITHUB} releases this promotion" in it for it in world.said)

    def test_is_left_to_the_pipeline_where_that_began_first(self, world: World) -> None:
        promotion = world.promote(8)
        execution = world.execution(promotion)
        assert world.step("prepare", execution) == "done"
        begun(world, promotion)
        assert world.step("deploy", GITHUB) == "done"
        assert world.updates == []
        assert world.release(promotion, execution) == "served"


class TestARunnerThatIsGone:
    def test_counts_as_at_work_for_some_hours(self, world: World) -> None:
        promotion = world.promote(8)
        begun(world, promotion)
        half_way(world, promotion)
        assert world.drift() == {}
        assert world.outcome(promotion) == "running"

    def test_is_cleaned_up_after_that(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        promotion = world.promote(8)
        with monkeypatch.context() as patched:
            long_ago(patched)
            begun(world, promotion)
            half_way(world, promotion)
        assert world.drift() == {"iris": []}
        assert (world.outcome(promotion), world.serves) == ("rolled back", 7)
        assert len(world.sns.messages) == 1

    def test_does_not_keep_what_is_promoted_next_waiting(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            long_ago(patched)
            first = world.promote(8)
            begun(world, first)
            half_way(world, first)
        assert world.release(world.promote(9)) == "served"
        assert (world.serves, world.recorded) == (9, 9)
