"""Rules that span fields of the configuration of clients."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops_constructs.faults import Fault
from stacks.managed_checks import is_managed
from stacks.validation import Parts


def client_faults(parts: Parts) -> Iterator[Fault]:
    """The faults of clients, and of the endpoint service that they ask."""
    service = "tracking.endpoint_service"
    principals = parts.get(f"{service}.allowed_principals")
    private_dns = parts.get(f"{service}.private_dns")
    clients = parts.get("clients", {})
    if not is_managed(parts) and principals is not None and private_dns is not None:
        if (principals or clients) and not private_dns:
            yield Fault(
                f"{service}.private_dns",
                "nothing",
                "the name that clients call MLflow by",
                "Give it one: the server answers 403 to a name that it does not know.",
            )
        if (private_dns or clients) and not principals:
            yield Fault(
                f"{service}.allowed_principals",
                "nobody",
                "the principals that may ask for an endpoint to MLflow",
                "Name the clients' accounts, such as 'arn:aws:iam::<account>:root'.",
            )
    taken: dict[str, str] = {}
    for name, client in clients.items():
        yield from _account_faults(f"clients.{name}", client, parts, principals)
        for key in ("subnets", "security_groups", "services", "images"):
            entries = [entry for entry in client.get(key, []) if entry]
            for entry in sorted({entry for entry in entries if entries.count(entry) > 1}):
                yield Fault(f"clients.{name}.{key}", f"'{entry}' twice", "each once", "Remove one.")
        images = parts.get("images", [])
        for image in client.get("images", []):
            if image and None not in images and image not in images:
                yield Fault(
                    f"clients.{name}.images",
                    f"'{image}'",
                    f"some of images: {', '.join(images)}",
                    f"Add '{image}' to images, or choose another.",
                )
        # A VPC resolves a name by one zone, and by one endpoint's private DNS.
        vpc = client.get("vpc")
        if vpc and vpc in taken:
            yield Fault(
                f"clients.{name}.vpc",
                f"{vpc}, which is the VPC of clients.{taken[vpc]} too",
                "a VPC of its own for each client",
                "Make them one client: list the security groups of both.",
            )
        elif vpc:
            taken[vpc] = name


def _account_faults(
    path: str, client: Mapping[str, Any], parts: Parts, principals: list[str | None] | None
) -> Iterator[Fault]:
    match client, parts:
        case {"account": account}, {"account": own} if account == own:
            yield Fault(
                f"{path}.account",
                f"'{account}', which is the environment's",
                "another account",
                "Remove it: the environment's is the default.",
            )
        case {"account": str(account), "endpoint_service": service}, {"account": _}:
            if account and not service and not is_managed(parts):
                yield Fault(
                    f"{path}.endpoint_service",
                    "nothing",
                    "the service's name: a stack of another account cannot refer to it",
                    "Deploy Tracking, and copy its output EndpointServiceName.",
                )
            if service and not account and not is_managed(parts):
                yield Fault(
                    f"{path}.endpoint_service",
                    f"'{service}'",
                    "nothing, in the environment's own account",
                    "Remove it: the stack refers to the service itself.",
                )
            if account and principals and not any(f":{account}:" in (p or "") for p in principals):
                yield Fault(
                    f"{path}.account",
                    f"'{account}', which may ask for no endpoint to MLflow",
                    "an account of tracking.endpoint_service.allowed_principals",
                    f"Add 'arn:aws:iam::{account}:root' to them.",
                )
