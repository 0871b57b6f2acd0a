"""The login of the server's processes, which follows the secret when its password is rotated.

Two users of the database take turns in the secret. The option file says which one, and PyMySQL
reads it at every new connection, so that no process has to be started again. One that has not read
the secret since the last rotation goes on with the other user until the next one.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pymysql

from tracking_server.database import read_secret, write_options
from tracking_server.settings import Settings

OPTIONS = "TRACKING_SERVER_DATABASE_OPTIONS"
"""The variable that says where the option file is."""

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_access_denied_error
REFUSED = 1045

AGAIN_SECONDS = 1
"""How long the secret is not read again for connections that are refused one after another."""


def keep_login_fresh() -> None:
    """Have this process follow the secret from now on; each of the server's calls it once."""
    from sqlalchemy import Engine, event

    settings = Settings.read()
    login = Login(
        Path(os.environ[OPTIONS]),
        settings.certificates,
        lambda: read_secret(boto3.client("secretsmanager"), settings.secret_arn),
    )
    event.listen(Engine, "do_connect", login.connect)
    threading.Thread(
        target=login.follow, args=[settings.secret_seconds], name="login", daemon=True
    ).start()


class Login:
    """An option file that is written again when the secret has changed.

    Parameters
    ----------
    options
        The file.
    certificates
        What the database's certificate must come from.
    read
        Reads the secret.
    """

    def __init__(
        self, options: Path, certificates: Path, read: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._options = options
        self._certificates = certificates
        self._read = read
        self._lock = threading.Lock()
        self._asked = -float("inf")
        self._works = True

    def follow(self, seconds: float) -> None:
        """Read the secret for ever.

        Parameters
        ----------
        seconds
            The longest time between two readings. Processes that started together drift apart.
        """
        while True:
            time.sleep(seconds * random.uniform(0.8, 1))  # noqa: S311 - no secret hangs on it
            self.refresh()

    def refresh(self) -> None:
        """Read the secret now. Where that fails, it is said once, and the file stays as it is."""
        try:
            changed = write_options(self._options, self._read(), self._certificates)
        except Exception as error:  # whatever it is, the login in use is better than none
            if self._works:
                _say(f"the database's secret cannot be read, and the last one is used: {error}")
            self._works = False
            return
        if not self._works:
            _say("the database's secret can be read again")
        self._works = True
        if changed:
            _say("the database's login has changed")

    def connect(
        self, dialect: Any, record: Any, words: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        """Open a connection for SQLAlchemy; where its login is refused, read the secret first.

        That is for rotations that come faster than the secret is read.

        Parameters
        ----------
        dialect, record, words, options
            What SQLAlchemy opens connections with:
            https://docs.sqlalchemy.org/en/20/core/events.html#sqlalchemy.events.DialectEvents.do_connect
        """
        try:
            return dialect.connect(*words, **options)
        except pymysql.OperationalError as error:
            if error.args[0] != REFUSED:
                raise
        with self._lock:
            if time.monotonic() - self._asked > AGAIN_SECONDS:
                self.refresh()
                self._asked = time.monotonic()
        return dialect.connect(*words, **options)


def _say(what: str) -> None:
    print(f"tracking-server: {what}", file=sys.stderr, flush=True)
