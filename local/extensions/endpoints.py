"""PrivateLink: an endpoint to our endpoint service is a port that leads to the load balancer's.

Allowed principals and acceptance are recorded and not asked for, as nothing here asks who calls.
Endpoints of AWS services are recorded alone: programs reach the emulator by its own address.
"""

import secrets

from local.extensions import hooks
from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.load_balancer import LoadBalancers
from local.host import Host
from operations.errors import OperationError


class EndpointServices:
    """The endpoint services there are, and what the names of their endpoints lead to.

    Parameters
    ----------
    host
        Where addresses are announced.
    balancers
        What the endpoints lead to.
    """

    def __init__(self, host: Host, balancers: LoadBalancers) -> None:
        self.host = host
        self.balancers = balancers
        self.services: dict[str, str] = {}
        self.principals: dict[str, list[str]] = {}
        self.ports: dict[str, list[int]] = {}

    def balancer_of(self, service_name: str) -> str | None:
        """ARN of the load balancer that a service name leads to; nothing where it is not ours."""
        return self.services.get(service_name.rpartition(".")[2])


class EndpointService:
    """``AWS::EC2::VPCEndpointService``.

    Parameters
    ----------
    services
        Where it is kept.
    """

    def __init__(self, services: EndpointServices) -> None:
        self._services = services

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Offer a load balancer."""
        service = f"vpce-svc-{secrets.token_hex(8)}1"
        return self._offer(service, properties)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Offer another load balancer under the same name."""
        return self._offer(physical_id, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Offer nothing any more; endpoints that are there lead on, until they are deleted."""
        self._services.services.pop(physical_id, None)

    def _offer(self, service: str, properties: Properties) -> Created:
        balancers = properties.get("NetworkLoadBalancerArns", [])
        if len(balancers) != 1:
            raise OperationError(
                f"The endpoint service has {len(balancers)} network load balancers.",
                "Here it leads to one.",
            )
        self._services.services[service] = balancers[0]
        return Created(service, {"ServiceId": service})


class EndpointServicePermissions:
    """``AWS::EC2::VPCEndpointServicePermissions``.

    Parameters
    ----------
    services
        Where it is kept.
    """

    def __init__(self, services: EndpointServices) -> None:
        self._services = services

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Record who may ask for an endpoint."""
        service = properties["ServiceId"]
        if service not in self._services.services:
            raise OperationError(
                f"There is no endpoint service '{service}'.", "Deploy it, or name another."
            )
        self._services.principals[service] = list(properties.get("AllowedPrincipals", []))
        return Created(service, {})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Record who may from now on."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Nobody may."""
        self._services.principals.pop(physical_id, None)


class VpcEndpoint:
    """``AWS::EC2::VPCEndpoint``, which connects where it is one of an endpoint service of ours.

    Parameters
    ----------
    services
        The endpoint services.
    """

    def __init__(self, services: EndpointServices) -> None:
        self._services = services
        self._record = hooks.Original("AWS::EC2::VPCEndpoint")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Record the endpoint, and connect it."""
        return self._connect(self._record.create(logical_id, properties, stack), properties)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Record the change, and connect it anew."""
        self._disconnect(physical_id, old)
        return self._connect(self._record.update(physical_id, old, new, stack, logical_id), new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Disconnect it, and forget it."""
        self._disconnect(physical_id, properties)
        self._record.delete(physical_id, properties)

    def _connect(self, created: Created, properties: Properties) -> Created:
        service = properties["ServiceName"]
        balancer = self._services.balancer_of(service)
        if balancer is None:
            if ".vpce-svc-" in service:
                raise OperationError(
                    f"There is no endpoint service '{service}'.", "Deploy Tracking first."
                )
            return created
        name = _dns_name(created.physical_id, service)
        groups = self._services.balancers.groups_of(balancer)
        for port, group in groups.items():
            self._services.balancers.listen(f"{name}:{port}", f"{name}:{port}", group)
        self._services.ports[name] = list(groups)
        entries = [f"Z{created.physical_id[-13:].upper()}:{name}"]
        return Created(created.physical_id, {**created.attributes, "DnsEntries": entries})

    def _disconnect(self, endpoint: str, properties: Properties) -> None:
        name = _dns_name(endpoint, properties["ServiceName"])
        for port in self._services.ports.pop(name, []):
            self._services.balancers.close(f"{name}:{port}")
            self._services.host.withdraw(f"{name}:{port}")


class RecordSet:
    """``AWS::Route53::RecordSet``: an alias of an endpoint is announced as what it leads to.

    Parameters
    ----------
    services
        The endpoint services.
    """

    def __init__(self, services: EndpointServices) -> None:
        self._services = services
        self._record = hooks.Original("AWS::Route53::RecordSet")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Record the name, and announce it."""
        created = self._record.create(logical_id, properties, stack)
        self._announce(properties)
        return created

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Record the change, and announce it."""
        self._withdraw(old)
        updated = self._record.update(physical_id, old, new, stack, logical_id)
        self._announce(new)
        return updated

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget the name."""
        self._withdraw(properties)
        self._record.delete(physical_id, properties)

    def _announce(self, properties: Properties) -> None:
        name, target = _alias(properties)
        for port in self._services.ports.get(target, []):
            address = self._services.host.address(f"{target}:{port}")
            self._services.host.announce(f"{name}:{port}", address)

    def _withdraw(self, properties: Properties) -> None:
        name, target = _alias(properties)
        for port in self._services.ports.get(target, []):
            self._services.host.withdraw(f"{name}:{port}")


def _alias(properties: Properties) -> tuple[str, str]:
    """The name of a record, and what it is an alias of."""
    return properties["Name"].rstrip("."), properties.get("AliasTarget", {}).get("DNSName", "")


def _dns_name(endpoint: str, service_name: str) -> str:
    """The name of an endpoint in all its zones."""
    service = service_name.rpartition(".")[2]
    return f"{endpoint}.{service}.{account_and_region()[1]}.vpce.amazonaws.com"
