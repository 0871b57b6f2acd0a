"""How much memory programs have, as the kernel counts it."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
KIB = 1024
CHANGE = 0.02
"""The part by which pages in memory must have changed for them to be counted anew."""


class _Counted(NamedTuple):
    """What was counted last of a session: of which processes, with how many pages, and the sum."""

    processes: frozenset[int]
    pages: int
    bytes: int


class Memory:
    """Counts the memory of sessions: each is a program of ours and all that it started.

    What several processes share counts once: of it, each has its part (``Pss``). To count so, the
    kernel walks through all pages, so that is done where something has changed.
    https://docs.kernel.org/filesystems/proc.html
    """

    def __init__(self) -> None:
        self._counted: dict[int, _Counted] = {}

    def of(self, sessions: Collection[int]) -> Mapping[int, int]:
        """The bytes of memory of sessions; nothing of those that have ended.

        Parameters
        ----------
        sessions
            Their ids, which are the process ids of their leaders.
        """
        found: dict[int, set[int]] = defaultdict(set)
        for process, session in _processes():
            if session in sessions:
                found[session].add(process)
        self._counted = {session: self._count(session, them) for session, them in found.items()}
        return {session: it.bytes for session, it in self._counted.items() if it.bytes}

    def _count(self, session: int, processes: Collection[int]) -> _Counted:
        before = self._counted.get(session)
        pages = sum(map(_pages, processes))
        same = before is not None and before.processes == processes
        if before and same and abs(pages - before.pages) <= CHANGE * before.pages:
            return before
        return _Counted(frozenset(processes), pages, sum(map(_part, processes)))


def _processes() -> Iterator[tuple[int, int]]:
    """Every process, and its session."""
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            # Names in brackets may hold anything.
            fields = _read(entry.name, "stat").rpartition(")")[2].split()
            if fields:
                yield int(entry.name), int(fields[3])


def _pages(process: int) -> int:
    fields = _read(process, "statm").split()
    return int(fields[1]) if fields else 0


def _part(process: int) -> int:
    lines = _read(process, "smaps_rollup").splitlines()
    return sum(KIB * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _read(process: int | str, name: str) -> str:
    """A file of a process; nothing where it has ended, or is not ours."""
    try:
        return (PROC / str(process) / name).read_text()
    except OSError:
        return ""
