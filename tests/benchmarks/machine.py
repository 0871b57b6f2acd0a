"""What a program and its descendants take of the machine."""

import os
from pathlib import Path


def family(leader: int) -> set[int]:
    """A process and its descendants.

    Parameters
    ----------
    leader
        Its number.
    """
    parents = {process: int(fields[1]) for process, fields in _processes().items()}
    found = {leader} & parents.keys()
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def processor_seconds(processes: set[int]) -> float:
    """Seconds of a processor that processes have taken."""
    ticks = [
        int(fields[11]) + int(fields[12])
        for process, fields in _processes().items()
        if process in processes
    ]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def resident(processes: set[int]) -> float:
    """MiB that processes hold, each by itself."""
    pages = [int(fields[21]) for process, fields in _processes().items() if process in processes]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1024**2


def held(processes: set[int]) -> float:
    """MiB that processes hold together: what they share counts once."""
    kilobytes = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended meanwhile
        kilobytes += int(text.partition("\nPss:")[2].split()[0])
    return kilobytes / 1024


def _processes() -> dict[int, list[str]]:
    """What /proc says of each process after its name."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
    return found
