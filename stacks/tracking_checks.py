"""Rules that span fields of the tracking server's configuration, and of its database's."""

from collections.abc import Iterator

from mlops_constructs.database_class import connections, memory
from mlops_constructs.faults import Fault
from stacks.validation import Check, Parts

DEPLOYING = 2
"""Times of the tasks that run while a new version takes over: all of both."""

LEAST = 18
"""Connections without which a worker gets stuck: each of MLflow's three stores has a pool of its
own, and a call that logs a batch takes two of them."""

SET_ASIDE = 10
"""Connections for a migration, for RDS itself, and for whoever looks for what is wrong."""


def _task_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"tracking.tasks": tasks, "tracking.max_tasks": most} if tasks > most:
            yield Fault(
                "tracking.max_tasks",
                f"{most}, with tracking.tasks {tasks}",
                f"{tasks} or more",
                "Raise it: the tasks that run in any case count too.",
            )


def _class_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"data.database.instance": instance} if memory(instance) is None:
            yield Fault(
                "data.database.instance",
                f"'{instance}'",
                "a class of the families t, m or r, such as 'db.m7g.large'",
                "Choose one: how many connections the database accepts follows from its memory.",
            )


def _connection_faults(parts: Parts) -> Iterator[Fault]:
    """Every connection that may be opened is one that the database accepts."""
    match parts:
        case {
            "data.database.instance": instance,
            "tracking.max_tasks": tasks,
            "tracking.connections": each,
        } if gib := memory(instance):
            opened = DEPLOYING * tasks * each
            accepted = connections(gib) - SET_ASIDE
            if opened > accepted:
                fit = accepted // (DEPLOYING * tasks)
                yield Fault(
                    "tracking.connections",
                    f"{each} for each of {tasks} max_tasks, twice while deploying: {opened}",
                    f"{accepted}: {instance} ({gib} GiB) accepts them, and {SET_ASIDE} of others",
                    f"Choose {fit} or less, fewer max_tasks, or a larger data.database.instance.",
                )
    match parts:
        case {"tracking.workers": workers, "tracking.connections": each} if each < LEAST * workers:
            yield Fault(
                "tracking.connections",
                f"{each}, for {workers} workers",
                f"{LEAST * workers} or more",
                f"Give each worker {LEAST}, or run fewer workers.",
            )


def _place_faults(parts: Parts) -> Iterator[Fault]:
    """What is named by its ARN is where it has to be."""
    match parts:
        case {"region": region, "account": account, "tracking.tls.certificate": str() as arn}:
            if arn.split(":")[3:5] != [region, account]:
                yield Fault(
                    "tracking.tls.certificate",
                    f"'{arn}'",
                    f"a certificate of the account {account} in {region}",
                    "Request or import it there: a load balancer takes no other.",
                )
    match parts:
        case {"region": region, "account": account, "data.backup.copy_to": str() as arn} if arn:
            if arn.split(":")[3:5] == [region, account]:
                yield Fault(
                    "data.backup.copy_to",
                    f"'{arn}'",
                    "a vault of another region or account",
                    "Name one that survives this one, or remove it.",
                )


TRACKING_CHECKS: tuple[Check, ...] = (
    _task_faults,
    _class_faults,
    _connection_faults,
    _place_faults,
)
