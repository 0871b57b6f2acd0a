"""Content types: which a body has, and which the client takes."""

from collections.abc import Sequence
from functools import lru_cache

from model_server.errors import CallError

JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"
NPY, PARQUET = "application/x-npy", "application/vnd.apache.parquet"
BYTES, TEXT = "application/octet-stream", "text/plain"

ALIASES = {
    "application/x-jsonlines": JSON_LINES,
    "application/jsonl": JSON_LINES,
    "application/csv": CSV,
    "application/x-parquet": PARQUET,
    "application/parquet": PARQUET,
}
"""Other names that are in use, and ours for the same."""


@lru_cache(256)
def media_type(header: str) -> str:
    """The content type that a header names, without its parameters.

    Examples
    --------
    >>> media_type("Text/CSV; charset=utf-8")
    'text/csv'
    """
    kind = header.partition(";")[0].strip().lower()
    return ALIASES.get(kind, kind)


def matches(pattern: str, kind: str) -> bool:
    """Whether a content type is one of a pattern: ``image/png``, ``image/*``, ``*/*``."""
    return pattern in ("*/*", kind) or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def acceptable(accept: str, offered: Sequence[str]) -> tuple[str, ...]:
    """What a client takes of what is offered, the best first.

    Of a header's entries the most specific counts, and its ``q`` decides; what is offered first
    comes first among equals (https://www.rfc-editor.org/rfc/rfc9110#name-accept).

    Parameters
    ----------
    accept
        The header.
    offered
        Content types, the server's choice first.

    Raises
    ------
    CallError
        406 where it takes none.

    Examples
    --------
    >>> acceptable("text/csv;q=0.5, */*;q=0.1", ("application/json", "text/csv"))
    ('text/csv', 'application/json')
    """
    entries = [_entry(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    found = []
    for kind in offered:
        fitting = [(_specific(pattern), q) for pattern, q in entries if matches(pattern, kind)]
        quality = max(fitting)[1] if fitting else 0.0
        if quality > 0:
            found.append((-quality, kind))
    if not found:
        choice = " or ".join(dict.fromkeys(offered))
        raise CallError(406, "not_acceptable", f"'{accept}' is not served; choose {choice}.")
    return tuple(kind for _, kind in sorted(found, key=lambda entry: entry[0]))


def _entry(text: str) -> tuple[str, float]:
    kind, *parameters = (part.strip() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    kind = kind.lower()
    return ALIASES.get(kind, kind), quality


def _specific(pattern: str) -> int:
    return 0 if pattern == "*/*" else 1 if pattern.endswith("/*") else 2
