"""Destructive changes that are named."""

import pytest

from diffing.naming import from_options, from_text, together
from mlops_constructs.faults import FaultsError


def test_a_request_names_changes_each_on_a_line_of_its_own() -> None:
    text = """A new database engine.

    allow-destroy: Data/Database/Instance: moved to another engine
    - Allow-Destroy: `Data/Group/from 10.0.0.0_8:5000`: the offices moved
    We talked of allow-destroy: Data/Key: and did not do it.
    """

    assert from_text(text).reasons == {
        "Data/Database/Instance": "moved to another engine",
        "Data/Group/from 10.0.0.0_8:5000": "the offices moved",
    }


@pytest.mark.parametrize("line", ["Data/Key", "Data/Key:", "Data/Key: ", ": a reason", ""])
def test_a_line_without_a_path_or_a_reason_is_a_fault(line: str) -> None:
    with pytest.raises(FaultsError, match=r"allow-destroy: <stack>/<construct path>: <reason>"):
        from_text(f"allow-destroy: {line}")


def test_every_fault_is_told() -> None:
    with pytest.raises(FaultsError, match="2 faults"):
        from_options(["Data/Key", "=because"])


def test_the_command_line_names_as_a_request_does() -> None:
    named = together(from_options(["Data/Key=x=y"]), from_text("allow-destroy: Data/B: why"))

    assert named.reasons == {"Data/Key": "x=y", "Data/B": "why"}


def test_a_path_names_itself_and_nothing_below() -> None:
    named = from_options(["Data/Database=all of it"])

    assert named.names("Data/Database")
    assert not named.names("Data/Database/Instance")
    assert not named.names("Data")
