"""The local PrivateLink: what an endpoint and its name lead to."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.extensions import endpoints as module
from local.extensions import hooks
from local.extensions.endpoints import (
    EndpointService,
    EndpointServicePermissions,
    EndpointServices,
    RecordSet,
    VpcEndpoint,
)
from local.extensions.hooks import Created, Properties
from local.extensions.load_balancer import LoadBalancers
from local.host import Host
from local.state import StateFolder
from operations.errors import OperationError

NAME = "mlflow.mlops.internal"


class Recorded:
    """A type as the emulator records it."""

    def __init__(self, resource_type: str) -> None:
        self.made = 0

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        self.made += 1
        return Created(f"vpce-{self.made:017x}", {"Id": "x"})

    def update(self, physical_id: str, *_: Any) -> Created:
        return Created(physical_id, {"Id": "x"})

    def delete(self, physical_id: str, properties: Properties) -> None:
        pass


class Target:
    """A server that says who it is to whoever connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int | None = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"mlflow")

    def close(self) -> None:
        self._socket.close()


class Network:
    """A load balancer with one target, an endpoint service on it, and the resource types."""

    def __init__(self, folder: Path) -> None:
        state = StateFolder(folder)
        state.run.mkdir(parents=True)
        self.host = Host(state, "http://127.0.0.1:1")
        self.balancers = LoadBalancers(self.host)
        self.target = Target()
        self.balancers.set_targets("group", [self.target])  # type: ignore[list-item]
        self.balancers.set_group("balancer", 5000, "group")
        services = EndpointServices(self.host, self.balancers)
        self.services = services
        self.service = EndpointService(services)
        self.permissions = EndpointServicePermissions(services)
        self.endpoint = VpcEndpoint(services)
        self.record = RecordSet(services)

    def offer(self) -> str:
        return self.service.create("S", {"NetworkLoadBalancerArns": ["balancer"]}, "t").physical_id

    def connect(self, service: str) -> tuple[Created, dict[str, Any]]:
        properties = {"ServiceName": f"com.amazonaws.vpce.eu-west-1.{service}"}
        return self.endpoint.create("E", properties, "t"), properties


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setattr(hooks, "Original", Recorded)
    monkeypatch.setattr(module, "account_and_region", lambda: ("000000000000", "eu-west-1"))
    made = Network(tmp_path)
    yield made
    made.target.close()


def alias(created: Created) -> dict[str, Any]:
    """A record for an endpoint, as the template makes it of the endpoint's names."""
    zone, name = created.attributes["DnsEntries"][0].split(":")
    return {"Name": f"{NAME}.", "AliasTarget": {"DNSName": name, "HostedZoneId": zone}}


def said_by(address: str) -> bytes:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        return connection.recv(16)


def answers(address: str) -> bool:
    try:
        return said_by(address) == b"mlflow"
    except ConnectionError:
        return False


def test_the_name_leads_to_the_targets_of_the_load_balancer(network: Network) -> None:
    created, _ = network.connect(network.offer())
    network.record.create("R", alias(created), "t")
    assert said_by(network.host.address(f"{NAME}:5000")) == b"mlflow"


def test_a_new_target_is_reached_by_the_old_address(network: Network) -> None:
    created, _ = network.connect(network.offer())
    network.record.create("R", alias(created), "t")
    address = network.host.address(f"{NAME}:5000")
    network.target.close()
    other = Target()
    network.balancers.set_targets("group", [other])  # type: ignore[list-item]
    assert said_by(address) == b"mlflow"
    other.close()


def test_what_is_deleted_is_withdrawn(network: Network) -> None:
    created, properties = network.connect(network.offer())
    record = alias(created)
    network.record.create("R", record, "t")
    address = network.host.address(f"{NAME}:5000")
    network.record.delete("R", record)
    assert network.host.address(f"{NAME}:5000") == ""
    network.endpoint.delete(created.physical_id, properties)
    deadline = time.monotonic() + 5
    while answers(address):
        assert time.monotonic() < deadline


def test_an_endpoint_moves_with_its_service(network: Network) -> None:
    created, properties = network.connect(network.offer())
    record = alias(created)
    network.record.create("R", record, "t")
    again = network.endpoint.update(created.physical_id, properties, properties, "t", "E")
    network.record.update("R", record, alias(again), "t", "R")
    assert said_by(network.host.address(f"{NAME}:5000")) == b"mlflow"


def test_other_records_and_endpoints_of_aws_are_recorded_alone(network: Network) -> None:
    properties = {"ServiceName": "com.amazonaws.eu-west-1.sagemaker.api"}
    assert network.endpoint.create("E", properties, "t").attributes == {"Id": "x"}
    network.record.create("R", {"Name": "a.test", "ResourceRecords": ["10.0.0.1"]}, "t")
    assert network.host.address("a.test:5000") == ""


def test_a_service_that_is_not_there_is_said(network: Network) -> None:
    service = network.offer()
    network.service.delete(service, {})
    with pytest.raises(OperationError, match="no endpoint service"):
        network.connect(service)
    with pytest.raises(OperationError, match="no endpoint service"):
        network.permissions.create("P", {"ServiceId": service}, "t")


def test_principals_are_those_of_the_last_deployment(network: Network) -> None:
    service = network.offer()
    first, second = ({"ServiceId": service, "AllowedPrincipals": [p]} for p in ("a", "b"))
    network.permissions.create("P", first, "t")
    network.permissions.update(service, first, second, "t", "P")
    assert network.services.principals == {service: ["b"]}
    network.permissions.delete(service, second)
    assert network.services.principals == {}


def test_a_service_of_several_balancers_is_refused(network: Network) -> None:
    with pytest.raises(OperationError, match="2 network load balancers"):
        network.service.create("S", {"NetworkLoadBalancerArns": ["a", "b"]}, "t")
