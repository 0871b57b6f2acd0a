"""The parts of a step by themselves: variables, conditions, answers, commands."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from mlops_constructs.faults import FaultsError
from operations.errors import OperationError
from releasing.answers import faults_of
from releasing.journal import Journal
from releasing.ledger import OvertakenError
from releasing.promotion import read_promotion
from releasing.settings import Settings
from releasing.store import ConflictError
from releasing.write_back import described
from stacks.config import load_environment
from stacks.platform import build_platform
from stacks.releases import load_release
from tests.conftest import RELEASES, ROOT
from tests.unit.releasing.world import World

STEPS = {"prepare": True, "drift": False}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestSettings:
    def test_everything_that_is_missing_is_said_at_once(self) -> None:
        with pytest.raises(FaultsError) as raised:
            Settings.read({"RELEASE_STEP": "prepare"}, STEPS)
        assert {it.path for it in raised.value.faults} == {"RELEASE_ENV", "RELEASE_ENDPOINT"}

    def test_an_unknown_step(self) -> None:
        with pytest.raises(FaultsError, match="prepare or drift"):
            Settings.read({"RELEASE_STEP": "prepar", "RELEASE_ENV": "dev"}, STEPS)

    def test_all_of_a_build(self) -> None:
        variables = {
            "RELEASE_ENV": "dev",
            "RELEASE_BUCKET": "b",
            "RELEASE_LOGIN": "release",
            "RELEASE_TOPIC": "t",
            "TRACKING_URI": "u",
            "INVOCATION_URL": "i",
            "INVOCATION_KEY": "k",
            "RELEASE_STEP": "prepare",
            "RELEASE_ENDPOINT": "iris",
            "RELEASE_PROMOTION": "v",
            "RELEASE_PROPOSAL": "w",
            "RELEASE_DIGEST": "d",
            "RELEASE_EXECUTION": "e",
        }
        read = Settings.read(variables, STEPS)
        assert sorted(vars(read).values()) == sorted(variables.values())


class TestStore:
    def test_two_writers_do_not_overwrite_each_other(self, world: World) -> None:
        store = world.store
        first = store.write("a", "1", after="")
        read = store.read("a")
        assert read
        assert (read.text, read.version) == ("1", first)
        with pytest.raises(ConflictError):
            store.write("a", "2", after="")
        store.write("a", "2", after=read.etag)
        with pytest.raises(ConflictError):
            store.write("a", "3", after=read.etag)
        assert [it.text for it in store.history("a")] == ["2", "1"]
        assert store.read("a", first) == read

    def test_what_is_refused_is_no_conflict(self, world: World) -> None:
        world.s3.denied.add(world.store.bucket)
        with pytest.raises(ClientError, match="AccessDenied"):
            world.store.read("a")


class TestJournal:
    def test_who_was_overtaken_is_told(self, world: World) -> None:
        journal = Journal(world.store, "iris")
        world.promote(8)
        asked = read_promotion(world.store, "iris")
        mine = journal.begin(asked, "one", newest=True)
        assert mine
        theirs = journal.begin(asked, "two", newest=True)
        assert theirs == mine
        journal.advance(mine, step="resolved")
        with pytest.raises(OvertakenError, match="resolved"):
            journal.advance(theirs, step="prepared")

    def test_a_write_whose_answer_was_lost_is_not_taken_for_another_s(self, world: World) -> None:
        """The client sends it again, and S3 refuses that: it is there already."""
        world.promote(8)
        journal = Journal(world.store, "iris")
        attempt = journal.begin(read_promotion(world.store, "iris"), "one", newest=True)
        assert attempt
        write = world.s3.put_object

        def twice(**request: Any) -> dict[str, str]:
            write(**request)
            return write(**request)

        world.s3.put_object = twice  # type: ignore[method-assign, assignment]
        assert journal.advance(attempt, step="resolved").step == "resolved"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no journal",
            b"\xff\xfe",
            b"[]",
            b"{}",
            b'{"earlier": 1}',
            b'{"closed": 1}',
            b"[" * 100_000,
        ],
        ids=range(8),
    )
    def test_what_is_no_journal_is_said(self, world: World, body: bytes) -> None:
        bucket, key = world.store.bucket, "attempts/iris.json"
        version = world.s3.write(bucket, key, body)
        with pytest.raises(OperationError) as caught:
            Journal(world.store, "iris").entries()
        assert f"s3://{bucket}/{key} of version '{version}'" in caught.value.what
        assert "Put the version before it back" in caught.value.fix

    def test_it_is_the_form_that_the_promoter_reads(self, world: World) -> None:
        """`lambda/promoter` looks into it without this package."""
        first, second = world.promote(8), world.promote(9)
        journal = Journal(world.store, "iris")
        for promotion, newest in ((second, True), (first, False)):
            journal.begin(read_promotion(world.store, "iris", promotion), "e", newest=newest)
        found = world.store.read("attempts/iris.json")
        assert found
        said = json.loads(found.text)
        assert said["promotion"]["version"] == second
        assert said["earlier"][0]["promotion"]["version"] == first
        assert len(said["closed"]) == 1


COLUMNS = [{"name": "category", "type": "string"}, {"name": "p", "type": "double"}]
TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]
TWO = '{"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}'


class TestAnswers:
    @pytest.mark.parametrize(
        ("rows", "outputs"),
        [
            ([{"category": "a", "p": 1}, {"category": "b", "p": 0.5}], COLUMNS),
            ([["a", 1.0], ["b", 2]], COLUMNS),
            ([[1.0, 2.0], [3, 4]], TENSOR),
            ([1, 2], [{"type": "long"}]),
            ([{"0": 1}, {"0": 2}], [{"type": "long"}]),
            (["anything", {}], []),
        ],
    )
    def test_what_fits(self, rows: Any, outputs: Any) -> None:
        assert faults_of(TWO, json.dumps({"predictions": rows}), {"outputs": outputs}) == []

    @pytest.mark.parametrize(
        ("rows", "outputs", "said"),
        [
            ([{"category": "a"}, {"category": "b", "p": 1}], COLUMNS, "row 1: p is missing"),
            ([["a", True], ["b", 1]], COLUMNS, "p is True, which is no double"),
            ([["a"], ["b", 1]], COLUMNS, "1 values, and the signature has 2"),
            ([[1.0], [3, 4]], TENSOR, "row 1: [1.0] is not of the shape [2]"),
            ([[1, "x"], [3, 4]], TENSOR, "'x' is no float64"),
            ([1.5, 2], [{"type": "long"}], "the value is 1.5, which is no long"),
            ([{"0": 1.5}, {"0": 2}], [{"type": "long"}], "the value is 1.5, which is no long"),
            ([1], [{"type": "long"}], "1 answers to 2 questions"),
            ([], [{"type": "long"}], "0 answers to 2 questions"),
            (None, [], "no predictions"),
        ],
    )
    def test_what_does_not(self, rows: Any, outputs: Any, said: str) -> None:
        found = faults_of(TWO, json.dumps({"predictions": rows}), {"outputs": outputs})
        assert said in " ".join(found)

    def test_no_json(self) -> None:
        assert "no JSON" in faults_of(TWO, "<html>", None)[0]

    @pytest.mark.parametrize(
        "question",
        ['{"instances": [1, 2]}', '{"inputs": {"a": [1, 2]}}', '{"dataframe_records": [{}, {}]}'],
    )
    def test_questions_of_other_forms_are_counted(self, question: str) -> None:
        assert faults_of(question, '{"predictions": [1]}', None) == ["1 answers to 2 questions"]


class TestDescription:
    def test_what_people_wrote_stays_and_our_oldest_lines_go(self) -> None:
        theirs = "a" * 4900
        text = theirs
        for hour in range(10, 20):
            text = described(text, f"2026-11-25T{hour}:00:00Z dev/iris: serving")
        assert len(text) <= 5000
        assert text == f"{theirs}\n" + "\n".join(
            f"2026-11-25T{hour}:00:00Z dev/iris: serving" for hour in (18, 19)
        )

    def test_where_there_is_no_room_at_all_nothing_is_said(self) -> None:
        assert described("a" * 5000, "2026-11-25T10:00:00Z dev/iris: serving") == "a" * 5000


class TestBuildspec:
    def test_it_runs_the_package_and_exports_what_that_says(self) -> None:
        text = (ROOT / "releasing" / "buildspec.yaml").read_text()
        said = YAML(typ="safe").load(text)
        assert said["env"]["exported-variables"] == ["HEADLINE", "DIGEST"]
        assert said["env"]["variables"] == {
            "HEADLINE": "Nothing is left to be done.",
            "DIGEST": "none",
        }
        commands = said["phases"]["build"]["commands"]
        assert commands[0] == "python -m releasing"

    @pytest.mark.parametrize(("digest", "exported"), [("", "none"), ("0123ab", "0123ab")])
    def test_what_is_exported_reaches_the_shell_as_it_was(
        self, world: World, digest: str, exported: str
    ) -> None:
        from releasing.prepare import export_headline

        headline = 'it\'s $HOME `x` "quoted"\nand more'
        text = (ROOT / "releasing" / "buildspec.yaml").read_text()
        said = YAML(typ="safe").load(text)
        export_headline(world.services(), headline, digest)
        command = said["phases"]["build"]["commands"][1]
        shell = subprocess.run(
            ["sh", "-c", f'{command}; printf %s "$HEADLINE|$DIGEST"'],
            cwd=world.folder / "workspace-",
            env=said["env"]["variables"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shell.stdout == f"{headline}|{exported}".replace("\n", " ")


class TestCommands:
    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "releasing", *words],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_help_lists_the_steps_and_what_is_asked_by_hand(self) -> None:
        result = self.run("--help")
        assert result.returncode == 0
        for command in (
            *("prepare", "deploy", "verify", "close", "drift", "rollback", "promote"),
            *("platform", "platform-prepare", "platform-deploy", "platform-close", "history"),
        ):
            assert f" {command} " in result.stdout

    def test_a_build_that_is_told_nothing(self) -> None:
        result = self.run()
        assert result.returncode == 1
        assert "RELEASE_STEP" in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize(
        "words", [("rollback", "--endpoint", "iris"), ("platform",), ("history",)]
    )
    def test_no_credentials(self, words: tuple[str, ...]) -> None:
        result = self.run(*words, "--env", "dev")
        assert result.returncode == 1
        assert "Log in to account 111111111111" in result.stderr
        assert "Traceback" not in result.stderr


def test_no_template_depends_on_what_is_noted(
    tmp_path: Path, feature_flags: dict[str, object]
) -> None:
    """A record with what is known of its promotion gives the very templates of one without."""
    dev = load_environment("dev", ROOT / "environments")
    environment = dev.model_copy(update={"release": None})
    for name in ("plain", "noted"):
        folder = tmp_path / name / "dev"
        folder.mkdir(parents=True)
        for path in (RELEASES / "dev").glob("*.yaml"):
            (folder / path.name).write_text(path.read_text())
    record = tmp_path / "noted" / "dev" / "iris.yaml"
    notes = {
        "promoted_by": "ana",
        "reason": "better recall",
        "signature": {"inputs": [{"name": "a", "type": "double"}]},
        "environment_image": "private-mlops/dev/iris@sha256:1",
        "smoke_test": "passed",
    }
    record.write_text(f"{record.read_text()}promotion: {json.dumps(notes)}\n")
    release = load_release(tmp_path / "noted", "dev", "iris")
    assert release
    assert release.only.promotion
    templates = {}
    for name in ("plain", "noted"):
        app = App(context=feature_flags, outdir=str(tmp_path / f"{name}-out"))
        build_platform(app, environment, tmp_path / name)
        app.synth()
        templates[name] = {
            path.name: path.read_text()
            for path in (tmp_path / f"{name}-out").glob("*.template.json")
        }
    assert "Endpoint-iris.template.json" in templates["noted"]
    assert templates["plain"] == templates["noted"]
