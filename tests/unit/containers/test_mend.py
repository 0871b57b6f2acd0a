"""The mend of MLflow's migration: where it is needed, where it is not, where it cannot be."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tracking_server import mend as module
from tracking_server.mend import NAME, OTHER, REVISION, MendError, foreign_keys, main, mend


def installed() -> str:
    """The revision as MLflow has it."""
    found = find_spec("mlflow")
    assert found
    assert found.origin
    return (Path(found.origin).parent / REVISION).read_text()


@pytest.fixture
def revision(tmp_path: Path) -> Path:
    path = tmp_path / REVISION
    path.parent.mkdir(parents=True)
    path.write_text(installed())
    return path


def test_the_mend_is_needed_still() -> None:
    """Where this fails, MLflow has mended it: remove mend.py and the script finish-image."""
    assert foreign_keys(installed()) == [NAME, NAME]


def test_gives_the_second_key_another_name_and_changes_nothing_else(revision: Path) -> None:
    before = revision.read_text().splitlines()
    assert mend(revision) is True
    after = revision.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert foreign_keys(revision.read_text()) == [NAME, OTHER]
    assert before.index(changed[0][0]) < after.index(changed[0][1])


def test_done_again_it_does_nothing(revision: Path) -> None:
    mend(revision)
    before = revision.read_bytes()
    assert mend(revision) is False
    assert revision.read_bytes() == before


def test_what_the_installer_keeps_stays_as_it_is(revision: Path, tmp_path: Path) -> None:
    """Its cache holds the same file by another name."""
    cached = tmp_path / "cached.py"
    cached.hardlink_to(revision)
    mend(revision)
    assert cached.read_text() == installed()


def test_what_is_compiled_is_what_was_mended(revision: Path) -> None:
    mend(revision)
    (compiled,) = (revision.parent / "__pycache__").glob("*.pyc")
    assert OTHER.encode() in compiled.read_bytes()


@pytest.mark.parametrize("name", ['"fk_other"', "None"])
def test_a_revision_in_order_needs_nothing(name: str, revision: Path) -> None:
    before, _, after = installed().rpartition(f'"{NAME}"')
    revision.write_text(f"{before}{name}{after}")
    assert mend(revision) is False


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'"{NAME}"', '"fk_other"'),
        (f'name="{NAME}"', "name='fk_user_id'"),
        ("ForeignKeyConstraint", "Key"),
        ("def downgrade", f'KEY = sa.ForeignKeyConstraint(name="{NAME}")\n\n\ndef downgrade'),
    ],
)
def test_a_fault_that_is_not_the_known_one_ends_the_build(
    old: str, new: str, revision: Path
) -> None:
    revision.write_text(installed().replace(old, new))
    before = revision.read_bytes()
    with pytest.raises(MendError, match="foreign keys"):
        mend(revision)
    assert revision.read_bytes() == before


class TestProgram:
    @pytest.fixture(autouse=True)
    def mlflow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Found:
            origin = str(tmp_path / "__init__.py")

        monkeypatch.setattr(module, "find_spec", lambda _: Found)

    def test_says_what_it_did(self, revision: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main() == 0
        assert f"the second '{NAME}' is '{OTHER}' now" in capsys.readouterr().out
        assert main() == 0
        assert "nothing to mend any more" in capsys.readouterr().out

    def test_ends_the_build_where_it_cannot(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main() == 1
        (said,) = capsys.readouterr().err.splitlines()
        assert "8606fa83a998" in said
        assert "mend or remove" in said
