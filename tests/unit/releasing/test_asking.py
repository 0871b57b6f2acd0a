"""What is asked for by hand: the former version, the same once more, another environment's."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from rich.console import Console
from typer.testing import CliRunner

from operations.errors import OperationError
from operations.records import record_text
from operations.release import prefix_digest
from releasing import __main__ as commands
from releasing.asking import release_again, rollback
from releasing.close import close_attempt
from releasing.drift import drift
from releasing.history import MOST, history
from releasing.promote import Source, promote, session_of
from releasing.promotion import read_promotion
from releasing.records import Records
from releasing.store import Store
from stacks.config import load_environment
from stacks.releases import ImageDigests, Release, Released
from tests.conftest import ROOT
from tests.unit.releasing.registry import FakeEcr
from tests.unit.releasing.world import (
    ARTIFACTS,
    IMAGE,
    RELEASES,
    Boundaries,
    Killed,
    World,
    refused,
)

STAGE = "private-mlops-stage-releases-333333333333"
THERE = "private-mlops-stage-artifacts-333333333333"
FILES = {"MLmodel": "flavors: {}\n", "weights.json": "[3]"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Versions 7 and 8 have served, one after the other."""
    world = World(tmp_path)
    world.release(world.promote(8))
    return world


def asked(world: World) -> str:
    return read_promotion(world.store, "iris").version


class TestRollback:
    def test_the_former_version_serves_again(self, world: World) -> None:
        assert rollback(world.services(), "iris", "ben", "too slow") == "iris version 7"
        assert world.mlflow.aliases["iris", "champion"] == 7
        assert world.tags(8)["rollback"] == "to 7, by ben: too slow"
        assert world.release(asked(world)) == "served"
        assert (world.serves, world.recorded) == (7, 7)

    def test_it_is_what_served_to_the_digest(self, world: World) -> None:
        """The image of then, though images were built since."""
        newer = f"sha256:{'9' * 64}"
        world.s3.write(RELEASES, "records/images.yaml", f"images: {{iris: {newer}}}\n".encode())
        rollback(world.services(), "iris", "ben", "too slow")
        world.release(asked(world))
        served = world.services().records.current("iris")
        assert served
        assert served.release.only.image == IMAGE

    def test_files_that_were_changed_since_are_refused(self, world: World) -> None:
        rollback(world.services(), "iris", "ben", "too slow")
        world.s3.write(ARTIFACTS, "mlflow/1/models/m-7/artifacts/weights.json", b"[66]")
        assert world.release(asked(world)) == "failed"
        assert "promote a version of a new training" in world.sns.messages[-1]["reason"]
        assert world.serves == 8

    def test_files_of_another_bucket_are_refused(self, world: World) -> None:
        rollback(world.services(), "iris", "ben", "too slow")
        latest = read_promotion(world.store, "iris")
        assert latest.promotion.record
        text = latest.promotion.model_dump_json().replace(ARTIFACTS, "elsewhere")
        version = world.store.write("promotions/iris.json", text, after=latest.etag)
        assert world.release(version) == "failed"
        assert "not in this environment's bucket" in world.sns.messages[-1]["reason"]

    def test_after_a_version_that_never_served_it_is_what_serves(self, world: World) -> None:
        world.failing.add(9)
        world.release(world.promote(9))
        assert rollback(world.services(), "iris", "ben", "it fails") == "iris version 8"
        assert world.release(asked(world)) == "served"
        assert (world.serves, world.tags(9)["rollback"]) == (8, "to 8, by ben: it fails")

    def test_a_version_may_be_named(self, world: World) -> None:
        world.release(world.promote(9))
        assert rollback(world.services(), "iris", "ben", "as it was", 7) == "iris version 7"

    @pytest.mark.parametrize("version", [None, 6])
    def test_what_never_served_is_refused(self, tmp_path: Path, version: int | None) -> None:
        with pytest.raises(OperationError, match="make history ENDPOINT=iris ENV=dev"):
            rollback(World(tmp_path).services(), "iris", "ben", "why not", version)

    def test_the_webhook_may_be_faster(self, world: World) -> None:
        mlflow, promoted = world.mlflow, []
        moved = mlflow.set_registered_model_alias

        def move(name: str, alias: str, version: str) -> None:
            moved(name, alias, version)
            promoted.append(world.promote(int(version)))

        mlflow.set_registered_model_alias = move  # type: ignore[method-assign]
        newer = record_text(ImageDigests(images={"iris": f"sha256:{'9' * 64}"}))
        world.s3.write(RELEASES, "records/images.yaml", newer.encode())
        rollback(world.services(), "iris", "ben", "too slow")
        assert promoted != [asked(world)]
        assert mlflow.versions["iris", 7].tags["promoted.champion.reason"] == "too slow"
        assert "asked for these versions already" in world.said[-1]
        assert world.release(asked(world)) == "served"
        served = world.services().records.current("iris")
        assert served
        assert (world.serves, served.release.only.image) == (7, IMAGE)

    def test_something_else_may_be_promoted_meanwhile(self, world: World) -> None:
        moved = world.mlflow.set_registered_model_alias

        def move(name: str, alias: str, version: str) -> None:
            moved(name, alias, version)
            world.promote(9)

        world.mlflow.set_registered_model_alias = move  # type: ignore[method-assign]
        with pytest.raises(OperationError, match="iris version 9 was promoted"):
            rollback(world.services(), "iris", "ben", "too slow")

    def test_a_kill_leaves_nothing_that_the_schedule_would_undo(self, tmp_path: Path) -> None:
        """Wherever it is killed: what was promoted is what the alias means, or the other way."""
        begun = World(tmp_path)
        begun.release(begun.promote(8))
        for at in count():
            world = begun.copy(at)
            try:
                rollback(world.services(), "iris", "ben", "too slow")
            except Killed:
                promoted = read_promotion(world.store, "iris").promotion.models["model"].version
                alias = world.mlflow.aliases["iris", "champion"]
                assert (alias, promoted) in ((8, 8), (7, 8), (7, 7))
            else:
                break
        assert at >= 8


