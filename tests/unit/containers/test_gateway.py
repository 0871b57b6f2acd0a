"""MLflow's gateway to language models is refused, and one that has moved ends the server."""

from types import SimpleNamespace
from typing import Any

import pytest

from tracking_server.gateway import GatewayError, refuse_call, refuse_gateway, refuse_use


class FakeFlask:
    """An application with calls."""

    def __init__(self, *rules: str) -> None:
        self.url_map = SimpleNamespace(iter_rules=lambda: [SimpleNamespace(rule=r) for r in rules])
        self.before: list[Any] = []

    def before_request(self, asked: Any) -> None:
        self.before.append(asked)


def enabled() -> None:
    """What MLflow asks before a model is called."""


CALL = "/api/3.0/mlflow/gateway/secrets/create"


def test_both_applications_refuse_it() -> None:
    flask = FakeFlask("/api/2.0/mlflow/runs/create", CALL)
    fastapi = SimpleNamespace(dependency_overrides={})
    refuse_gateway(flask, fastapi, SimpleNamespace(_ensure_gateway_enabled=enabled))
    assert flask.before == [refuse_call]
    assert fastapi.dependency_overrides == {enabled: refuse_use}


@pytest.mark.parametrize(
    ("rule", "gateway", "lacks"),
    [
        (CALL, SimpleNamespace(), "_ensure_gateway_enabled"),
        ("/api/4.0/gateway", SimpleNamespace(_ensure_gateway_enabled=enabled), "/mlflow/gateway/"),
    ],
)
def test_one_that_has_moved_is_not_left_on(rule: str, gateway: Any, lacks: str) -> None:
    with pytest.raises(GatewayError, match=lacks):
        refuse_gateway(FakeFlask(rule), SimpleNamespace(dependency_overrides={}), gateway)
