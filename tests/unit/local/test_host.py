"""Addresses of the network, as programs reach them here."""

from pathlib import Path

import pytest

from local.host import Host
from local.state import StateFolder

URL = "http://127.0.0.1:4566"
NAME = "nlb-1.elb.eu-west-1.amazonaws.com:5000"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(StateFolder(tmp_path), URL)
    host.state.run.mkdir()
    host.announce(NAME, "http://127.0.0.1:81")
    host.announce("database", "127.0.0.1:82")
    return host


@pytest.mark.parametrize(
    ("told", "here"),
    [
        (f"http://{NAME}", "http://127.0.0.1:81"),
        (
            "https://a1.execute-api.eu-west-1.amazonaws.com/v1/endpoints/%7Bendpoint%7D/x",
            f"{URL}/_aws/execute-api/a1/v1/endpoints/%7Bendpoint%7D/x",
        ),
        # Nothing of these stands for anything here.
        ("https://example.com/v1", "https://example.com/v1"),
        ("database", "database"),
        ("http://database.internal", "http://database.internal"),
        ('{"iris": {"model": "models:/iris@champion"}}',) * 2,
        ("", ""),
    ],
)
def test_an_address_is_replaced_by_what_stands_for_it(host: Host, told: str, here: str) -> None:
    assert host.here(told) == here
