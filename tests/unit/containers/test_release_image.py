"""The image that releases run in holds what this checkout holds, at the same versions."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "containers" / "release"


def pins(path: Path) -> dict[str, str]:
    """The version of each package that a file pins."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.MULTILINE)
    return {name.lower(): version for name, version in found}


def test_it_has_what_the_app_needs() -> None:
    assert pins(FOLDER / "requirements.in") == pins(ROOT / "requirements.txt")


def test_its_other_packages_have_the_versions_of_this_checkout() -> None:
    here, there = pins(ROOT / "constraints.txt"), pins(FOLDER / "requirements.lock")
    assert len(there) > 50
    assert {name: there[name] for name in there.keys() & here.keys()} == {
        name: here[name] for name in there.keys() & here.keys()
    }
    # Another system's alone.
    assert there.keys() - here.keys() == {"colorama"}


@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
def test_its_cdk_is_that_of_this_checkout(name: str) -> None:
    assert (FOLDER / name).resolve() == ROOT / name
