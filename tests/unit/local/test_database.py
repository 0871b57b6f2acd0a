"""Finding a database server, and starting one in a container; the real one runs end to end."""

from pathlib import Path

import pytest

from local import database
from local.database import DatabaseServer, ServerProgram, find_server, installed_server
from operations.errors import OperationError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it: no server, no engine, no right to install."""
    monkeypatch.setattr(database, "installed_server", lambda: None)
    monkeypatch.setattr(database, "container_server", lambda: None)
    monkeypatch.setattr(database, "_privilege", lambda: None)
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("said", "kind", "title"),
    [
        ("mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community)", "mysql", "MySQL 8.4.3"),
        ("mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian", "mariadb", "MariaDB 10.11.19"),
    ],
)
def test_an_installed_server_says_what_it_is(
    said: str, kind: str, title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "mysqld", f"echo '{said}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = installed_server()
    assert found is not None
    assert (found.kind, found.version) == (kind, title)
    assert find_server() == found


def test_a_container_engine_comes_second(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(database, "installed_server", lambda: None)
    program(bare, "docker", "exit 1")
    program(bare, "podman", "exit 0")
    monkeypatch.setenv("PATH", f"{bare}:/usr/bin:/bin")
    found = find_server()
    assert (found.kind, found.version) == ("container", "mysql:8.4 in podman")


def test_no_server_and_no_right_to_install_says_what_to_ask_for(bare: Path) -> None:
    with pytest.raises(OperationError) as raised:
        find_server()
    assert "may not install" in raised.value.what
    assert "sudo apt-get install mariadb-server-core" in raised.value.fix


class TestInstalling:
    @pytest.fixture
    def allowed(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(database, "_privilege", lambda: ())
        monkeypatch.setenv("PATH", f"{bare}:/usr/bin:/bin")
        return bare

    def test_installs_the_server_alone(
        self, allowed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(allowed, "apt-get", f'echo "$@" >> {allowed}/said')
        installed = ServerProgram("mariadb", ("mariadbd",), "MariaDB 10.11")
        answers = iter([None, installed])
        monkeypatch.setattr(database, "installed_server", lambda: next(answers))
        told: list[str] = []
        assert find_server(told.append) == installed
        assert told == ["installing mariadb-server-core"]
        said = (allowed / "said").read_text().splitlines()
        assert said[0].startswith("update")
        assert "--no-install-recommends mariadb-server-core mariadb-client-core" in said[1]

    def test_a_failing_installation_is_said(self, allowed: Path) -> None:
        program(allowed, "apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
        with pytest.raises(OperationError, match="Unable to locate package"):
            find_server()

    def test_an_installation_without_a_server_is_said(self, allowed: Path) -> None:
        program(allowed, "apt-get", "exit 0")
        with pytest.raises(OperationError, match="no server is on the PATH"):
            find_server()


def test_a_container_is_started_with_tls_and_the_binary_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is a program that writes down what it is told; nobody answers on the port."""
    program(tmp_path, "docker", f'echo "$@" > {tmp_path}/said; sleep 30')
    monkeypatch.setattr(DatabaseServer, "_answers", lambda *_: (tmp_path / "said").is_file())
    server = DatabaseServer(
        ServerProgram("container", (str(tmp_path / "docker"),), "mysql:8.4 in docker"),
        tmp_path / "db",
        tmp_path / "log",
        user="mlflow",
        password="it's",
        database="mlflow",
        parameters={"require_secure_transport": "ON"},
    )
    server.process.stop()
    said = (tmp_path / "said").read_text()
    assert f"--publish 127.0.0.1:{server.port}:3306" in said
    for option in (
        "mysql:8.4",
        "--log-bin=binlog",
        "--ssl-cert=/local/server.pem",
        "--require-secure-transport=ON",
    ):
        assert option in said
    assert "it's" not in said
    assert not (tmp_path / "db" / "start.sql").exists(), "the password stays nowhere"
