"""How a function is told who follows which aliases: its variables have room for few letters."""

import base64
import bz2
from collections.abc import Mapping

PACKED = "bz2:"
"""What a packed spelling starts with; `promoter.settings` says so too."""

LONGEST = 3420
"""Bytes that a spelling may have.

A function's variables have 4 KB together, measured as JSON, in which a quotation mark counts twice:
there is none in a spelling. The other variables' names, addresses and ARNs take 480 to 650.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""


def spelled(followed: Mapping[str, Mapping[str, str]]) -> str:
    """The aliases that endpoints follow as a text: packed where it would be too long.

    Parameters
    ----------
    followed
        The model of each container by its alias, by container, by endpoint.

    Examples
    --------
    >>> spelled({"iris": {"model": "models:/iris@champion"}})
    'iris=model:iris@champion'
    """
    text = ";".join(
        f"{endpoint}="
        + ",".join(
            f"{container}:{model.removeprefix('models:/')}"
            for container, model in sorted(models.items())
        )
        for endpoint, models in sorted(followed.items())
    )
    if len(text.encode()) <= LONGEST:
        return text
    # Of bz2 there is one implementation: every machine packs alike, which is not so of zlib.
    return PACKED + base64.b85encode(bz2.compress(text.encode())).decode()


def size(followed: Mapping[str, Mapping[str, str]]) -> int:
    """Bytes that the spelling takes."""
    return len(spelled(followed).encode())
