"""Names that change whenever what they name does."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from constructs import IConstruct

HASH_LENGTH = 8


def content_name(scope: IConstruct, start: str, properties: Mapping[str, Any]) -> str:
    """A name made of what a resource holds: SageMaker updates hardly any in place.

    Parameters
    ----------
    scope
        A construct of the stack that holds the resource.
    start
        What the name starts with.
    properties
        What the resource holds.

    Examples
    --------
    >>> content_name(stack, "mlops-blue-iris", {"instances": 2})  # doctest: +SKIP
    'mlops-blue-iris-5f2f3a3e'
    """
    content = json.dumps(Stack.of(scope).resolve(properties), sort_keys=True)
    return f"{start}-{hashlib.sha256(content.encode()).hexdigest()[:HASH_LENGTH]}"
