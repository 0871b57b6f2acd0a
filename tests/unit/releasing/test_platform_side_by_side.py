"""The stacks of endpoints are updated side by side: how many, until when, and where one fails."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pytest

from operations.errors import OperationError
from releasing.platform_change import KEY
from releasing.platform_deploy import BEGINS, SIDE_BY_SIDE, platform_deploy
from tests.unit.releasing.platform_world import FIG, IRIS, KIWI, FakePlatformCdk, PlatformWorld
from tests.unit.releasing.world import RELEASES

PEAR = "Endpoint-pear"
ENDPOINTS = (FIG, IRIS, KIWI, PEAR)
FAILED = "Mend it, and propose it again; or try the stage again."


@pytest.fixture
def world(tmp_path: Path) -> PlatformWorld:
    return PlatformWorld(tmp_path, FIG, KIWI, PEAR)


def prepared(world: PlatformWorld, *stacks: str) -> tuple[str, str]:
    """A proposal that changes some stacks, and its execution, which stands before its approval."""
    proposal = world.propose("second", **{it.replace("-", "_"): 2 for it in stacks})
    execution = world.start(proposal)
    assert world.platform_step("platform-prepare", execution) == "done", world.said[-1]
    return proposal, execution


def deploy(world: PlatformWorld, proposal: str, execution: str, clock: Iterator[float]) -> None:
    """Run the step where it is later at each look."""
    services = replace(world.services(execution), clock=clock.__next__)
    platform_deploy(services, proposal, execution, world.digest(execution))


class TestHowMany:
    def test_a_hundred_endpoints_are_updated_in_five_times(self, tmp_path: Path) -> None:
        names = [f"Endpoint-e{number:02}" for number in range(99)]
        world = PlatformWorld(tmp_path, *names)
        proposal, execution = prepared(world, "Network", IRIS, *names, "Release")
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"
        updates = [it for it in world.at_once if it]
        assert updates == [1, *[SIDE_BY_SIDE] * 5, 1]
        assert world.changed == ["Network", *names, IRIS, "Release"]

    def test_one_that_is_being_released_keeps_no_other_waiting(
        self, world: PlatformWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("releasing.platform_deploy.SIDE_BY_SIDE", 2)
        proposal, execution = prepared(world, *ENDPOINTS)
        releasing = world.execution(world.promote(8))
        for step in ("prepare", "deploy"):
            assert world.step(step, releasing) == "done"
        world.changed.clear()
        deployed_meanwhile: list[list[str]] = []

        def sleep(seconds: float) -> None:
            deployed_meanwhile.append(list(world.changed))
            assert world.step("verify", releasing) == "done"

        platform_deploy(
            replace(world.services(execution), sleep=sleep),
            proposal,
            execution,
            world.digest(execution),
        )
        assert deployed_meanwhile == [[FIG, KIWI, PEAR]]
        change = world.change_of(proposal)
        assert (change.outcome, set(change.left)) == ("deployed", {IRIS})


class TestWhereAReleaseComesInBetween:
    def test_what_it_recorded_is_not_taken_back(self, tmp_path: Path) -> None:
        world = PlatformWorld(tmp_path, FIG, KIWI)
        proposal, execution = prepared(world, IRIS, KIWI)
        # A release of another one was left half way, and is waited for.
        latest = json.loads(world.body("attempts/iris.json"))
        dead = {"endpoint": "kiwi", "outcome": "running", "step": "deploying", "notified": False}
        dead |= {"execution": "by hand"}
        world.s3.write(RELEASES, "attempts/kiwi.json", json.dumps({**latest, **dead}).encode())
        released: list[str] = []

        def sleep(seconds: float) -> None:
            if not released:
                other = world.execution(world.promote(8))
                released.extend(world.step(it, other) for it in ("prepare", "deploy", "verify"))

        services = replace(world.services(execution), sleep=sleep)
        platform_deploy(services, proposal, execution, world.digest(execution))
        assert released == ["done", "done", "done"]
        template = world.stacks[IRIS].template
        assert template
        assert (template["served"]["model"][1], world.recorded) == (8, 8)
        change = world.change_of(proposal)
        assert change.outcome == "deployed"
        assert "another version was released" in change.left[IRIS]
        assert "left half way" in change.left[KIWI]


class TestWhereOneFails:
    @pytest.fixture(autouse=True)
    def two_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("releasing.platform_deploy.SIDE_BY_SIDE", 2)

    def test_the_one_beside_it_comes_to_its_end_and_no_other_is_begun(
        self, world: PlatformWorld
    ) -> None:
        world.broken = {FIG}
        proposal, execution = prepared(world, *ENDPOINTS, "Release")
        assert world.platform_step("platform-deploy", execution) == "failed"
        assert world.changed == [FIG, IRIS]
        assert world.values[IRIS] == 2
        change = world.change_of(proposal)
        assert (change.outcome, change.touched, change.begun) == ("failed", (IRIS,), {})
        (message,) = world.sns.messages
        assert message["deployed"] == ["Network", "Data", "Tracking", "Api", IRIS]
        assert message["reason"] == change.reason
        assert change.reason == (
            f"{FIG}: CloudFormation rolled it back. Endpoint: the alarm Errors was in ALARM"
            f" 'cdk deploy' ended with status 1. See its output. {FAILED}"
            f" Deployed: Network, Data, Tracking, Api, {IRIS}."
            f" Not deployed: {FIG}, {KIWI}, {PEAR}, Release."
        )

    def test_each_that_fails_is_named(self, world: PlatformWorld) -> None:
        world.broken = {FIG, IRIS}
        proposal, execution = prepared(world, *ENDPOINTS)
        assert world.platform_step("platform-deploy", execution) == "failed"
        reason = world.change_of(proposal).reason
        assert reason.count("CloudFormation rolled it back. Endpoint: the alarm Errors") == 2
        assert f"{IRIS}: CloudFormation rolled it back" in reason

    def test_what_has_nothing_to_change_is_not_blamed(self, world: PlatformWorld) -> None:
        world.broken = {FIG}
        proposal, execution = prepared(world, FIG)
        assert world.platform_step("platform-deploy", execution) == "failed"
        assert "was not updated" not in world.change_of(proposal).reason

    def test_the_stage_tried_again_deploys_the_rest_once(self, world: PlatformWorld) -> None:
        world.broken = {FIG}
        proposal, execution = prepared(world, *ENDPOINTS)
        world.platform_step("platform-deploy", execution)
        world.broken = set()
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"
        assert world.changed == [FIG, IRIS, FIG, KIWI, PEAR]
        assert len(world.sns.messages) == 1

    def test_the_cdk_cli_may_fail_with_all_of_them_updated(self, world: PlatformWorld) -> None:
        """What it does besides may fail: CloudFormation says what became of a stack."""

        class Throttled(FakePlatformCdk):
            def deploy(self, assembly: Path, *stacks: str) -> None:
                super().deploy(assembly, *stacks)
                if FIG in stacks:
                    raise OperationError("'cdk deploy' ended with status 1.", "See its output.")

        proposal, execution = prepared(world, *ENDPOINTS)
        services = replace(world.services(execution), cdk=Throttled(world))
        platform_deploy(services, proposal, execution, world.digest(execution))
        assert world.changed == list(ENDPOINTS)
        assert world.outcome_of(proposal) == "deployed"

    def test_the_cdk_cli_may_fail_with_none_of_them_updated(self, world: PlatformWorld) -> None:
        class Broken(FakePlatformCdk):
            def deploy(self, assembly: Path, *stacks: str) -> None:
                if FIG in stacks:
                    raise OperationError("'cdk deploy' ended with status 1.", "See its output.")
                super().deploy(assembly, *stacks)

        proposal, execution = prepared(world, *ENDPOINTS)
        services = replace(world.services(execution), cdk=Broken(world))
        with pytest.raises(OperationError, match=f"{FIG} was not updated.* {IRIS} was not updated"):
            platform_deploy(services, proposal, execution, world.digest(execution))
        assert world.changed == []
        change = world.change_of(proposal)
        assert (change.outcome, change.begun) == ("failed", {})


class TestTheTimeOfABuild:
    @pytest.fixture(autouse=True)
    def one_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("releasing.platform_deploy.SIDE_BY_SIDE", 1)

    def test_none_is_begun_that_may_outlast_it_and_the_stage_tried_again_goes_on(
        self, world: PlatformWorld
    ) -> None:
        proposal, execution = prepared(world, "Network", *ENDPOINTS, "Release")
        # Its start, and two looks for each endpoint that is begun.
        clock = chain([0.0, 0.0, 0.0, BEGINS, BEGINS], repeat(BEGINS + 1.0))
        with pytest.raises(OperationError, match="2 endpoints wait still: 5 hours after") as error:
            deploy(world, proposal, execution, clock)
        assert error.value.fix == (
            "Try the stage Deploy of its pipeline again: it goes on with them."
        )
        assert world.changed == ["Network", FIG, IRIS]
        (message,) = world.sns.messages
        assert message["outcome"] == "failed"
        assert str(error.value) in message["reason"]
        assert f"Not deployed: {KIWI}, {PEAR}, Release." in message["reason"]
        assert world.app == "first"
        deploy(world, proposal, execution, repeat(0.0))
        assert world.changed == ["Network", FIG, IRIS, KIWI, PEAR, "Release"]
        assert (world.outcome_of(proposal), world.app) == ("deployed", "second")
        assert len(world.sns.messages) == 1

    def test_a_release_that_was_waited_for_too_long(self, world: PlatformWorld) -> None:
        proposal, execution = prepared(world, *ENDPOINTS)
        with pytest.raises(OperationError, match="4 endpoints wait still"):
            deploy(world, proposal, execution, chain([0.0, 0.0], repeat(BEGINS + 1.0)))
        assert world.changed == []
        assert world.change_of(proposal).begun == {}

    def test_a_build_that_ends_before_them_says_how_to_go_on(
        self, world: PlatformWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """CodeBuild ends it, CloudFormation does not end what it is at."""
        monkeypatch.setattr("releasing.platform_deploy.SIDE_BY_SIDE", 3)
        world.broken = {KIWI}
        proposal, execution = prepared(world, *ENDPOINTS, "Release")

        class Gone(BaseException):
            """The build is gone."""

        def gone(stack: str) -> None:
            if stack == FIG:
                raise Gone

        world.updated = gone
        with pytest.raises(Gone):
            world.platform_step("platform-deploy", execution)
        assert set(world.moving) == {IRIS, KIWI}
        assert set(world.change_of(proposal).begun) == {FIG, IRIS, KIWI}
        world.updated = lambda stack: None
        world.platform.status[execution] = "Failed"
        assert world.platform_step("platform-close", execution) == "done"
        (message,) = world.sns.messages
        assert message["reason"].endswith(
            f"Deployed: Network, Data, Tracking, Api, {FIG}, {IRIS}."
            f" Not deployed: {KIWI}, {PEAR}, Release."
            " Its stage Deploy, tried again, goes on with the rest."
        )
        world.broken, world.platform.status[execution] = set(), "InProgress"
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"
        assert world.changed == [FIG, IRIS, KIWI, KIWI, PEAR, "Release"]


def test_what_is_not_known_is_not_said_to_be_deployed_or_not(world: PlatformWorld) -> None:
    """CloudFormation does not answer any more when it is asked what became of them."""
    proposal, execution = prepared(world, *ENDPOINTS)
    services = world.services(execution)

    class Silent(FakePlatformCdk):
        def deploy(self, assembly: Path, *stacks: str) -> None:
            super().deploy(assembly, *stacks)
            if KIWI in stacks:
                world.stack.describe_stacks = refuses  # type: ignore[method-assign]

    def refuses(StackName: str) -> dict[str, object]:  # noqa: N803
        raise OperationError("CloudFormation does not answer.", "Try again.")

    with pytest.raises(OperationError, match="does not answer"):
        platform_deploy(
            replace(services, cdk=Silent(world)), proposal, execution, world.digest(execution)
        )
    reason = world.change_of(proposal).reason
    assert f"Deployed: Network, Data, Tracking, Api, {FIG}." in reason
    assert f"Begun: {IRIS}, {KIWI}, {PEAR}. Not deployed: Release." in reason


def test_a_journal_of_before_is_read(world: PlatformWorld) -> None:
    proposal, execution = prepared(world, *ENDPOINTS)
    stored = json.loads(world.body(KEY))
    del stored["begun"]
    world.s3.write(RELEASES, KEY, json.dumps({**stored, "current": "", "updated": ""}).encode())
    assert world.platform_step("platform-deploy", execution) == "done"
    assert world.outcome_of(proposal) == "deployed"
