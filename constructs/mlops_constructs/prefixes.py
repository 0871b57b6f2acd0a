"""Prefixes of the artifact bucket, as they are given: where a folder starts and ends."""

import re
from collections.abc import Iterator

from mlops_constructs.faults import Fault

# What needs no encoding in an address and means nothing in a pattern, of IAM or Step Functions.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_PREFIX = re.compile(r"([\w!.'()-]+/)+", re.ASCII)


def prefix_faults(path: str, prefix: str) -> Iterator[Fault]:
    """What is wrong with a prefix: nothing where it names a folder of the bucket.

    Parameters
    ----------
    path
        Where it stands, as the user would name it.
    prefix
        The prefix.

    Examples
    --------
    >>> list(prefix_faults("input", "batch/abalone/in/"))
    []
    >>> print(next(prefix_faults("input", "/batch")))
    input
      given:   '/batch'
      allowed: folders with a slash after each, such as 'batch/in/', and no slash before
      fix:     Name the folder, and end it with a slash: what starts so alone is granted.
    """
    if not _PREFIX.fullmatch(prefix) or ".." in prefix:
        yield Fault(
            path,
            f"'{prefix}'",
            "folders with a slash after each, such as 'batch/in/', and no slash before",
            "Name the folder, and end it with a slash: what starts so alone is granted.",
        )
