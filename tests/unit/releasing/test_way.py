"""A promotion's way: what is written, said and told at each end that it can take."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from diffing.model import Change, Section
from releasing.smoke import Answer
from tests.unit.releasing.world import QUESTION, RELEASES, World

IRIS = "Endpoint-iris"
LOST = Change(Section.DELETED, IRIS, "Bucket", "AWS::S3::Bucket", "is deleted", True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestServed:
    def test_the_version_is_deployed_recorded_and_tagged(self, world: World) -> None:
        assert world.release(world.promote(8)) == "served"
        assert (world.serves, world.recorded, world.updates) == (8, 8, [8])
        assert world.tags(8)[""] == "serving"
        assert world.tags(8)["smoke_test"] == "passed"
        assert world.tags(7)[""] == "replaced by 8"
        assert world.mlflow.aliases["iris", "serving-dev"] == 8
        assert "dev/iris: serving" in world.mlflow.versions["iris", 8].description
        assert world.sns.messages == []

    def test_the_record_says_who_why_and_what_the_model_is(self, world: World) -> None:
        world.release(world.promote(8, by="ben"))
        (text, *_) = [it.body.decode() for it in world.s3.objects[RELEASES, "records/iris.yaml"]]
        for said in (
            "promoted_by: ben",
            "reason: better recall",
            "signature:",
            "smoke_test: passed",
        ):
            assert said in text
        assert "environment_image: private-mlops/dev/iris@sha256:" in text

    def test_the_headline_is_exported_as_one_line(self, world: World) -> None:
        promotion = world.promote(8)
        execution = world.execution(promotion)
        world.step("prepare", execution)
        text = (world.folder / f"workspace-{execution}/build/release.env").read_text()
        assert text == (
            "export HEADLINE='iris: iris version 7 -> iris version 8 by ana (better recall):"
            " 1 change Cost of a month: +$1.00.'\n"
        )

    def test_the_first_release_of_an_endpoint(self, tmp_path: Path) -> None:
        world = World(tmp_path, serving=0)
        assert world.release(world.promote(7)) == "served"
        assert (world.serves, world.recorded) == (7, 7)

    def test_a_model_without_an_example_is_not_said_to_be_tested(self, world: World) -> None:
        world.register(8, example=False)
        world.bad.add(8)
        assert world.release(world.promote(8)) == "served"
        assert "without an input example" in world.tags(8)["smoke_test"]
        record = world.services().records.current("iris")
        assert record
        notes = record.release.only.promotion
        assert notes
        assert notes.smoke_test == world.tags(8)["smoke_test"]

    def test_the_alias_may_move_on_meanwhile(self, world: World) -> None:
        """A promotion is of the version that it names, whatever the alias means by now."""
        promotion = world.promote(8)
        world.mlflow.aliases["iris", "champion"] = 9
        world.release(promotion)
        assert world.serves == 8


class TestNotServed:
    def ends(self, world: World, outcome: str, reason: str) -> None:
        """The former version serves, and everybody knows why."""
        assert (world.serves, world.recorded) == (7, 7)
        assert world.tags(8)[""].startswith(outcome)
        assert reason in world.tags(8)[""]
        assert world.tags(7)[""] == "serving"
        assert world.mlflow.aliases["iris", "serving-dev"] == 7
        (message,) = world.sns.messages
        assert (message["outcome"], message["models"]) == (outcome, {"iris": 8})
        assert reason in message["reason"]

    def test_a_canary_that_is_rolled_back(self, world: World) -> None:
        world.failing.add(8)
        world.sagemaker.failure = "the deployment was rolled back by alarms"
        assert world.release(world.promote(8)) == "rolled back"
        self.ends(world, "rolled back", "the alarm Errors was in ALARM")
        assert "rolled back by alarms" in world.sns.messages[0]["reason"]
        assert "last year" not in world.sns.messages[0]["reason"]

    def test_what_cloudformation_hands_on_of_sagemaker_is_said_once(self, world: World) -> None:
        world.failing.add(8)
        world.sagemaker.failure = "the alarm Errors\n was in ALARM."
        world.release(world.promote(8))
        self.ends(world, "rolled back", "Endpoint: the alarm Errors was in ALARM")
        assert world.sns.messages[0]["reason"].count("ALARM") == 1

    def test_what_serves_is_promoted_after_a_rollback(self, world: World) -> None:
        """Nothing changes then, and the stack stays as the rollback left it."""
        world.failing.add(8)
        world.release(world.promote(8))
        assert world.release(world.promote(7)) == "served"
        assert world.tags(7)[""] == "serving"

    def test_an_answer_that_is_of_another_form(self, world: World) -> None:
        world.bad.add(8)
        assert world.release(world.promote(8)) == "rolled back"
        self.ends(world, "rolled back", "category is 3, which is no string")
        assert world.updates == [8, 7]

    def test_no_answer_is_asked_for_again(self, world: World) -> None:
        asked = []

        def once(endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
            asked.append(question)
            late = Answer(0, "timed out")
            return World.ask(world, endpoint, question, headers) if asked[1:] else late

        world.ask = once  # type: ignore[method-assign]
        assert world.release(world.promote(8)) == "served"
        assert len(asked) == 2

    def test_a_reason_of_many_lines_is_one_line_of_a_version(self, world: World) -> None:
        lines = "".join(f'  File "a/b.py", line {number}\n' for number in range(30))
        world.ask = lambda *_: Answer(500, lines)  # type: ignore[method-assign]
        for _ in range(20):
            assert world.release(world.promote(8)) == "rolled back"
            latest = world.services().journal("iris").latest()
            assert latest
            described = world.mlflow.versions["iris", 8].description.splitlines()
            assert described[-1].startswith(f"{latest.ended} dev/iris: rolled back")
            assert all(" dev/iris: " in line for line in described)

    def test_checks_that_find_something(self, world: World) -> None:
        world.faults = ["proof: a way out"]
        assert world.release(world.promote(8)) == "failed"
        self.ends(world, "failed", "proof: a way out")
        assert world.updates == []

    def test_it_is_proved_with_the_deployed_stacks_that_it_stands_on(self, world: World) -> None:
        assert world.release(world.promote(8)) == "served"
        assert set(world.proved) == {f"{it}.template.json" for it in ("Network", "Data", IRIS)}
        assert world.proved[f"{IRIS}.template.json"] == world.stack.template
        assert world.linted == [f"{IRIS}.template.json"]
        assert world.proved["Data.template.json"] == {"Description": "private-mlops-dev-Data"}

    def test_a_stack_that_it_stands_on_is_not_deployed(self, world: World) -> None:
        world.around.remove("private-mlops-dev-Data")
        assert world.release(world.promote(8)) == "failed"
        self.ends(world, "failed", "The stack Data, which every endpoint stands on")
        assert world.updates == []

    def test_a_destructive_change(self, world: World) -> None:
        world.destructive = (LOST,)
        assert world.release(world.promote(8)) == "failed"
        self.ends(world, "failed", "It would destroy something")

    def test_a_destructive_change_that_the_environment_allows(self, world: World) -> None:
        world.destructive = (LOST,)
        assert world.environment.release
        allowed = world.environment.release.model_copy(update={"destructive": True})
        world.environment = world.environment.model_copy(update={"release": allowed})
        assert world.release(world.promote(8)) == "served"

    def test_an_image_that_is_not_there(self, world: World) -> None:
        world.ecr.images.clear()
        assert world.release(world.promote(8)) == "failed"
        self.ends(world, "failed", "make images ENV=dev")

    def test_a_version_that_is_gone(self, world: World) -> None:
        promotion = world.promote(8)
        del world.mlflow.versions["iris", 8]
        assert world.release(promotion) == "failed"
        (message,) = world.sns.messages
        assert "no version 8" in message["reason"]

    def test_a_stack_that_changed_since_it_was_looked_at(self, world: World) -> None:
        execution = world.execution(world.promote(8))
        world.step("prepare", execution)
        world.stack.updated = world.tick()
        assert world.step("deploy", execution) == "failed"
        self.ends(world, "failed", "updated since its changes were looked at")

    def test_an_assembly_that_is_not_what_was_looked_at(self, world: World) -> None:
        execution = world.execution(world.promote(8))
        world.step("prepare", execution)
        folder = world.folder / f"workspace-{execution}" / "cdk.out"
        (folder / "Endpoint-iris.template.json").write_text("{}")
        assert world.step("deploy", execution) == "failed"
        self.ends(world, "failed", "not what was prepared")

    def test_a_person_who_says_no(self, world: World) -> None:
        execution = world.execution(world.promote(8))
        world.step("prepare", execution)
        world.codepipeline.status[execution] = "Failed"
        world.codepipeline.rejected[execution] = "not on a Friday"
        world.step("close", execution)
        self.ends(world, "failed", "Approve: not on a Friday")

    def test_the_first_release_leaves_nothing_behind(self, tmp_path: Path) -> None:
        world = World(tmp_path, serving=0)
        world.bad.add(8)
        assert world.release(world.promote(8)) == "rolled back"
        assert (world.serves, world.recorded) == (0, 0)

    def test_a_stack_that_nobody_recorded_is_left_alone(self, world: World) -> None:
        del world.s3.objects[RELEASES, "records/iris.yaml"]
        assert world.release(world.promote(8)) == "failed"
        assert "make records-seed ENV=dev" in world.sns.messages[0]["reason"]
        assert world.serves == 7

    def test_mlflow_that_is_away_is_told_later(self, world: World) -> None:
        promotion = world.promote(8)
        world.mlflow.down = True
        assert world.release(promotion) == "failed"
        (message,) = world.sns.messages
        assert "Connection refused" in message["reason"]
        assert world.tags(8) == {}
        world.mlflow.down = False
        world.drift()
        assert world.tags(8)[""].startswith("failed")
        assert len(world.sns.messages) == 1

    def test_closing_twice_tells_once(self, world: World) -> None:
        world.failing.add(8)
        promotion = world.promote(8)
        execution = world.execution(promotion)
        world.release(promotion, execution)
        world.step("close", execution)
        assert len(world.sns.messages) == 1

    def test_it_is_not_tried_again_by_itself(self, world: World) -> None:
        world.failing.add(8)
        promotion = world.promote(8)
        world.release(promotion)
        world.failing.clear()
        assert world.step("prepare", world.execution(promotion)) == "failed"
        assert "make release-again ENDPOINT=iris ENV=dev" in world.said[-1]


class TestOrder:
    """Of two promotions of one endpoint, the newer counts, whatever order they come in."""

    def test_a_newer_one_takes_the_place_of_one_that_waits_for_a_person(self, world: World) -> None:
        first = world.promote(8)
        waiting = world.execution(first)
        world.step("prepare", waiting)
        world.codepipeline.waiting = waiting
        second = world.promote(9)
        assert world.release(second) == "served"
        assert world.codepipeline.rejected[waiting].startswith("Superseded: iris version 9")
        assert world.tags(8)[""] == "superseded by 9"
        assert (world.serves, world.updates) == (9, [9])
        world.step("close", waiting)
        assert [it["outcome"] for it in world.sns.messages] == ["superseded"]

    def test_an_execution_that_has_nothing_to_do_holds_nobody_up(self, world: World) -> None:
        """A second event of one promotion waits for a person who is asked nothing."""
        first = world.promote(8)
        world.release(first)
        idle = world.execution(first)
        assert world.step("prepare", idle) == "done"
        world.codepipeline.waiting = idle
        assert world.release(world.promote(9)) == "served"
        assert idle in world.codepipeline.rejected
        world.step("close", idle)
        assert world.sns.messages == []

    def test_one_that_was_overtaken_deploys_nothing(self, world: World) -> None:
        first, second = world.promote(8), None
        older = world.execution(first)
        world.step("prepare", older)
        second = world.execution(world.promote(9))
        world.step("prepare", second)
        assert world.step("deploy", older) == "done"
        assert world.updates == []

    def test_an_older_one_that_comes_late_does_nothing(self, world: World) -> None:
        first = world.promote(8)
        second = world.promote(9)
        world.release(second)
        world.release(first)
        assert (world.serves, world.updates) == (9, [9])
        assert world.tags(8)[""] == "superseded by 9"
        assert world.tags(9)[""] == "serving"

    def test_an_older_one_of_the_same_version_takes_nothing_back(self, world: World) -> None:
        first = world.promote(8)
        world.release(world.promote(8))
        world.release(first)
        assert world.tags(8)[""] == "serving"

    def test_the_same_promotion_twice_is_deployed_once(self, world: World) -> None:
        promotion = world.promote(8)
        first, second = world.execution(promotion), world.execution(promotion)
        world.step("prepare", first)
        for step in ("prepare", "deploy", "verify"):
            assert world.step(step, second) == "done"
        world.release(promotion, first)
        assert (world.serves, world.updates) == (8, [8])

    def test_it_is_remembered_when_it_ended_long_ago(self, world: World) -> None:
        promotion = world.promote(8)
        world.release(promotion)
        world.release(world.promote(9))
        world.release(world.promote(8))
        before = dict(world.tags(8))
        world.release(promotion)
        assert world.tags(8) == before

    def test_one_that_deploys_is_waited_for(self, world: World) -> None:
        first = world.promote(8)
        older = world.execution(first)
        world.step("prepare", older)
        world.step("deploy", older)
        newer = world.execution(world.promote(9))
        services = world.services(newer)
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            world.step("verify", older)

        from dataclasses import replace

        from releasing.prepare import prepare

        prepare(replace(services, sleep=sleep), "iris", "", newer)
        assert waits == [15]
        assert world.outcome(first) in ("served", "forgotten")
        world.step("deploy", newer)
        world.step("verify", newer)
        assert world.updates == [8, 9]
        assert (world.serves, world.recorded) == (9, 9)

    def test_one_that_was_overtaken_before_it_began_is_said(self, world: World) -> None:
        first = world.promote(8)
        queued = world.execution(first)
        world.release(world.promote(9))
        world.codepipeline.status[queued] = "Superseded"
        world.step("close", queued)
        world.step("close", queued)
        assert world.tags(8)[""] == "superseded by 9"
        assert len(world.sns.messages) == 1


def test_the_question_is_the_models_own() -> None:
    assert len(json.loads(QUESTION)["dataframe_split"]["data"]) == 2
