"""The way of a change of the platform: what is deployed, written and told at each of its ends."""

import io
import json
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from rich.console import Console

from operations.errors import OperationError
from operations.source import APP, PROPOSED
from releasing.drift import drift
from releasing.handed_on import HANDED_ON
from releasing.history import platform_history
from releasing.ledger import OvertakenError
from releasing.platform_change import KEY, PROPOSAL, read_proposed
from releasing.platform_deploy import UNPACKED, platform_deploy
from releasing.platform_prepare import platform_prepare
from releasing.prepare import VARIABLES
from tests.unit.releasing.platform_world import (
    DEPLOYED,
    DESTROYS,
    IRIS,
    FakePlatformCdk,
    PlatformWorld,
)
from tests.unit.releasing.world import IMAGE, RELEASES, FakeStack


@pytest.fixture
def world(tmp_path: Path) -> PlatformWorld:
    return PlatformWorld(tmp_path)


def prepared(world: PlatformWorld, proposal: str) -> str:
    """An execution that stands before its approval."""
    execution = world.start(proposal)
    assert world.platform_step("platform-prepare", execution) == "done", world.said[-1]
    return execution


def handed_on(world: PlatformWorld, execution: str) -> str:
    """The key of what the first step of an execution handed on."""
    return f"{HANDED_ON}{world.digest(execution)}.zip"


