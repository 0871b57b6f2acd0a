"""How the store's own connections are opened: as SQLAlchemy's are, until they are open."""

from typing import Any

import pytest
from pymysql.constants import CLIENT
from sqlalchemy import Engine, event

from tracking_server.connections import opener

URI = "mysql+pymysql://db.internal:3307/mlflow?charset=utf8mb4&read_default_file=/tmp/client.cnf"


class Seen(Exception):  # noqa: N818 - not an error: nothing is opened
    """How a connection would have been opened."""


def test_they_take_several_statements_and_what_the_address_says() -> None:
    def listen(dialect: Any, record: Any, words: Any, options: dict[str, Any]) -> Any:
        raise Seen(options)

    event.listen(Engine, "do_connect", listen)
    try:
        with pytest.raises(Seen) as raised:
            opener(URI)()
    finally:
        event.remove(Engine, "do_connect", listen)
    (options,) = raised.value.args
    assert options["host"] == "db.internal"
    assert options["read_default_file"] == "/tmp/client.cnf"  # noqa: S108 - nobody opens it
    assert options["autocommit"] is True
    assert options["client_flag"] == CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS
