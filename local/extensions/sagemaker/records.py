"""What SageMaker keeps: records of each kind by name, and their tags."""

import re
import time
from collections.abc import Mapping
from typing import Any

from local.extensions.hooks import account_and_region
from local.extensions.json_service import Record, ServiceModel, invalid

KINDS = ("Model", "EndpointConfig", "Endpoint", "TransformJob", "InferenceComponent")


class Records:
    """The records of all kinds."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Record]] = {kind: {} for kind in KINDS}
        self._tags: dict[str, dict[str, str]] = {}
        self.checked = ServiceModel("sagemaker").checked

    def add(self, kind: str, request: Mapping[str, Any]) -> Record:
        """Keep a new record.

        Returns
        -------
        dict
            The record, with its ARN.

        Raises
        ------
        RefusedError
            Where there is one of that name.
        """
        name = request[f"{kind}Name"]
        arn = arn_of(kind, name)
        if name in self._records[kind]:
            raise invalid(f'Cannot create already existing {noun(kind)} "{arn}".')
        record = {**request, f"{kind}Arn": arn, "CreationTime": time.time()}
        self._tags[arn] = {tag["Key"]: tag["Value"] for tag in record.pop("Tags", [])}
        self._records[kind][name] = record
        return record

    def found(self, kind: str, name: str) -> Record:
        """The record of that name.

        Raises
        ------
        RefusedError
            Where there is none.
        """
        if name not in self._records[kind]:
            raise invalid(f'Could not find {noun(kind)} "{arn_of(kind, name)}".')
        return self._records[kind][name]

    def all(self, kind: str, contained: str = "") -> list[Record]:
        """The records of a kind, of those whose names contain a text."""
        return [record for name, record in self._records[kind].items() if contained in name]

    def remove(self, kind: str, name: str) -> Record:
        """Forget a record.

        Raises
        ------
        RefusedError
            Where there is none.
        """
        record = self.found(kind, name)
        del self._records[kind][name]
        self._tags.pop(record[f"{kind}Arn"], None)
        return record

    def change_tags(self, operation: str, request: Mapping[str, Any]) -> Record:
        """Add, list or delete the tags of a record."""
        arn = request["ResourceArn"]
        if arn not in self._tags:
            raise invalid(f'Could not find "{arn}".')
        tags = self._tags[arn]
        if operation == "DeleteTags":
            for key in request["TagKeys"]:
                tags.pop(key, None)
            return {}
        if operation == "AddTags":
            tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def arn_of(kind: str, name: str) -> str:
    """The ARN of a record."""
    account, region = account_and_region()
    return f"arn:aws:sagemaker:{region}:{account}:{noun(kind)}/{name}"


def noun(kind: str) -> str:
    """A kind as ARNs and messages call it: ``EndpointConfig`` as ``endpoint-config``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind).lower()


def split(operation: str) -> tuple[str, str]:
    """``CreateModel`` as ``Create`` and ``Model``; ``ListModels`` too."""
    words = re.findall(r"[A-Z][a-z]*", operation)
    verb = words[0] if words else ""
    kind = operation.removeprefix(verb)
    return verb, kind.removesuffix("s") if verb == "List" else kind
