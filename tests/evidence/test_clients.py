"""An old client and a current one do the same things, and see each other's work alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.database import ServerProgram
from tests.evidence.database import create_database
from tests.evidence.programs import CURRENT, OLD, installed, prepare

EXPECTED: dict[str, Any] = {
    "params": {"depth": "3", "leaf": "1"},
    "metrics": {"loss": 1 / 3, "f1": 0.5},
    "history": [1.0, 0.5, 1 / 3],
    "tag": "b",
    "file": "many words",
    # Who set the alias is noted by the server.
    "alias": ["1", {"checked": "yes", "promoted.champion.by": "administrator"}, True],
    "answer": [7, 14],
    "search": [["first"], ["first"], ["second"], ["first", "second"]],
    "search versions": 1,
    "deleted run": [["first"], ["second"]],
    "restored run": ["first", "second"],
    "deleted experiment": "deleted",
    "restored experiment": "active",
    "deleted alias": True,
    "deleted version": True,
    "deleted model": True,
}


def test_old_and_current_clients_do_and_see_the_same(
    program: ServerProgram, tmp_path: Path, say: Callable[[str], None]
) -> None:
    clients = [installed(OLD[0]), installed(CURRENT)]
    database = create_database(program, tmp_path / "database")
    try:
        assert prepare("migrate", database, tmp_path / "files", tmp_path)[0] == 0
        with clients[-1].server(database, tmp_path / "files", tmp_path) as address:
            for client in clients:
                name = f"by {client.said()}"
                done = client.client("exercise.py", address, name, folder=tmp_path)
                assert done == {**EXPECTED, "search models": [name]}
                say(f"{program.version}: client {client.said()} did {len(done)} things as expected")
            seen = [c.client("history.py", "read", address, folder=tmp_path) for c in clients]
    finally:
        database.stop()
    assert len(seen[0]["versions"]) == len(clients)
    assert seen[0] == seen[1]