def test_the_same_is_asked_for_once_more(world: World) -> None:
    world.failing.add(9)
    first = world.promote(9)
    world.release(first)
    world.failing.clear()
    assert release_again(world.services(), "iris", "ben", "") == "iris version 9"
    again = read_promotion(world.store, "iris")
    assert (again.version != first, again.promotion.cause) == (True, "again")
    assert world.release(again.version) == "served"


def test_what_served_is_listed_the_latest_first(world: World) -> None:
    world.failing.add(9)
    world.release(world.promote(9))
    console = Console(width=160, record=True)
    console.print(history(world.services(), "iris"))
    text = console.export_text()
    assert text.index("iris version 8") < text.index("iris version 7")
    for said in ("ana", "better recall", "passed", IMAGE[:19], "rolled back"):
        assert said in text


def test_no_more_is_read_of_what_served_than_is_listed(world: World) -> None:
    key = "records/iris.yaml"
    for _ in range(MOST):
        world.s3.write(world.store.bucket, key, world.s3.objects[RELEASES, key][0].body)
    world.s3.read.clear()
    assert history(world.services(), "iris").row_count == MOST
    assert world.s3.read.count(key) == MOST


class TestRecords:
    def test_they_become_a_folder_and_the_other_way_round(self, world: World) -> None:
        committed = world.folder / "committed" / "dev"
        committed.mkdir(parents=True)
        (committed / "iris.yaml").write_text("# older than the bucket's\n")
        (committed / "diabetes.yaml").write_text("# of the app alone\n")
        records = world.services().records
        assert records.seed() == ["diabetes"]
        assert records.seed() == []
        records.collect(world.folder / "out")
        written = {it.name: it.read_text() for it in (world.folder / "out" / "dev").iterdir()}
        assert set(written) == {"diabetes.yaml", "images.yaml", "iris.yaml"}
        assert "version: 8" in written["iris.yaml"]

    def test_the_command_asks_the_bucket_alone(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever may read the bucket may call it: a pipeline that reaches no MLflow."""
        identity = SimpleNamespace(get_caller_identity=lambda: {"Account": "111111111111"})
        clients = {"s3": world.s3, "sts": identity}
        session = SimpleNamespace(client=clients.__getitem__)
        monkeypatch.setattr(boto3, "Session", lambda region_name: session)
        words = ["records", "--env", "dev", "--folder", str(world.folder / "out")]
        result = CliRunner().invoke(commands.app, words)
        assert result.exit_code == 0, result.output
        assert "version: 8" in (world.folder / "out" / "dev" / "iris.yaml").read_text()

    @pytest.mark.parametrize("command", ["records", "platform"])
    def test_an_environment_that_follows_nothing_has_none(
        self, world: World, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        without = world.environment.model_copy(update={"release": None})
        monkeypatch.setattr(commands, "load_environment", lambda name, folder: without)
        result = CliRunner().invoke(commands.app, [command, "--env", "dev"])
        assert result.exit_code == 1
        assert "follows no alias" in result.output


class TestPromotion:
    """From stage, in an account of its own, to dev."""

    @pytest.fixture
    def source(self, world: World) -> Source:
        stage = load_environment("dev", ROOT / "environments").model_copy(
            update={"name": "stage", "account": "333333333333"}
        )
        for name, content in FILES.items():
            world.s3.write(THERE, f"mlflow/5/models/m-x/artifacts/{name}", content.encode())
        images = FakeEcr(world)
        served = Released(
            model="iris",
            version=31,
            source=f"s3://{THERE}/mlflow/5/models/m-x/artifacts/",
            digest=prefix_digest(world.s3, THERE, "mlflow/5/models/m-x/artifacts/"),
            image=images.push("private-mlops/stage/iris", b"base" * 9, b"model", tag="0f1e2d3c"),
        )
        text = record_text(Release({"model": served}).record)
        world.s3.write(STAGE, "records/iris.yaml", text.encode())
        records = Records(Store(world.s3, STAGE), "stage", world.folder / "none")
        return Source(stage, records, world.s3, images)

    def digest(self, source: Source) -> str:
        served = source.records.current("iris")
        assert served
        return str(served.release.only.digest)

    def test_the_same_files_serve_here(self, world: World, source: Source) -> None:
        assert promote(world.services(), source, "iris", "ben", "") == "iris version 10"
        assert world.mlflow.aliases["iris", "champion"] == 10
        assert world.mlflow.versions["iris", 10].tags["release.from"] == "stage/iris/31"
        assert world.release(asked(world)) == "served"
        served = world.services().records.current("iris")
        assert served
        assert served.release.only.digest == self.digest(source)
        assert served.release.only.source.startswith(f"s3://{ARTIFACTS}/mlflow/")

    def test_twice_registers_once(self, world: World, source: Source) -> None:
        for _ in range(2):
            assert promote(world.services(), source, "iris", "ben", "") == "iris version 10"
        assert len(world.mlflow.logged) == 1

    def test_files_that_s3_may_not_copy_go_through_here(
        self, world: World, source: Source, tmp_path: Path
    ) -> None:
        theirs = world.copy().s3
        world.s3.denied.add(THERE)
        promote(world.services(), replace(source, s3=theirs), "iris", "b", "")
        assert world.release(asked(world)) == "served"

    def test_files_that_arrive_otherwise_are_refused(self, world: World, source: Source) -> None:
        world.s3.write(THERE, "mlflow/5/models/m-x/artifacts/weights.json", b"[4]")
        with pytest.raises(OperationError, match="Nothing was promoted"):
            promote(world.services(), source, "iris", "ben", "")
        assert ("iris", 10) not in world.mlflow.versions
        assert world.mlflow.aliases["iris", "champion"] == 8

    def test_the_same_image_serves_here_under_its_tag(self, world: World, source: Source) -> None:
        promote(world.services(), source, "iris", "ben", "")
        assert world.release(asked(world)) == "served"
        served = world.services().records.current("iris")
        assert served
        image = world.ecr.images["private-mlops/dev/iris", served.release.only.image or ""]
        assert image == source.ecr.images["private-mlops/stage/iris", served.release.only.image]
        assert image.tags == ["0f1e2d3c"]

    def test_an_image_that_is_here_is_not_copied(self, world: World, source: Source) -> None:
        for _ in range(2):
            promote(world.services(), source, "iris", "ben", "")
        for said in ("layer 1 of", "is there, as"):
            assert len([line for line in world.said if said in line]) == 1

    def test_what_a_former_try_brought_is_found_behind_others(
        self, world: World, source: Source
    ) -> None:
        """And the files that it has copied are not copied again."""
        number = world.mlflow.create_experiment("promoted/iris")
        for version in (29, 30, 31):
            tags = {"release.from": f"stage/iris/{version}", "release.digest": self.digest(source)}
            former = world.mlflow.create_logged_model(number, "iris", tags)
        place = former.artifact_location.replace("mlflow-artifacts:", "mlflow")
        name, *others = FILES
        world.s3.write(ARTIFACTS, f"{place}/{name}", FILES[name].encode())
        world.boundaries = Boundaries()
        promote(world.services(), source, "iris", "ben", "")
        assert len(world.mlflow.logged) == 3
        copies = [it for it in world.boundaries.places if it.startswith("before copy of ")]
        assert copies == [f"before copy of {place}/{it}" for it in sorted(others)]

    def test_an_image_that_is_gone_there_moves_nothing(self, world: World, source: Source) -> None:
        source.ecr.images.clear()
        with pytest.raises(OperationError, match=r"private-mlops/stage/iris@\S+ cannot be read"):
            promote(world.services(), source, "iris", "ben", "")
        assert world.mlflow.aliases["iris", "champion"] == 8

    def test_images_of_others_for_the_same_container(self, world: World, source: Source) -> None:
        endpoint = source.environment.endpoints["iris"]
        aws = endpoint.model_copy(update={"image": "aws:xgboost:3.0-5"})
        there = source.environment.model_copy(update={"endpoints": {"iris": aws}})
        with pytest.raises(OperationError, match="none there, model here"):
            promote(world.services(), replace(source, environment=there), "iris", "ben", "")

    def test_an_endpoint_that_serves_nothing_there(self, world: World, source: Source) -> None:
        del world.s3.objects[STAGE, "records/iris.yaml"]
        with pytest.raises(OperationError, match="serves nothing in stage"):
            promote(world.services(), source, "iris", "ben", "")

    def test_a_kill_anywhere_is_made_good_by_the_next_try(
        self, world: World, source: Source
    ) -> None:
        for at in count():
            again = world.copy(at)
            records = Records(Store(again.s3, STAGE), "stage", world.folder / "none")
            there = replace(source, records=records, s3=again.s3)
            try:
                promote(again.services(), there, "iris", "ben", "")
            except Killed:
                again.boundaries = Boundaries()
                assert promote(again.services(), there, "iris", "ben", "") == "iris version 10"
                assert again.release(asked(again)) == "served"
                assert (again.serves, again.recorded) == (10, 10)
                assert len(again.mlflow.logged) == 1
            else:
                break
        assert at >= 10


class TestSession:
    """Whoever promotes from dev to prod takes the role that dev's file describes."""

    DEV, PROD = (load_environment(name, ROOT / "environments") for name in ("dev", "prod"))
    ROLE = "arn:aws:iam::111111111111:role/private-mlops/dev/private-mlops-dev-promote-to-prod"

    @pytest.fixture
    def taken(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """What STS is asked for, which gives whatever it is asked for but to eve."""
        given: dict[str, str] = {}

        def assume_role(**words: str) -> dict[str, Any]:
            given.update(words)
            if given.get("as") == "eve":
                raise refused("AccessDenied", "is not authorized to perform: sts:AssumeRole")
            keys = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            return {"Credentials": dict.fromkeys(keys, "temporary")}

        def client(service: str, **_: str) -> Any:
            assert service == "sts"
            return SimpleNamespace(assume_role=assume_role)

        monkeypatch.setattr("releasing.promote.boto3.client", client)
        return given

    def test_its_arn_and_its_word_follow_from_the_names(self, taken: dict[str, str]) -> None:
        session = session_of(self.DEV, self.PROD)
        assert taken == {
            "RoleArn": self.ROLE,
            "RoleSessionName": "promote-to-prod",
            "ExternalId": "private-mlops-dev-promote-to-prod",
        }
        assert session.get_credentials().access_key == "temporary"
        assert session.region_name == "ap-northeast-1"

    def test_an_environment_that_lets_nobody_is_said_before_anything_is_asked(
        self, taken: dict[str, str]
    ) -> None:
        with pytest.raises(OperationError, match="promote from prod to dev") as raised:
            session_of(self.PROD, self.DEV)
        assert "promote_to: {dev: [<the role that you work as>]}" in raised.value.fix
        assert taken == {}

    def test_whom_it_does_not_trust_is_told_who_may(self, taken: dict[str, str]) -> None:
        taken["as"] = "eve"
        with pytest.raises(OperationError, match="is not authorized") as raised:
            session_of(self.DEV, self.PROD)
        assert self.ROLE in raised.value.what
        assert "It is taken by arn:aws:iam::222222222222:role/delivery" in raised.value.fix

    @pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
    def test_one_that_has_expired_is_to_be_taken_again(
        self, monkeypatch: pytest.MonkeyPatch, code: str
    ) -> None:
        def expired(**_: str) -> None:
            raise refused(code, "The security token included in the request is expired")

        sts = SimpleNamespace(assume_role=expired)
        monkeypatch.setattr("releasing.promote.boto3.client", lambda service, **_: sts)
        monkeypatch.setattr(
            commands, "_services", lambda *_: SimpleNamespace(environment=self.PROD)
        )
        words = ["promote", "--env", "prod", "--endpoint", "iris", "--from", "dev"]
        result = CliRunner().invoke(commands.app, words)
        assert result.exit_code == 1
        assert "is expired" in result.output
        assert "run it again. What arrived is not copied again." in result.output


class TestDrift:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            (lambda w: vars(w.stack).update(status="UPDATE_ROLLBACK_FAILED"), "ROLLBACK_FAILED"),
            (lambda w: vars(w.sagemaker).update(status="Failed"), "the endpoint is Failed"),
            (lambda w: w.stack.template["served"]["model"].__setitem__(4, "sha256:0"), "sha256:0"),
            (lambda w: w.stack.template.update(description="by hand"), "by hand"),
            (lambda w: vars(w.stack).update(status="", template=None), "there is no stack"),
        ],
    )
    def test_what_differs_is_told_once(
        self, world: World, changed: Callable[[World], None], said: str
    ) -> None:
        assert world.drift() == {"iris": []}
        changed(world)
        for _ in range(2):
            assert said in " ".join(world.drift()["iris"])
        (message,) = world.sns.messages
        assert message["subject"] == "dev/iris is not what its record says"
        assert said in json.dumps(message)

    def test_what_is_mended_and_breaks_again_is_told_again(self, world: World) -> None:
        for status in ("Failed", "InService", "Failed"):
            world.sagemaker.status = status
            world.drift()
        assert len(world.sns.messages) == 2

    def test_what_a_change_of_the_platform_is_at_is_left_alone(self, world: World) -> None:
        world.stack.status = "UPDATE_IN_PROGRESS"
        world.sagemaker.status = "Updating"
        assert world.drift() == {}
        assert world.sns.messages == []

    def test_one_that_cannot_be_compared_hides_no_other(self, world: World) -> None:
        world.s3.write(RELEASES, "attempts/bad.json", b"no journal")
        world.s3.write(RELEASES, "platform/change.json", b"no journal")
        world.sagemaker.status = "Failed"
        with pytest.raises(OperationError, match=r"the platform: .* bad: .*attempts/bad.json"):
            drift(world.services(), ["bad", "iris"])
        (message,) = world.sns.messages
        assert message["subject"] == "dev/iris is not what its record says"

    def test_one_that_is_just_being_closed_hides_no_other(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution = world.execution(world.promote(9))
        world.step("prepare", execution)
        world.codepipeline.status[execution] = "Failed"

        def overtaken(*what: Any) -> Any:
            world.step("close", execution)
            return close_attempt(*what)

        monkeypatch.setattr("releasing.drift.close_attempt", overtaken)
        assert world.drift() == {}
        assert any("took this over" in it for it in world.said)

    def test_a_release_that_is_under_way_is_left_alone(self, world: World) -> None:
        execution = world.execution(world.promote(9))
        for step in ("prepare", "deploy"):
            world.step(step, execution)
        assert world.drift() == {}
        world.codepipeline.status[execution] = "Failed"
        assert world.drift() == {"iris": []}
        assert (world.serves, world.recorded) == (8, 8)
