"""The database's users: MySQL 8.4, and MariaDB 10.11 where the platform runs on one machine."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql

from rotator.errors import RefusedError, RotationError
from rotator.secrets import Login

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
REFUSED = (1045, 1698, 3118)
"""A wrong user or password, one that logs in otherwise, one that is locked."""

SECONDS = 5
"""How long the server may take to answer."""

Connection = Any


@dataclass(frozen=True)
class Account:
    """A user of the database, as it was found.

    Parameters
    ----------
    host
        Where it may connect from.
    grants
        What it may do: statements up to their ``TO``.
    """

    host: str
    grants: tuple[str, ...]


class Server:
    """The database's server, spoken to over TLS with its name checked.

    Parameters
    ----------
    certificates
        File with what its certificate must come from.
    """

    def __init__(self, certificates: str) -> None:
        self._certificates = certificates

    def check(self, login: Login) -> None:
        """Make sure that `login` opens its database.

        Raises
        ------
        RefusedError
            Where the password is refused.
        RotationError
            Where the server cannot be used.
        """
        with self._open(login) as cursor:
            cursor.execute("SELECT 1")

    def account(self, login: Login) -> Account:
        """What the user of `login` may do, as it sees it itself.

        Raises
        ------
        RefusedError
            Where the password is refused.
        RotationError
            Where the server cannot be used.
        """
        with self._open(login) as cursor:
            user, host = _name(cursor)
            cursor.execute("SHOW GRANTS")
            lines = [str(row[0]) for row in cursor.fetchall()]
        # MariaDB adds the password's hash to a line, and what TLS is asked for.
        found = re.compile(
            rf"(GRANT .+) TO ([`'\"]){re.escape(user)}\2@([`'\"]){re.escape(host)}\3"
        )
        matches = [found.match(line) for line in lines]
        return Account(host, tuple(match[1] for match in matches if match))

    def make(self, login: Login, account: Account, master: Login) -> None:
        """Have the user of `login` there, with its password and what `account` may do.

        It may not pass its rights on. Done again, it changes nothing.

        Parameters
        ----------
        login
            The user and its password.
        account
            The user that it is like.
        master
            Who makes it.

        Raises
        ------
        RefusedError
            Where the master's password is refused.
        RotationError
            Where the server cannot be used, or refuses a statement.
        """
        name = (login.user, account.host)
        with self._open(master) as cursor:
            made = "CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s REQUIRE SSL"
            cursor.execute(made, (*name, login.password))
            for grant in account.grants:
                cursor.execute(f"{grant.replace('%', '%%')} TO %s@%s", name)
            cursor.execute("ALTER USER %s@%s IDENTIFIED BY %s REQUIRE SSL", (*name, login.password))

    def change(self, login: Login, password: str) -> None:
        """Let the user of `login` change its own password.

        Raises
        ------
        RefusedError
            Where its password is refused.
        RotationError
            Where the server cannot be used, or refuses the statement.
        """
        with self._open(login) as cursor:
            # By its name: MariaDB takes CURRENT_USER() in this place, and changes nothing.
            cursor.execute("ALTER USER %s@%s IDENTIFIED BY %s", (*_name(cursor), password))

    @contextmanager
    def _open(self, login: Login) -> Iterator[Any]:
        try:
            connection = pymysql.connect(
                host=login.host,
                port=login.port,
                user=login.user,
                password=login.password,
                database=login.database,
                ssl={"ca": self._certificates},
                connect_timeout=SECONDS,
                read_timeout=SECONDS,
                write_timeout=SECONDS,
            )
        except (pymysql.MySQLError, OSError) as error:
            number = error.args[0] if error.args else None
            if number in REFUSED:
                raise RefusedError(
                    f"The database refuses the password of '{login.user}'."
                ) from error
            raise RotationError(
                f"The database at {login.host}:{login.port} cannot be used by '{login.user}':"
                f" {error}. Look at the instance, its security group and its certificate."
            ) from error
        try:
            with connection.cursor() as cursor:
                yield cursor
        except pymysql.MySQLError as error:
            # What the server says repeats the statement, and so the password.
            raise RotationError(
                f"The database refuses a statement of '{login.user}' (error {error.args[0]})."
                " Look that number up, and what the user may do."
            ) from None
        finally:
            connection.close()


def _name(cursor: Any) -> tuple[str, str]:
    """The account that a login was taken for: its user, and where it may connect from."""
    cursor.execute("SELECT CURRENT_USER()")
    user, _, host = str(cursor.fetchone()[0]).rpartition("@")
    return user, host
