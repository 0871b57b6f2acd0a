"""A login that cannot be looked up is answered 503, and a wrong one 401."""

from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from tracking_server.outage import tell_outages


class FakeStore:
    """Users, in a database that may be away."""

    def __init__(self) -> None:
        self.users = {"ana": "secret"}
        self.away: list[str] = []

    def authenticate_user(self, username: str, password: str) -> bool:
        self._ask("authenticate_user")
        return self.users.get(username) == password

    def get_user(self, username: str) -> str:
        self._ask("get_user")
        if username not in self.users:
            raise MlflowException("no such user", RESOURCE_DOES_NOT_EXIST)
        return username

    def _ask(self, what: str) -> None:
        if what in self.away:
            raise MlflowException("the database is away", TEMPORARILY_UNAVAILABLE)


class FakeAccess:
    """What `tell_outages` changes of ``mlflow.server.auth``."""

    def __init__(self) -> None:
        self.store = FakeStore()

    def _authenticate_cached(self, username: str, password: str) -> str | None:
        if not self.store.authenticate_user(username, password):
            return None
        try:
            return self.store.get_user(username)
        except MlflowException:
            return None

    def _authenticate_fastapi_request(self, request: tuple[str, str]) -> str | None:
        try:
            return self._authenticate_cached(*request)
        except Exception:
            return None


@pytest.fixture
def access() -> FakeAccess:
    access = FakeAccess()
    tell_outages(access)
    return access


@pytest.mark.parametrize("away", ["authenticate_user", "get_user"])
def test_a_login_that_cannot_be_looked_up_is_an_outage(access: FakeAccess, away: str) -> None:
    access.store.away = [away]
    with pytest.raises(MlflowException, match="the database is away") as of_flask:
        access._authenticate_cached("ana", "secret")
    with pytest.raises(MlflowException, match="the database is away") as of_fastapi:
        access._authenticate_fastapi_request(("ana", "secret"))
    assert {each.value.get_http_status_code() for each in (of_flask, of_fastapi)} == {503}


def test_a_wrong_login_is_nobody_even_after_an_outage(access: FakeAccess) -> None:
    access.store.away = ["get_user"]
    with pytest.raises(MlflowException):
        access._authenticate_fastapi_request(("ana", "secret"))
    access.store.away = []
    assert access._authenticate_fastapi_request(("ana", "wrong")) is None
    assert access._authenticate_fastapi_request(("nobody", "secret")) is None
    assert access._authenticate_fastapi_request(("ana", "secret")) == "ana"


def test_a_user_who_was_removed_meanwhile_is_nobody(access: FakeAccess) -> None:
    def removed(*_: Any) -> bool:
        del access.store.users["ana"]
        return True

    access.store.authenticate_user = removed  # type: ignore[assignment]
    assert access._authenticate_cached("ana", "secret") is None
