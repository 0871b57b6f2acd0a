"""A release of another version, of every kind of endpoint: nothing of it has to be named."""

import re
import shutil
from pathlib import Path

import pytest
from aws_cdk import App

from diffing.headline import serving
from diffing.summary import Summary, summarize
from stacks.config import load_environment
from stacks.platform import build_platform
from tests.conftest import RELEASES, folder_of

ENDPOINTS = ("abalone", "choice", "compared", "iris", "nightly", "rare", "reports", "small")
OUTSIDE = "rare"
"""The serverless one, which no VPC holds."""


def synthesized(releases: Path, output: Path, flags: dict[str, object]) -> Path:
    app = App(context=flags, outdir=str(output))
    build_platform(app, load_environment("serving", folder_of("serving")), releases)
    return Path(app.synth().directory)


@pytest.fixture(scope="module")
def sides(
    tmp_path_factory: pytest.TempPathFactory, feature_flags: dict[str, object]
) -> tuple[Path, Path]:
    """The environment that serves in every way, before and after each model has a new version."""
    folder = tmp_path_factory.mktemp("sides")
    later = folder / "releases"
    shutil.copytree(RELEASES, later)
    for file in (later / "serving").glob("*.yaml"):
        text = re.sub(
            r"version: (\d+)", lambda found: f"version: {int(found[1]) + 1}", file.read_text()
        )
        text = re.sub(r"/m-([\w-]+)/artifacts", r"/m-\1-later/artifacts", text)
        file.write_text(re.sub(r"digest: sha256:\w{4}", "digest: sha256:ffff", text))
    return (
        synthesized(RELEASES, folder / "before", feature_flags),
        synthesized(later, folder / "after", feature_flags),
    )


def alone(endpoint: str, sides: tuple[Path, Path], folder: Path) -> Summary:
    """The difference as a release takes it: the templates of one stack."""
    made = []
    for name, side in zip(("before", "after"), sides, strict=True):
        (folder / name).mkdir()
        file = f"Endpoint-{endpoint}.template.json"
        made.append(folder / name)
        shutil.copy(side / file, made[-1] / file)
    return summarize(*made)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_release_destroys_nothing(
    endpoint: str, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    summary = alone(endpoint, sides, tmp_path)

    assert not summary.empty
    assert [f"{each.path} {each.says}" for each in summary.destructive] == []


def test_all_of_them_together_destroy_nothing(sides: tuple[Path, Path]) -> None:
    summary = summarize(*sides)

    assert summary.destructive == []
    assert "endpoint reports serves version 4 (was 3)" in map(serving, summary.served)
    assert "endpoint choice serves iris version 4 (was 3), iris version 5 (was 4)" in map(
        serving, summary.served
    )
    assert len({each.stack for each in summary.changes}) == len(ENDPOINTS)


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != OUTSIDE])
def test_a_first_release_destroys_nothing(
    endpoint: str, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    alone(endpoint, sides, tmp_path)
    (tmp_path / "nothing").mkdir()

    assert summarize(tmp_path / "nothing", tmp_path / "after").destructive == []


def test_the_first_release_of_one_outside_of_the_network_is_to_be_named(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    alone(OUTSIDE, sides, tmp_path)
    (tmp_path / "nothing").mkdir()

    found = summarize(tmp_path / "nothing", tmp_path / "after").destructive
    assert ["a network of AWS that reaches the internet" in each.says for each in found] == [True]


def test_two_synths_of_the_same_are_no_change(
    sides: tuple[Path, Path], tmp_path: Path, feature_flags: dict[str, object]
) -> None:
    again = synthesized(RELEASES, tmp_path / "again", feature_flags)

    assert summarize(sides[0], again).markdown() == ""
