"""Rules of `tracking.kind`: what there is of Fargate's keys with AWS's managed App, and not."""

from collections.abc import Iterator, Mapping

from mlops_constructs.faults import Fault
from stacks.tracking_config import Tracking
from stacks.validation import Check, Parts

MANAGED = "sagemaker_app"

OWN = frozenset({"kind", "maintenance"})
"""The keys of `tracking` that the App has."""

# Everything else of `tracking` is the server's, and these of `data` are its database's.
OTHER_SECTIONS = ("data.database", "data.backup")

INSTEAD: Mapping[str, str] = {
    "tracking.access": "Remove it: IAM decides. Attach the policy of the output TrackingPolicyArn.",
    "tracking.endpoint_service": (
        "Remove it: clients call AWS's own endpoint, and 'clients' makes one in their VPC."
    ),
    "tracking.tls": "Remove it: the App shows AWS's certificate, always.",
    "data.backup": "Remove it: there is no database. docs/tracking.md says how to export.",
}
"""What to do in the place of a key, where it is more than to remove it."""

# https://aws.amazon.com/blogs/machine-learning/scaling-mlflow-for-enterprise-ai-whats-new-in-sagemaker-ai-with-mlflow/
WITHOUT_APPS = ("cn-", "us-gov-")
"""What the regions start with where AWS offers no Apps."""


def is_managed(parts: Parts) -> bool:
    """Whether AWS runs MLflow."""
    return parts.get("tracking.kind") == MANAGED


def of_the_server(check: Check) -> Check:
    """`check`, where there is a server: where AWS runs MLflow, each of its keys is a fault anyway.

    Parameters
    ----------
    check
        A rule about the server, or its database.
    """

    def where_there_is_one(parts: Parts) -> Iterator[Fault]:
        return iter(()) if is_managed(parts) else check(parts)

    return where_there_is_one


def kind_faults(parts: Parts) -> Iterator[Fault]:
    """The keys that the chosen kind does not have, and the places where it is not offered."""
    if is_managed(parts):
        yield from _managed_faults(parts)
    elif "tracking.maintenance" in parts.written:
        yield Fault(
            "tracking.maintenance",
            "a key of AWS's managed App, with tracking.kind 'fargate'",
            "nothing: you upgrade the server yourself",
            f"Remove it, or choose tracking.kind: {MANAGED}.",
        )


def _managed_faults(parts: Parts) -> Iterator[Fault]:
    server = [f"tracking.{name}" for name in Tracking.model_fields if name not in OWN]
    for path in (*server, *OTHER_SECTIONS):
        if path in parts.written:
            yield Fault(
                path,
                f"a key of the server on Fargate, with tracking.kind '{MANAGED}'",
                "tracking.kind, tracking.maintenance, and none of the server's keys",
                INSTEAD.get(path, "Remove it: AWS runs MLflow, and keeps its metadata."),
            )
    for name in parts.get("clients", {}):
        path = f"clients.{name}.endpoint_service"
        if path in parts.written:
            yield Fault(
                path,
                f"an endpoint service, with tracking.kind '{MANAGED}'",
                "nothing: the client's VPC gets an endpoint of AWS's own service",
                "Remove it.",
            )
    region = parts.get("region", "")
    if region.startswith(WITHOUT_APPS):
        yield Fault(
            "tracking.kind",
            f"'{MANAGED}' in {region}",
            "a region that has managed MLflow Apps",
            "Choose 'fargate': AWS offers none in China and GovCloud.",
        )
