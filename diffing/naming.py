"""Destructive changes that somebody means: named on the command line, or in a request's text."""

import re
from collections.abc import Iterable

from diffing.model import Naming
from mlops_constructs.faults import Fault, raise_faults

LINE = re.compile(r"^\s*(?:[-*]\s+)?allow-destroy:(.*)$", re.IGNORECASE)
ALLOWED = "allow-destroy: <stack>/<construct path>: <reason>"


def from_text(text: str) -> Naming:
    """What a pull request's text names, one change on a line.

    Parameters
    ----------
    text
        The text.

    Raises
    ------
    FaultsError
        For each line without a path or a reason.

    Examples
    --------
    >>> from_text("allow-destroy: Data/Database: moved to another engine").reasons
    {'Data/Database': 'moved to another engine'}
    """
    rest = [(line, found[1]) for line in text.splitlines() if (found := LINE.match(line))]
    return _named(((line, *_cut(said, ": ")) for line, said in rest), "the request's text")


def from_options(options: list[str]) -> Naming:
    """What ``--allow <path>=<reason>`` names.

    Parameters
    ----------
    options
        The values of the option.

    Raises
    ------
    FaultsError
        For each value without a path or a reason.
    """
    return _named(((each, *_cut(each, "=")) for each in options), "--allow")


def together(*namings: Naming) -> Naming:
    """Everything that several namings name."""
    return Naming({path: why for each in namings for path, why in each.reasons.items()})


def _named(found: Iterable[tuple[str, str, str]], where: str) -> Naming:
    reasons: dict[str, str] = {}
    faults: list[Fault] = []
    for written, path, reason in found:
        if path and reason:
            reasons[path] = reason
        else:
            fix = "Say which construct, and why: the summary shows its path."
            faults.append(Fault(where, written.strip(), ALLOWED, fix))
    raise_faults("what is named", faults)
    return Naming(reasons)


def _cut(said: str, sign: str) -> tuple[str, str]:
    path, _, reason = said.partition(sign)
    return path.strip().strip("`"), reason.strip()