def forge(packed: bytes, file: str) -> bytes:
    """What was handed on, with more in one of its files."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        for name, content in {**files, file: files.get(file, b"") + b" "}.items():
            archive.writestr(name, content)
    return forged.getvalue()


class TestDeployed:
    def test_what_differs_is_deployed_in_its_order_and_the_app_is_replaced(
        self, world: PlatformWorld
    ) -> None:
        proposal = world.propose("second", Release=2, Network=2, Api=2, Data=2)
        assert world.deploy_all(proposal) == "deployed"
        assert world.changed == ["Network", "Data", "Api", "Release"]
        assert world.app == "second"
        change = world.change_of(proposal)
        assert change.deployed == DEPLOYED
        assert change.settled
        assert world.sns.messages == []

    def test_its_headline_says_who_and_why_and_what_changes(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Api=2))
        text = (world.folder / f"workspace-{execution}/build/release.env").read_text()
        headline, digest = text.splitlines()
        said = "second by ana (a try): 1 stacks change. Cost of a month: +$1.00."
        assert headline == f"export HEADLINE='{said}'"
        assert digest == f"export DIGEST={world.digest(execution)}"
        assert world.changed == []
        assert world.app == "first"

    def test_where_no_template_changes_the_app_does(self, world: PlatformWorld) -> None:
        proposal = world.propose("second")
        assert world.deploy_all(proposal) == "deployed"
        assert "No template changes" in world.change_of(proposal).headline
        assert world.changed == []
        assert world.app == "second"

    def test_a_client_that_is_not_deployed_stays_so(self, world: PlatformWorld) -> None:
        world.deploy_all(world.propose("second", Client_databricks=2))
        assert world.changed == []
        name = "private-mlops-dev-Client-databricks"
        world.stacks["Client-databricks"] = FakeStack(world, name, "CREATE_COMPLETE", 1, {})
        world.deploy_all(world.propose("third", Client_databricks=3, Release=3))
        assert world.changed == ["Client-databricks", "Release"]

    def test_releases_find_the_images_that_it_brought(self, world: PlatformWorld) -> None:
        assert set(world.services().records.images()) == {"iris"}
        world.deploy_all(world.propose("second"))
        assert world.services().records.images() == dict.fromkeys(world.environment.images, IMAGE)

    def test_the_app_is_the_very_version_that_was_prepared(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2)
        execution = prepared(world, proposal)
        world.propose("third")
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.body(APP) == world.body(PROPOSED, proposal)

    def test_the_same_proposal_twice_is_deployed_once(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2)
        first, second = world.start(proposal), world.start(proposal)
        assert world.platform_step("platform-prepare", first) == "done"
        for step in ("platform-prepare", "platform-deploy"):
            assert world.platform_step(step, second) == "done"
        assert world.changed == []
        assert world.deploy_all(proposal, first) == "deployed"
        assert world.deploy_all(proposal) == "deployed"
        assert world.changed == ["Api"]


class TestItsOwnPipeline:
    """The stack Release holds the pipeline that runs this: its execution fails with the update."""

    def test_what_closes_it_finds_that_all_of_it_is_deployed(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2, Release=2)
        execution = prepared(world, proposal)
        assert world.platform_step("platform-deploy", execution) == "done"
        world.platform.status[execution] = "Failed"
        assert world.platform_step("platform-close", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"
        assert world.sns.messages == []

    def test_so_it_does_where_it_comes_before_the_step_has_ended(
        self, world: PlatformWorld
    ) -> None:
        proposal = world.propose("second", Api=2, Release=2)
        execution = prepared(world, proposal)

        def cancel(stack: str) -> None:
            if stack == "Release":
                world.platform.status[execution] = "Cancelled"
                assert world.platform_step("platform-close", execution) == "done"

        world.updated = cancel
        assert world.platform_step("platform-deploy", execution) == "overtaken"
        change = world.change_of(proposal)
        assert (change.outcome, change.deployed) == ("deployed", DEPLOYED)
        assert world.sns.messages == []

    def test_one_that_is_killed_in_the_middle_of_it_is_closed_as_deployed(
        self, world: PlatformWorld
    ) -> None:
        proposal = world.propose("second", Release=2)
        execution = prepared(world, proposal)

        class Gone(BaseException):
            """The build is gone."""

        def gone(stack: str) -> None:
            raise Gone

        world.updated = gone
        with pytest.raises(Gone):
            world.platform_step("platform-deploy", execution)
        world.platform.status[execution] = "Failed"
        assert world.platform_step("platform-close", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"


class TestNotDeployed:
    def ends(self, world: PlatformWorld, outcome: str, reason: str) -> dict[str, object]:
        """Nothing is changed, and everybody knows why."""
        assert world.changed == []
        assert world.app == "first"
        (message,) = world.sns.messages
        assert message["outcome"] == outcome
        assert reason in message["reason"]
        return message

    def test_a_destructive_change_that_is_not_named(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2, Data=DESTROYS)
        assert world.deploy_all(proposal) == "failed"
        message = self.ends(world, "failed", "Not named: Data/Thing.")
        assert (message["commit"], message["by"]) == ("second", "ana")
        assert message["proposal"] == proposal

    def test_one_that_is_named(self, world: PlatformWorld) -> None:
        request = "Because.\n\n- allow-destroy: `Data/Thing`: it is kept elsewhere\n"
        assert world.deploy_all(world.propose_named("second", request, Data=DESTROYS)) == "deployed"

    def test_another_one_is_named(self, world: PlatformWorld) -> None:
        request = "allow-destroy: Data: all of it"
        assert world.deploy_all(world.propose_named("second", request, Data=DESTROYS)) == "failed"
        self.ends(world, "failed", "Not named: Data/Thing.")

    def test_a_name_without_a_reason(self, world: PlatformWorld) -> None:
        request = "allow-destroy: Data/Thing"
        assert world.deploy_all(world.propose_named("second", request, Data=DESTROYS)) == "failed"
        self.ends(world, "failed", "what is named")

    def test_checks_that_find_something(self, world: PlatformWorld) -> None:
        world.faults = ["proof: a way out"]
        assert world.deploy_all(world.propose("second", Api=2)) == "failed"
        self.ends(world, "failed", "proof: a way out")

    def test_an_image_that_is_not_there(self, world: PlatformWorld) -> None:
        del world.ecr.images["private-mlops/dev/release", IMAGE]
        assert world.deploy_all(world.propose("second", Api=2)) == "failed"
        self.ends(world, "failed", "make images ENV=dev")

    def test_an_image_of_what_serves_that_is_not_there(self, world: PlatformWorld) -> None:
        other = f"sha256:{'2' * 64}"
        images = world.folder / "committed" / "dev" / "images.yaml"
        images.write_text(images.read_text().replace(IMAGE, other))
        world.ecr.images = {(name, other): it for (name, _), it in world.ecr.images.items()}
        assert world.deploy_all(world.propose("second", Api=2)) == "failed"
        self.ends(world, "failed", f"private-mlops/dev/iris@{IMAGE}")

    def test_files_that_are_not_what_is_proposed(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2)
        execution = world.start(proposal)
        path = world.folder / f"workspace-{execution}" / PROPOSAL
        path.write_text(path.read_text().replace("second", "another"))
        assert world.deploy_all(proposal, execution) == "failed"
        self.ends(world, "failed", "is not what is proposed")

    def test_an_app_of_another_platform(self, world: PlatformWorld) -> None:
        world.environment = world.environment.model_copy(update={"account": "222222222222"})
        assert world.deploy_all(world.propose("second", Api=2)) == "failed"
        self.ends(world, "failed", "The proposal is of another platform")

    def test_an_app_that_does_not_say_what_it_is(self, world: PlatformWorld) -> None:
        proposal = world.s3.write(RELEASES, PROPOSED, b"no zip")
        execution = "11111111-0000-0000-0000-000000000000"
        world.platform.status[execution] = "InProgress"
        world.platform.promotions[execution] = proposal
        assert world.platform_step("platform-prepare", execution) == "failed"
        assert "make platform" in world.said[-1]
        world.platform.status[execution] = "Failed"
        assert world.platform_step("platform-close", execution) == "done"
        self.ends(world, "failed", "Deploy: Build terminated")

    def test_one_whose_commit_is_no_line_stands_in_nobodys_way(self, world: PlatformWorld) -> None:
        assert world.deploy_all(world.propose("sec\nond", Api=DESTROYS)) == "failed"
        (message,) = world.sns.messages
        assert message["subject"] == "dev: the change sec ond of the platform failed"
        assert world.deploy_all(world.propose("third", Api=3)) == "deployed"

    def test_one_of_which_there_is_too_much_to_say(self, world: PlatformWorld) -> None:
        world.faults = ["proof: a way out"] * 20_000
        assert world.deploy_all(world.propose("second", Api=2)) == "failed"
        (message,) = world.sns.messages
        assert "a way out; proof" in message["text"]
        world.faults = []
        assert world.deploy_all(world.propose("third", Api=3)) == "deployed"

    def test_a_person_who_says_no(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Api=2))
        world.platform.status[execution] = "Failed"
        world.platform.rejected[execution] = "not on a Friday"
        for _ in range(2):
            assert world.platform_step("platform-close", execution) == "done"
        self.ends(world, "rejected", "Approve: not on a Friday")

    def test_a_person_who_stops_it(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Api=2))
        world.platform.stop_pipeline_execution(world.platform.name, execution, True, "a freeze")
        assert world.platform_step("platform-close", execution) == "done"
        self.ends(world, "stopped", "a freeze")

    def test_a_stack_that_changed_since_it_was_looked_at(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2)
        execution = prepared(world, proposal)
        world.stacks["Api"].updated = world.tick()
        assert world.platform_step("platform-deploy", execution) == "failed"
        self.ends(world, "failed", "Api was updated since its changes were looked at")
        assert world.change_of(proposal).deployed == ("Network", "Data", "Tracking")

    def test_what_was_handed_on_is_gone(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Api=2))
        del world.s3.objects[RELEASES, handed_on(world, execution)]
        assert world.platform_step("platform-deploy", execution) == "failed"
        self.ends(world, "failed", ".zip is not there. Somebody else wrote it, or it has expired")

    def test_a_pipeline_that_tells_no_digest(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Api=2))
        (world.folder / f"workspace-{execution}" / VARIABLES).write_text("export DIGEST=\n")
        assert world.platform_step("platform-deploy", execution) == "failed"
        self.ends(world, "failed", "deploy it by hand once, make deploy")

    def test_it_is_not_tried_again_by_itself(self, world: PlatformWorld) -> None:
        world.faults = ["proof: a way out"]
        proposal = world.propose("second", Api=2)
        world.deploy_all(proposal)
        world.faults = []
        assert world.platform_step("platform-prepare", world.start(proposal)) == "failed"
        assert "make platform ENV=dev" in world.said[-1]

    def test_a_step_that_comes_before_its_turn(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2)
        execution = world.start(proposal)
        services = world.services(execution)
        services.changes.begin(read_proposed(services.store), execution, newest=True)
        assert world.platform_step("platform-deploy", execution) == "failed"
        assert "platform-prepare, platform-deploy" in world.said[-1]


class TestHalfWay:
    def test_what_was_deployed_stays_and_is_said(self, world: PlatformWorld) -> None:
        world.broken = {"Tracking"}
        proposal = world.propose("second", Network=2, Tracking=2, Api=2, Release=2)
        assert world.deploy_all(proposal) == "failed"
        assert world.changed == ["Network", "Tracking"]
        assert world.values["Network"] == 2
        assert world.app == "first"
        (message,) = world.sns.messages
        for said in (
            "Tracking: CloudFormation rolled it back.",
            "the alarm Errors was in ALARM",
            "Deployed: Network, Data. Not deployed: Tracking, Api, Endpoint-iris, Release.",
        ):
            assert said in message["reason"]
        assert message["deployed"] == ["Network", "Data"]

    def test_a_stack_that_the_cli_does_not_even_update(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Network=2, Tracking=2)
        execution = prepared(world, proposal)
        services = world.services(execution)

        class Broken(FakePlatformCdk):
            def deploy(self, assembly: Path, *stacks: str) -> None:
                if stacks == ("Tracking",):
                    raise OperationError("'cdk deploy' ended with status 1.", "See its output.")
                super().deploy(assembly, *stacks)

        with pytest.raises(OperationError, match="Tracking was not updated, and is CREATE_COMPLE"):
            platform_deploy(
                replace(services, cdk=Broken(world)), proposal, execution, world.digest(execution)
            )
        (message,) = world.sns.messages
        assert "gives no reason" not in message["reason"]
        assert message["deployed"] == ["Network", "Data"]

    def test_the_stage_tried_again_goes_on_there(self, world: PlatformWorld) -> None:
        world.broken = {"Tracking"}
        proposal = world.propose("second", Network=2, Tracking=2, Release=2)
        execution = world.start(proposal)
        assert world.deploy_all(proposal, execution) == "failed"
        world.broken, world.platform.status[execution] = set(), "InProgress"
        # What closes the first try may come late.
        assert world.platform_step("platform-close", execution) == "done"
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"
        assert world.changed == ["Network", "Tracking", "Tracking", "Release"]
        assert len(world.sns.messages) == 1

    def test_what_is_proposed_next_deploys_the_rest(self, world: PlatformWorld) -> None:
        world.broken = {"Tracking"}
        world.deploy_all(world.propose("second", Network=2, Tracking=2, Release=2))
        world.broken = set()
        assert world.deploy_all(world.propose("third")) == "deployed"
        assert world.changed == ["Network", "Tracking", "Tracking", "Release"]
        assert world.app == "third"


class TestWhatAnotherProposalWrites:
    """Its first step, which nobody approved, may write the journal, and what is handed on.

    It may so while this one waits, too.
    """

    @pytest.mark.parametrize(
        "forged",
        [
            {"stacks": ()},
            {"stacks": ("Network", "Client-databricks", "Release")},
            {"deployed": DEPLOYED, "step": "replaced"},
            {"left": dict.fromkeys(("Network", "Api", "Release"), "it is fine")},
            {"begun": {"Network": "never", "Api": "never"}},
            {"begun": {"Release": "never"}, "step": "deploying"},
            {"begun": {"Client-databricks": ""}},
        ],
    )
    def test_what_was_approved_is_deployed_all_the_same(
        self, world: PlatformWorld, forged: dict[str, object]
    ) -> None:
        proposal = world.propose("second", Network=2, Api=2, Client_databricks=2, Release=2)
        execution = prepared(world, proposal)
        world.services().changes.advance(world.change_of(proposal), **forged)
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.changed == ["Network", "Api", "Release"]
        assert world.app == "second"
        change = world.change_of(proposal)
        assert (change.outcome, change.stacks) == ("deployed", DEPLOYED)
        assert set(change.deployed) == set(DEPLOYED)

    def test_its_images_are_those_that_were_prepared(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second"))
        images = world.environment.images
        stored = json.loads(world.s3.objects[RELEASES, KEY][0].body)
        stored["images"] = dict.fromkeys(images, "sha256:" + "e" * 64)
        world.s3.write(RELEASES, KEY, json.dumps(stored).encode())
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.services().records.images() == dict.fromkeys(images, IMAGE)

    @pytest.mark.parametrize(
        "file",
        ["cdk.out/Api.template.json", "cdk.out/manifest.json", "releases/dev/images.yaml", "more"],
    )
    def test_nothing_of_what_it_hands_on_instead_is_deployed(
        self, world: PlatformWorld, file: str
    ) -> None:
        proposal = world.propose("second", Api=2)
        execution = prepared(world, proposal)
        key = handed_on(world, execution)
        former = world.body(key)
        forged = forge(former, file)
        # The journal agrees with it, whatever that said of digests.
        journal = json.loads(world.body(KEY)) | {"digest": sha256(forged).hexdigest()}
        world.s3.write(RELEASES, KEY, json.dumps(journal).encode())
        world.s3.write(RELEASES, key, forged)
        assert world.platform_step("platform-deploy", execution) == "failed"
        assert (world.changed, world.app) == ([], "first")
        assert not (world.folder / f"workspace-{execution}" / UNPACKED).exists()
        assert world.outcome_of(proposal) == "failed"
        (message,) = world.sns.messages
        for said in (
            "What was handed on is not what was prepared: s3://",
            f"{key} has the digest {sha256(forged).hexdigest()}.",
            "Propose it again: make platform.",
            "Deployed: nothing.",
        ):
            assert said in message["reason"]
        # Whoever puts it back may try the stage again.
        world.s3.write(RELEASES, key, former)
        assert world.platform_step("platform-deploy", execution) == "done"
        assert (world.changed, world.app) == (["Api"], "second")

    def test_what_it_hands_on_itself_is_of_its_own_execution(self, world: PlatformWorld) -> None:
        waiting = prepared(world, world.propose("second", Api=2))
        hostile = prepared(world, world.propose("third", Api=3, Data=3))
        assert handed_on(world, waiting) != handed_on(world, hostile)
        stored = json.loads(world.body(KEY))
        (earlier,) = [it for it in world.services().changes.history() if it.execution == waiting]
        revived = earlier.model_dump(mode="json") | {"outcome": "running", "earlier": []}
        world.s3.write(RELEASES, KEY, json.dumps({**stored, **revived}).encode())
        assert world.platform_step("platform-deploy", waiting) == "done"
        assert (world.changed, world.app) == (["Api"], "second")
        assert world.values["Api"] == 2


class TestOrder:
    def test_a_newer_one_takes_the_place_of_one_that_waits_for_a_person(
        self, world: PlatformWorld
    ) -> None:
        first = world.propose("second", Api=2)
        waiting = prepared(world, first)
        world.platform.waiting = waiting
        second = world.propose("third", Api=3)
        assert world.deploy_all(second) == "deployed"
        assert world.platform.stopped[waiting].startswith("Superseded: third by ana")
        assert world.outcome_of(first) == "superseded"
        assert world.platform_step("platform-close", waiting) == "done"
        assert world.platform_step("platform-deploy", waiting) == "done"
        assert (world.changed, world.values["Api"]) == (["Api"], 3)
        (message,) = world.sns.messages
        assert message["reason"] == "third by ana (a try) was proposed since"

    def test_an_older_one_that_comes_late_does_nothing(self, world: PlatformWorld) -> None:
        first = world.propose("second", Api=2)
        assert world.deploy_all(world.propose("third", Api=3)) == "deployed"
        assert world.deploy_all(first) == "superseded"
        assert (world.app, world.values["Api"]) == ("third", 3)
        assert len(world.sns.messages) == 1

    def test_one_that_was_overtaken_before_it_began_is_said(self, world: PlatformWorld) -> None:
        first = world.propose("second", Api=2)
        queued = world.start(first)
        world.deploy_all(world.propose("third", Api=3))
        world.platform.status[queued] = "Superseded"
        for _ in range(2):
            assert world.platform_step("platform-close", queued) == "done"
        assert world.outcome_of(first) == "superseded"
        assert len(world.sns.messages) == 1

    def test_one_that_deploys_is_waited_for(self, world: PlatformWorld) -> None:
        first = world.propose("second", Network=2, Api=2)
        older = prepared(world, first)
        world.broken = {"Api"}
        world.updated = lambda stack: None
        newer = world.start(world.propose("third", Api=3))
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            world.broken = set()
            world.platform_step("platform-deploy", older)

        change = world.services().changes.of(first)
        assert change
        world.services().changes.advance(change, step="deploying")
        services = replace(world.services(newer), sleep=sleep)
        platform_prepare(services, "", newer)
        assert waits == [15]
        assert world.outcome_of(first) == "deployed"
        assert world.values["Api"] == 2
        assert world.platform_step("platform-deploy", newer) == "done"
        assert world.values["Api"] == 3

    def test_one_that_a_newer_one_ended_is_not_said_to_go_on(self, world: PlatformWorld) -> None:
        first = world.propose("second", Network=2, Api=2)
        older = prepared(world, first)
        change = world.change_of(first)
        world.services().changes.advance(change, step="deploying")
        world.platform.status[older] = "Failed"
        newer = world.start(world.propose("third", Api=3))
        assert world.platform_step("platform-prepare", newer) == "done"
        (message,) = world.sns.messages
        assert "Not deployed: Network, Data" in message["reason"]
        assert "tried again" not in message["reason"]

    def test_one_that_others_write_all_the_time_is_waited_for_as_long_as_is_said(
        self, world: PlatformWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prepared(world, world.propose("second", Api=2))
        newer = world.start(world.propose("third", Api=3))
        waits: list[float] = []

        def overtaken(*_: object) -> None:
            raise OvertakenError(None)

        monkeypatch.setattr("releasing.platform_prepare.end_change", overtaken)
        with pytest.raises(OperationError, match="after 5 hours"):
            platform_prepare(replace(world.services(newer), sleep=waits.append), "", newer)
        assert sum(waits) == 5 * 3600


class TestEndpoints:
    def test_what_serves_stays_what_it_is(self, world: PlatformWorld) -> None:
        world.release(world.promote(8))
        world.changed.clear()
        assert world.deploy_all(world.propose("second", Endpoint_iris=2)) == "deployed"
        assert world.changed == [IRIS]
        assert (world.serves, world.values[IRIS]) == (8, 2)
        assert world.release(world.promote(9)) == "served"
        assert (world.serves, world.values[IRIS]) == (9, 2)

    def test_one_that_was_released_meanwhile_is_left_and_released_again(
        self, world: PlatformWorld
    ) -> None:
        proposal = world.propose("second", Api=2, Endpoint_iris=2)
        execution = prepared(world, proposal)
        assert world.release(world.promote(8)) == "served"
        world.changed.clear()
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.changed == ["Api"]
        change = world.change_of(proposal)
        assert (change.outcome, change.seen_to) == ("deployed", (IRIS,))
        (message,) = world.sns.messages
        assert "another version was released" in message["left"][IRIS]
        latest = world.s3.objects[RELEASES, "promotions/iris.json"][0]
        assert json.loads(latest.body)["reason"] == "the platform changed: second"
        assert world.release(latest.version) == "served"
        assert (world.serves, world.values[IRIS]) == (8, 2)

    def test_one_whose_last_version_failed_is_not_tried_again(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Endpoint_iris=2))
        world.release(world.promote(8))
        world.failing.add(9)
        world.release(world.promote(9))
        assert world.platform_step("platform-deploy", execution) == "done"
        told = world.sns.messages[-1]
        assert told["left"][IRIS].endswith("propose again for it")
        assert world.updates == [8, 9]

    def test_one_that_waits_for_a_person_is_asked_for_again(self, world: PlatformWorld) -> None:
        promotion = world.promote(8)
        waiting = world.execution(promotion)
        world.step("prepare", waiting)
        world.codepipeline.waiting = waiting
        world.deploy_all(world.propose("second", Endpoint_iris=2))
        assert (world.serves, world.values[IRIS]) == (7, 2)
        latest = world.s3.objects[RELEASES, "promotions/iris.json"][0]
        assert latest.version != promotion
        assert world.release(latest.version) == "served"
        assert waiting in world.codepipeline.rejected
        assert (world.serves, world.values[IRIS]) == (8, 2)

    def test_one_that_waits_and_whose_stack_stays_is_not(self, world: PlatformWorld) -> None:
        promotion = world.promote(8)
        waiting = world.execution(promotion)
        world.step("prepare", waiting)
        world.deploy_all(world.propose("second", Api=2))
        assert world.release(promotion, waiting) == "served"

    def test_a_release_under_way_is_waited_for(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Endpoint_iris=2)
        execution = prepared(world, proposal)
        releasing = world.execution(world.promote(8))
        world.step("prepare", releasing)
        world.step("deploy", releasing)
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            world.step("verify", releasing)

        services = replace(world.services(execution), sleep=sleep)
        platform_deploy(services, proposal, execution, world.digest(execution))
        assert waits == [15]
        assert world.recorded == 8
        assert IRIS in world.change_of(proposal).left

    def test_one_that_nobody_goes_on_with_is_left(self, world: PlatformWorld) -> None:
        execution = prepared(world, world.propose("second", Endpoint_iris=2))
        releasing = world.execution(world.promote(8))
        world.step("prepare", releasing)
        world.step("deploy", releasing)
        world.codepipeline.status[releasing] = "Failed"
        assert world.platform_step("platform-deploy", execution) == "done"
        assert "left half way" in world.sns.messages[-1]["left"][IRIS]
        latest = world.s3.objects[RELEASES, "promotions/iris.json"][0]
        assert world.release(latest.version) == "served"
        assert (world.serves, world.values[IRIS]) == (8, 2)

    def last_asked(self, world: PlatformWorld) -> str:
        """The promotion that was asked for last."""
        return world.s3.objects[RELEASES, "promotions/iris.json"][0].version

    def test_one_that_the_former_app_releases_after_its_stack_is_deployed(
        self, world: PlatformWorld
    ) -> None:
        """It takes the change of the stack back, until it is released with the new app."""

        def meanwhile(stack: str) -> None:
            if stack == IRIS:
                assert world.release(world.promote(8)) == "served"
                assert world.values[IRIS] == 0

        world.updated = meanwhile
        assert world.deploy_all(world.propose("second", Endpoint_iris=2)) == "deployed"
        assert world.release(self.last_asked(world)) == "served"
        assert (world.serves, world.values[IRIS]) == (8, 2)

    def test_one_that_has_begun_with_the_former_app_and_said_nothing_yet(
        self, world: PlatformWorld
    ) -> None:
        started: list[str] = []

        def meanwhile(stack: str) -> None:
            if stack == IRIS:
                started.append(world.execution(world.promote(8)))

        world.updated = meanwhile
        assert world.deploy_all(world.propose("second", Endpoint_iris=2)) == "deployed"
        latest = self.last_asked(world)
        assert latest != world.codepipeline.promotions[started[0]]
        assert world.release("", started[0]) in ("superseded", "forgotten")
        assert world.release(latest) == "served"
        assert (world.serves, world.values[IRIS]) == (8, 2)

    def test_one_that_fails_as_its_stack_is_updated_under_it(self, world: PlatformWorld) -> None:
        waiting = world.execution(world.promote(8))
        world.step("prepare", waiting)

        def meanwhile(stack: str) -> None:
            if stack == IRIS:
                assert world.step("deploy", waiting) == "failed"

        world.updated = meanwhile
        assert world.deploy_all(world.propose("second", Endpoint_iris=2)) == "deployed"
        assert world.release(self.last_asked(world)) == "served"
        assert (world.serves, world.values[IRIS]) == (8, 2)

    def test_one_whose_pipeline_is_updated_under_it(self, world: PlatformWorld) -> None:
        """The stack Release holds its pipeline: the execution fails, and is begun anew."""
        promotion = world.promote(8)
        waiting = world.execution(promotion)
        world.step("prepare", waiting)

        def meanwhile(stack: str) -> None:
            if stack == "Release":
                world.codepipeline.status[waiting] = "Failed"
                world.step("close", waiting)

        world.updated = meanwhile
        assert world.deploy_all(world.propose("second", Release=2)) == "deployed"
        assert self.last_asked(world) != promotion
        assert world.release(self.last_asked(world)) == "served"

    @pytest.mark.parametrize("begun", [False, True])
    @pytest.mark.parametrize("updated", [False, True])
    def test_one_that_goes_on_to_its_end_in_a_pipeline_of_before(
        self, world: PlatformWorld, begun: bool, updated: bool
    ) -> None:
        """Its action ends by itself, and its execution fails then: it is not waited for."""
        promotion = world.promote(8)
        execution = world.execution(promotion)
        if begun:
            world.step("prepare", execution)

        def meanwhile(stack: str) -> None:
            if stack == "Release" and updated:
                world.codepipeline.version += 1

        world.updated = meanwhile
        assert world.deploy_all(world.propose("second", Release=2)) == "deployed"
        assert (self.last_asked(world) != promotion) is updated

    def broken_by_the_last_stack(self, world: PlatformWorld) -> tuple[str, str, str]:
        """A promotion whose pipeline is updated, by a change whose step is killed right then."""
        promotion = world.promote(8)
        world.step("prepare", world.execution(promotion))
        proposal = world.propose("second", Release=2)
        execution = prepared(world, proposal)

        class Gone(BaseException):
            """The build is gone."""

        def gone(stack: str) -> None:
            world.codepipeline.version += 1
            raise Gone

        world.updated = gone
        with pytest.raises(Gone):
            world.platform_step("platform-deploy", execution)
        world.updated = lambda stack: None
        assert self.last_asked(world) == promotion
        assert set(world.change_of(proposal).pending) == {"iris"}
        return promotion, proposal, execution

    @pytest.mark.parametrize("step", ["platform-deploy", "platform-close"])
    def test_one_whose_pipeline_is_updated_by_a_step_that_is_killed(
        self, world: PlatformWorld, step: str
    ) -> None:
        promotion, proposal, execution = self.broken_by_the_last_stack(world)
        if step == "platform-close":
            world.platform.status[execution] = "Failed"
        for _ in range(2):
            assert world.platform_step(step, execution) == "done"
            change = world.change_of(proposal)
            assert (change.outcome, change.pending) == ("deployed", {})
            asked = self.last_asked(world)
        assert len(world.s3.objects[RELEASES, "promotions/iris.json"]) == 3  # 7, 8, 8 again
        assert asked != promotion
        assert world.sns.messages == []

    def test_the_schedule_of_drift_asks_for_it_too(self, world: PlatformWorld) -> None:
        promotion, _, execution = self.broken_by_the_last_stack(world)
        world.platform.status[execution] = "Failed"
        world.drift()
        assert self.last_asked(world) != promotion

    def test_what_is_proposed_next_asks_for_none_and_says_so(self, world: PlatformWorld) -> None:
        promotion, proposal, execution = self.broken_by_the_last_stack(world)
        world.platform.status[execution] = "Failed"
        prepared(world, world.propose("third", Api=3))
        assert world.outcome_of(proposal) == "deployed"
        assert self.last_asked(world) == promotion
        (message,) = world.sns.messages
        assert message["reason"].endswith("make release-again ENDPOINT=iris")

    @pytest.mark.parametrize("step", ["platform-deploy", "platform-close"])
    def test_one_that_could_not_be_asked_for_is_when_it_is_tried_again(
        self, world: PlatformWorld, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promotion = world.promote(8)
        world.step("prepare", world.execution(promotion))
        proposal = world.propose("second", Release=2)
        execution = prepared(world, proposal)
        services, version = world.services(execution), world.services().store.version
        before = world.codepipeline.version
        world.updated = lambda stack: setattr(world.codepipeline, "version", before + 1)

        def refuses(key: str) -> str:
            if world.codepipeline.version > before and key == "promotions/iris.json":
                raise OperationError("The key is disabled.", "Enable it.")
            return version(key)

        with monkeypatch.context() as patch:
            patch.setattr(services.store, "version", refuses)
            with pytest.raises(OperationError, match="The key is disabled"):
                platform_deploy(services, proposal, execution, world.digest(execution))
        assert world.outcome_of(proposal) == "failed"
        assert self.last_asked(world) == promotion
        if step == "platform-close":
            world.platform.status[execution] = "Failed"
        assert world.platform_step(step, execution) == "done"
        assert self.last_asked(world) != promotion
        assert world.change_of(proposal).pending == {}

    def test_one_that_a_person_rejects_meanwhile_is_not(self, world: PlatformWorld) -> None:
        promotion = world.promote(8)
        waiting = world.execution(promotion)
        world.step("prepare", waiting)

        def meanwhile(stack: str) -> None:
            if stack == "Release":
                world.codepipeline.status[waiting] = "Failed"
                world.codepipeline.rejected[waiting] = "no"
                world.step("close", waiting)

        world.updated = meanwhile
        assert world.deploy_all(world.propose("second", Release=2)) == "deployed"
        assert self.last_asked(world) == promotion


class TestLeftOver:
    def test_the_schedule_of_drift_closes_what_was_left(self, world: PlatformWorld) -> None:
        proposal = world.propose("second", Api=2)
        execution = prepared(world, proposal)
        world.drift()
        assert world.outcome_of(proposal) == "running"
        world.platform.status[execution] = "Failed"
        world.drift()
        assert world.outcome_of(proposal) == "failed"
        assert len(world.sns.messages) == 1

    def test_what_another_one_closes_just_then_stands_in_no_endpoints_way(
        self, world: PlatformWorld
    ) -> None:
        proposal = world.propose("second", Api=2)
        execution = prepared(world, proposal)
        world.platform.status[execution] = "Failed"
        services, publish = world.services(), world.sns.publish

        def meanwhile(**message: str) -> None:
            publish(**message)
            services.changes.advance(world.change_of(proposal), notified=True)

        services.sns.publish = meanwhile
        assert drift(services, ["iris"]) == {"iris": []}
        assert world.change_of(proposal).settled

    def test_history_shows_each_change_once(self, world: PlatformWorld) -> None:
        world.deploy_all(world.propose("second", Api=2))
        world.deploy_all(world.propose("third", Data=DESTROYS))
        table = platform_history(world.services())
        console = Console(width=300)
        with console.capture() as captured:
            console.print(table)
        lines = captured.get().splitlines()
        rows = [line for line in lines if " ana " in line]
        assert [("third" in it, "failed" in it) for it in rows] == [(True, True), (False, False)]
        assert "deployed" in rows[1]
        assert "1 stacks change." in rows[1]

    def test_no_more_is_read_of_the_changes_than_is_listed(
        self, world: PlatformWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.deploy_all(world.propose("second", Api=2))
        world.deploy_all(world.propose("third", Api=3))
        services, read = world.services(), []
        reading = services.store.read

        def noted(key: str, version: str = "") -> object:
            read.append(key)
            return reading(key, version)

        monkeypatch.setattr(services.store, "read", noted)
        monkeypatch.setattr("releasing.history.MOST", 1)
        assert platform_history(services).row_count == 1
        assert read == [KEY]

    def test_a_journal_that_cannot_be_read_is_said_until_the_former_one_is_put_back(
        self, world: PlatformWorld
    ) -> None:
        execution = prepared(world, world.propose("second", Api=2))
        former = world.body(KEY)
        world.s3.write(RELEASES, KEY, b"nonsense")
        assert world.platform_step("platform-deploy", execution) == "failed"
        assert f"{RELEASES}/{KEY} of version" in world.said[-1]
        with pytest.raises(OperationError, match="cannot be read"):
            platform_history(world.services())
        world.s3.write(RELEASES, KEY, former)
        assert platform_history(world.services()).row_count == 1
        assert world.platform_step("platform-deploy", execution) == "done"

    def test_history_shows_what_is_in_brackets(self, world: PlatformWorld) -> None:
        said = "IAM5[Resource::*] at [/Data/Key]"
        world.faults = [said]
        world.deploy_all(world.propose("second", Api=2))
        console = Console(width=300)
        with console.capture() as captured:
            console.print(platform_history(world.services()))
        assert said in captured.get()
