"""What a model says of itself, in the file MLmodel beside its weights: signature, input example."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from stacks.releases import Released

DESCRIPTION = "MLmodel"
EXAMPLE = "serving_input_example.json"


@dataclass(frozen=True)
class ModelFiles:
    """What a model says of itself.

    Parameters
    ----------
    signature
        The columns or tensors of its questions and answers; nothing where it was logged without.
    example
        A question, as its server reads it; nothing where it was logged without.
    """

    signature: dict[str, Any] | None = None
    example: str | None = None


def read_model(s3: Any, released: Released) -> ModelFiles:
    """What the model of a container says of itself.

    Parameters
    ----------
    s3
        A client of S3.
    released
        What the container serves.
    """
    if not released.source or not released.source.endswith("/"):
        return ModelFiles()
    bucket = released.source.removeprefix("s3://").partition("/")[0]
    text = _text(s3, bucket, released.key + DESCRIPTION)
    if text is None:
        return ModelFiles()
    said = YAML(typ="safe", pure=True).load(text) or {}
    info = said.get("saved_input_example_info") or {}
    example = info.get("serving_input_path") or (EXAMPLE if info else "")
    return ModelFiles(
        _signature(said.get("signature")),
        _text(s3, bucket, released.key + example) if example else None,
    )


def _signature(said: dict[str, Any] | None) -> dict[str, Any] | None:
    """The signature as plain data: MLflow writes each part of it as JSON in a text."""
    if not said:
        return None
    return {part: json.loads(said[part]) for part in ("inputs", "outputs") if said.get(part)}


def _text(s3: Any, bucket: str, key: str) -> str | None:
    try:
        found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return found.decode()
