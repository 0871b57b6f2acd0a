"""What tests of releases share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import stacks.releases
from stacks.document import Document, read_document


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """The same few records are read thousands of times: YAML is parsed once for each text."""

    known: dict[str, Document] = {}

    def read(path: Path) -> Document:
        text = path.read_text(encoding="utf-8")
        if text not in known:
            known[text] = read_document(path)
        return known[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks.releases, "read_document", read)
        yield
