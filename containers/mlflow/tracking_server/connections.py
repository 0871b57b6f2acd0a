"""Connections of the store's own, for several statements in one round trip.

MLflow's pool asks the database whether a connection lives each time that it lends one, and rolls
it back each time that it is returned. These are looked at instead: a database that closes a
connection says so on its socket. And they take several statements at once, which MLflow's do not:
what stands in such a text is written by `tracking_server.store` alone.
"""

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
from pymysql.constants import CLIENT

Rows = tuple[tuple[Any, ...], ...]


class Connections:
    """Lends connections; opens one where none is free, and as many as it may at most.

    Who has one must not wait for another, nor for one of MLflow's.

    Parameters
    ----------
    connect
        Opens one.
    most
        How many are open at once; who comes when all are lent waits.
    seconds
        How long one is used before another takes its place.
    clock
        Says what time it is, in seconds.

    Examples
    --------
    >>> connections = Connections(opener("mysql+pymysql://db.internal/mlflow"), 8)  # doctest: +SKIP
    >>> with connections.lent() as connection:  # doctest: +SKIP
    ...     ask(connection, "SELECT 1; SELECT 2")
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        most: int,
        seconds: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._seconds = seconds
        self._clock = clock
        self._free: list[tuple[float, Any]] = []
        self._places = threading.BoundedSemaphore(most)

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """A connection without a transaction; what is begun and not committed is rolled back."""
        with self._places:
            until, connection = self._take()
            try:
                yield connection
            except Exception:
                _end(connection)
                raise
            except BaseException:
                # A thread that is stopped may leave an answer half read.
                _close(connection)
                raise
            finally:
                if connection.open:
                    self._free.append((until, connection))

    def _take(self) -> tuple[float, Any]:
        while True:
            try:
                # The last that was used: the others may rest until the database closes them.
                until, connection = self._free.pop()
            except IndexError:
                return self._clock() + self._seconds, self._connect()
            if self._clock() < until and _lives(connection):
                return until, connection
            _close(connection)


def opener(uri: str) -> Callable[[], Any]:
    """What opens connections that take several statements, each of which is committed.

    They are SQLAlchemy's until they are open, so that whatever listens to it is asked too: a login
    that is refused has the secret read again (`tracking_server.login`).

    Parameters
    ----------
    uri
        Address of the database.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    # The flag that SQLAlchemy's dialect sets by itself stays.
    flags = CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS
    options = {"client_flag": flags, "autocommit": True}
    engine = create_engine(uri, poolclass=NullPool, connect_args=options)

    def connect() -> Any:
        pooled = engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        return connection

    return connect


def ask(connection: Any, statements: str) -> list[tuple[int, Rows]]:
    """The count of rows and the rows of each of several statements, in one round trip.

    Parameters
    ----------
    connection
        One that was lent.
    statements
        With semicolons between them. After one that fails, no other is run.

    Raises
    ------
    pymysql.MySQLError
        Where one fails.
    """
    with connection.cursor() as cursor:
        cursor.execute(statements)
        answers = [(cursor.rowcount, cursor.fetchall())]
        while cursor.nextset():
            answers.append((cursor.rowcount, cursor.fetchall()))
    return answers


def _lives(connection: Any) -> bool:
    """Whether nothing waits to be read: neither the end of the connection, nor why it ends."""
    poll = select.poll()
    poll.register(connection._sock, select.POLLIN)
    return not poll.poll(0)


def _end(connection: Any) -> None:
    """Undo what an error left, or close the connection where that cannot be."""
    try:
        connection.rollback()
    except (pymysql.MySQLError, OSError):
        _close(connection)


def _close(connection: Any) -> None:
    with suppress(pymysql.MySQLError, OSError):
        connection.close()
