"""How long the tracking server takes from its start to healthy, as a container and as a process."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from local.database import find_server
from local.host import forget_account
from local.processes import Process
from local.servers import answers
from local.state import free_port
from tests.benchmarks.report import Measure, median, report
from tests.evidence.containers import find_image
from tests.evidence.database import RunningDatabase, create_database
from tests.evidence.programs import prepare, start_container, start_process, task_variables

ROUNDS = 5
SECONDS = 120
GOAL_SECONDS = 5.0
TWO_CORES = "prod"
"""The environment whose task has two."""

Start = Callable[..., Process]


def main() -> int:
    """Start it again and again, each way in turn."""
    forget_account()
    image, ran = find_image()
    print(ran)
    ways: dict[str, Start] = {"process": start_process}
    if image:
        ways["container"] = partial(start_container, image, like=TWO_CORES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = create_database(find_server(), folder / "database")
        try:
            return 0 if report("start", list(_measures(ways, database, folder))) else 1
        finally:
            database.stop()


def _measures(ways: dict[str, Start], database: RunningDatabase, folder: Path) -> Iterator[Measure]:
    files = folder / "files"
    for word in ("migrate", "grant"):
        status, said = prepare(word, database, files, folder)
        if status:
            raise RuntimeError(said)
    took: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, start in ways.items():
            took[way].append(_start(start, database, files, folder / f"{way}-{number}"))
    for way, seconds in took.items():
        goal = GOAL_SECONDS if way == "container" else None
        yield Measure(f"start to healthy, {way}", median(seconds), "s", goal)
        yield Measure(f"start to healthy, {way}, slowest", max(seconds), "s")


def _start(start: Start, database: RunningDatabase, files: Path, folder: Path) -> float:
    """Seconds until it is healthy."""
    port = free_port()
    given = task_variables(database, files, port)
    started = time.perf_counter()
    process = start(["tracking-server"], database, files, folder, given)
    try:
        process.wait_until(lambda: answers(port, "/health"), SECONDS)
        return time.perf_counter() - started
    finally:
        process.stop()


if __name__ == "__main__":
    sys.exit(main())
