"""The tracking server's login, which follows a secret that is rotated."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tracking_server.login import Login

SECRET = {"host": "db", "port": 3307, "dbname": "mlflow"}
FIRST = {**SECRET, "username": "server", "password": "one"}
SECOND = {**SECRET, "username": "server_clone", "password": "two"}


class Server:
    """A database that knows one user, a secret that may say another, and who asks for it."""

    def __init__(self, options: Path) -> None:
        self.options = options
        self.secret: Mapping[str, Any] | Exception = FIRST
        self.known = FIRST
        self.read = 0
        self.refused = 0
        self.login = Login(options, options.parent / "ca.pem", self._read)
        self.login.refresh()

    def _read(self) -> Mapping[str, Any]:
        self.read += 1
        if isinstance(self.secret, Exception):
            raise self.secret
        return self.secret

    def connect(self, *words: str, **options: str) -> str:
        """As SQLAlchemy's dialect does, which reads the option file by PyMySQL."""
        assert words == ("word",)
        assert options == {"database": "mlflow"}
        if f'password = "{self.known["password"]}"' in self.options.read_text():
            return "a connection"
        self.refused += 1
        raise pymysql.OperationalError(1045, "Access denied for user")

    def open(self) -> Any:
        return self.login.connect(self, None, ("word",), {"database": "mlflow"})


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "client.cnf")


class TestRefresh:
    def test_writes_what_the_secret_says(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        server.login.refresh()
        assert capsys.readouterr().err == ""
        server.secret = SECOND
        server.login.refresh()
        assert 'user = "server_clone"' in server.options.read_text()
        assert capsys.readouterr().err == "tracking-server: the database's login has changed\n"

    def test_a_failure_is_said_once_and_the_login_stays(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = server.options.read_text()
        server.secret = OSError("no way there")
        for _ in range(3):
            server.login.refresh()
        assert server.options.read_text() == before
        said = capsys.readouterr().err
        assert said.count("cannot be read") == 1
        assert "no way there" in said
        server.secret = SECOND
        server.login.refresh()
        assert "can be read again" in capsys.readouterr().err
        server.secret = {"username": "u", "password": "hidden"}
        server.login.refresh()
        said = capsys.readouterr().err
        assert "lacks host, port, dbname" in said
        assert "hidden" not in said

    def test_follows_for_ever_and_never_slower_than_it_is_told(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) > 50:
                raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", sleep)
        with pytest.raises(KeyboardInterrupt):
            server.login.follow(100)
        assert server.read == 51
        assert 80 <= min(waits) < max(waits) <= 100


class TestConnect:
    def test_reads_no_secret_where_the_login_is_right(self, server: Server) -> None:
        assert server.open() == "a connection"
        assert server.read == 1

    def test_a_refused_login_is_read_anew(self, server: Server) -> None:
        server.known = server.secret = SECOND
        assert server.open() == "a connection"
        assert server.refused == 1

    def test_who_is_refused_for_good_learns_it_and_does_not_ask_without_end(
        self, server: Server
    ) -> None:
        server.known = SECOND
        for _ in range(5):
            with pytest.raises(pymysql.OperationalError):
                server.open()
        assert server.read == 2

    def test_another_failure_is_no_reason_to_ask(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise pymysql.OperationalError(2003, "timed out")

        monkeypatch.setattr(server, "connect", fail)
        with pytest.raises(pymysql.OperationalError):
            server.open()
        assert server.read == 1
