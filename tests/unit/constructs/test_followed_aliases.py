"""The spelling of what is followed: short enough, and read by the function as it was meant."""

import random
import string
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_constructs.followed_aliases import LONGEST, PACKED, size, spelled
from promoter import settings
from promoter.settings import Alias, Settings
from stacks.release_checks import MOST_FOLLOWED

Followed = Mapping[str, Mapping[str, str]]
NAMES = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True)
PARTS = st.from_regex(r"[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)?", fullmatch=True)
MODELS = st.from_regex(r"models:/[A-Za-z0-9][\w.-]*@[A-Za-z][\w-]*", fullmatch=True)


def named(letters: int, count: int = MOST_FOLLOWED) -> dict[str, dict[str, str]]:
    """Endpoints and models by names of so many letters, in which nothing repeats."""
    chance = random.Random(count)  # noqa: S311 - the same names each time

    def name() -> str:
        return "".join(chance.choices(string.ascii_lowercase, k=letters))

    return {name(): {"model": f"models:/{name()}@champion"} for _ in range(count)}


def read(text: str) -> dict[str, dict[str, str]]:
    """What the function reads."""
    given = {**dict.fromkeys(settings.NAMES, "x"), "FOLLOWED": text}
    return {
        endpoint: {container: str(alias) for container, alias in aliases.items()}
        for endpoint, aliases in Settings.read(given).followed.items()
    }


@given(
    st.dictionaries(
        NAMES, st.dictionaries(PARTS, MODELS, min_size=1, max_size=2), min_size=1, max_size=4
    )
)
def test_the_function_reads_what_was_meant(followed: Followed) -> None:
    assert read(spelled(followed)) == followed


@pytest.mark.parametrize("letters", [1, 20, 60])
def test_so_it_does_whether_it_is_packed_or_not(letters: int) -> None:
    followed = named(letters)
    assert spelled(followed).startswith(PACKED) is (letters > 1)
    assert read(spelled(followed)) == followed


def test_both_sides_know_a_packed_one_by_the_same_sign() -> None:
    assert settings.PACKED == PACKED
    assert "=" not in PACKED  # what is not packed has one before its first colon


def test_what_fits_can_be_read_by_people() -> None:
    two = {"two": {"b": "models:/trees@live", "a": "models:/features@live"}}
    assert spelled({**two, "iris": {"model": "models:/iris@champion"}}) == (
        "iris=model:iris@champion;two=a:features@live,b:trees@live"
    )


def test_nothing_in_it_counts_twice_in_json() -> None:
    for letters in (1, 20):
        assert not {'"', "\\"} & set(spelled(named(letters)))


def test_a_hundred_endpoints_with_names_of_twenty_letters_fit() -> None:
    assert size(named(20)) <= LONGEST


def test_a_hundred_with_names_of_twenty_five_do_not() -> None:
    assert size(named(25)) > LONGEST


def test_the_order_does_not_matter() -> None:
    followed = named(20)
    assert spelled(dict(reversed(followed.items()))) == spelled(followed)


def test_an_alias_is_read() -> None:
    assert Alias.parse("iris@champion") == Alias("iris", "champion")
