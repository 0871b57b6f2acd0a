import json
import socket
from pathlib import Path

import pytest

from local.state import StateFolder, check_port, free_port
from operations.errors import OperationError


def test_one_platform_owns_a_folder(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.owned():
        with pytest.raises(OperationError) as raised, StateFolder(tmp_path).owned():
            pass
        assert "already runs" in raised.value.what
        assert "STATE=" in raised.value.fix
    with state.owned():
        pass


def test_another_folder_is_another_platform(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "one").owned(), StateFolder(tmp_path / "two").owned():
        pass


def test_starts_with_nothing_of_the_last_time(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.owned():
        (state.run / "old").touch()
    with state.owned():
        assert not (state.run / "old").exists()


def test_addresses_are_written_as_a_whole(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.owned():
        state.write_addresses({"a": "127.0.0.1:1"})
        assert json.loads(state.addresses.read_text()) == {"a": "127.0.0.1:1"}


def test_a_busy_port_is_said() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(OperationError, match="cannot be used"):
            check_port(busy.getsockname()[1])


def test_a_free_port_is_free() -> None:
    check_port(free_port())
