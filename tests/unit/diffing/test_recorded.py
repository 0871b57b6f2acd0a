"""Recorded changes, and the headline of each."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from diffing.headline import MAX_LENGTH, NOTHING
from diffing.summary import Summary, summarize
from tests.conftest import ROOT

RECORDED = ROOT / "tests" / "diffs"
EXPECTED: dict[str, dict[str, Any]] = YAML(typ="safe").load(RECORDED / "expected.yaml")


def compared(name: str, folder: Path, *sides: str) -> Summary:
    made = []
    for number, side in enumerate(sides):
        place = folder / f"{number}"
        place.mkdir()
        shutil.copy(RECORDED / name / f"{side}.json", place / "Stack.json")
        made.append(place)
    return summarize(*made)


def test_every_recorded_change_has_a_headline() -> None:
    assert {each.name for each in RECORDED.iterdir() if each.is_dir()} == EXPECTED.keys()
    assert len(EXPECTED) >= 20


@pytest.mark.parametrize("name", EXPECTED)
def test_a_change_has_its_headline_and_what_has_to_be_named(name: str, tmp_path: Path) -> None:
    summary = compared(name, tmp_path, "before", "after")

    assert summary.headline == EXPECTED[name]["headline"]
    assert len(summary.headline) <= MAX_LENGTH
    assert sorted({each.path for each in summary.refused}) == EXPECTED[name].get("refused", [])


@pytest.mark.parametrize("name", EXPECTED)
def test_the_comment_is_empty_where_nothing_changes(name: str, tmp_path: Path) -> None:
    same = compared(name, tmp_path, "after", "after")

    assert same.empty
    assert same.headline == NOTHING
    assert same.markdown() == ""


@pytest.mark.parametrize("name", EXPECTED)
def test_the_comment_says_every_change_once(name: str, tmp_path: Path) -> None:
    summary = compared(name, tmp_path, "before", "after")
    told = [line for line in summary.markdown().splitlines() if line.startswith("- **")]

    assert len(told) == len(set(told)) == len(summary.changes)
    assert summary.empty == (EXPECTED[name]["headline"] == NOTHING)
