"""Names that change whenever what they name does."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from constructs import IConstruct

HASH = 8
"""Letters of the hash in a name, after a dash."""


def content_name(scope: IConstruct, prefix: str, properties: Mapping[str, Any]) -> str:
    """A name made of `prefix` and of the hash of `properties`.

    SageMaker updates job definitions, models and configurations by replacing them, and a new one
    cannot have the name of the old one.

    Parameters
    ----------
    scope
        A construct of the stack that resolves what is in `properties`.
    prefix
        What the name starts with.
    properties
        What is named.

    Examples
    --------
    >>> content_name(self, "mlops-blue-iris", properties)  # doctest: +SKIP
    'mlops-blue-iris-1f0a77c2'
    """
    content = json.dumps(Stack.of(scope).resolve(properties), sort_keys=True)
    return f"{prefix}-{hashlib.sha256(content.encode()).hexdigest()[:HASH]}"
