"""What tests of releases share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import stacks.releases
from stacks.document import Document, parse_document


@pytest.fixture(scope="session", autouse=True)
def parse_once() -> Iterator[None]:
    """The same few records are read thousands of times: YAML is parsed once for each text."""
    known: dict[str, Document] = {}

    def parsed(text: str, path: Path) -> Document:
        if text not in known:
            known[text] = parse_document(text, path)
        return known[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks.releases, "parse_document", parsed)
        yield
