"""Whether what one container of an inference pipeline emits is what the next one accepts.

Asked before anything is deployed, of containers that answer somewhere: each gets the answer of the
one before it, with its content type, as SageMaker hands it on.
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
"""

import csv
import io
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from operations.errors import OperationError
from operations.release import named_endpoint
from stacks.config import Environment
from stacks.endpoint_containers import container_settings

CLIENT = "the client"
SECONDS = 60
"""How long SageMaker waits for an answer of an endpoint in real time."""
SHOWN = 120
CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
}
"""What a file is sent as, by its ending."""


@dataclass(frozen=True)
class Neighbour:
    """A container that runs.

    Parameters
    ----------
    name
        Its name in the configuration.
    url
        Where it answers, without a path.
    columns
        How many columns a row of its input has; unknown where nothing.
    """

    name: str
    url: str
    columns: int | None = None


@dataclass(frozen=True)
class Message:
    """What one hands to the next.

    Parameters
    ----------
    sender
        Who.
    body
        What.
    content_type
        In which form.
    """

    sender: str
    body: bytes
    content_type: str

    def table(self) -> list[Any] | None:
        """Its rows; nothing where the form has none that we know.

        Raises
        ------
        ValueError
            Where it is not what its content type says.
        """
        kind = self.content_type.partition(";")[0].strip().lower()
        if kind == "text/csv":
            return [line for line in csv.reader(io.StringIO(self.body.decode("utf-8"))) if line]
        if kind == "application/jsonlines":
            return [json.loads(line) for line in self.body.decode("utf-8").splitlines() if line]
        if kind == "application/json":
            return _rows(json.loads(self.body))
        return None

    def __str__(self) -> str:
        text = self.body.decode("utf-8", errors="replace").strip()
        return f"{self.content_type} {text[:SHOWN]!r}{'…' if len(text) > SHOWN else ''}"


@dataclass(frozen=True)
class Exchange:
    """What was handed on, and that it was accepted.

    Parameters
    ----------
    message
        What.
    receiver
        To whom.
    rows, columns
        How many it holds; unknown where nothing.
    """

    message: Message
    receiver: str
    rows: int | None
    columns: int | None

    def __str__(self) -> str:
        table = f"{_known(self.rows)} rows of {_known(self.columns)} columns"
        return f"{self.message.sender} → {self.receiver}: {table}, {self.message}"


class ContractError(OperationError):
    """Two neighbours do not fit.

    Parameters
    ----------
    message
        What was handed on.
    receiver
        To whom.
    what
        Why it does not fit.
    """

    def __init__(self, message: Message, receiver: str, what: str) -> None:
        super().__init__(
            f"{message.sender} → {receiver} breaks: {what} Handed on was {message}.",
            f"Change what '{message.sender}' emits or what '{receiver}' accepts, before anything"
            " is deployed.",
        )


def check_contract(
    neighbours: Sequence[Neighbour], body: bytes, content_type: str
) -> tuple[list[Exchange], Message]:
    """Send a sample through the containers, one after the other.

    Parameters
    ----------
    neighbours
        The containers in the order of the pipeline.
    body, content_type
        What a client sends.

    Returns
    -------
    list of Exchange
        What was handed on between whom.
    Message
        The pipeline's answer.

    Raises
    ------
    ContractError
        At the first pair that does not fit: the form cannot be read, a row is longer or shorter
        than the next container's model takes, the next container refuses it, or answers fewer or
        more rows than it got.

    Examples
    --------
    >>> check_contract([Neighbour("a", "http://127.0.0.1:1")], b"1", "text/csv")
    Traceback (most recent call last):
    ...
    operations.contract.ContractError: the client → a breaks: ...
    """
    exchanges: list[Exchange] = []
    message = Message(CLIENT, body, content_type)
    wanted = _measured(message, neighbours[0].name)[0]
    for neighbour in neighbours:
        rows, columns = _measured(message, neighbour.name)
        if None not in (rows, wanted) and rows != wanted:
            raise ContractError(
                message, neighbour.name, f"{wanted} rows went in, and {rows} came out."
            )
        if None not in (columns, neighbour.columns) and columns != neighbour.columns:
            raise ContractError(
                message,
                neighbour.name,
                f"a row has {columns} columns, and the model of '{neighbour.name}' takes"
                f" {neighbour.columns}.",
            )
        answer = _ask(neighbour, message)
        exchanges.append(Exchange(message, neighbour.name, rows, columns))
        message = answer
    rows, columns = _measured(message, CLIENT)
    if None not in (rows, wanted) and rows != wanted:
        raise ContractError(message, CLIENT, f"{wanted} rows went in, and {rows} came out.")
    exchanges.append(Exchange(message, CLIENT, rows, columns))
    return exchanges, message


def neighbours_of(
    environment: Environment, endpoint: str, addresses: Sequence[str], models: Path
) -> list[Neighbour]:
    """The containers of an endpoint, where they answer.

    Parameters
    ----------
    environment
        Whose configuration names them.
    endpoint
        Name of the endpoint.
    addresses
        ``<name>=<url>`` of each.
    models
        A folder that holds the files of each, by its name.

    Raises
    ------
    OperationError
        Where there is no such endpoint, or the addresses are not those of its containers.
    """
    parts = list(named_endpoint(environment, endpoint).parts.values())
    given = dict(address.partition("=")[::2] for address in addresses)
    if set(given) != {part.name for part in parts}:
        raise OperationError(
            f"The addresses are of {', '.join(given) or 'nothing'}; the containers of"
            f" '{endpoint}' are {', '.join(part.name for part in parts)}.",
            "Give '<name>=<url>' for each of them.",
        )
    return [
        Neighbour(
            part.name,
            given[part.name].rstrip("/"),
            expected_columns(models / part.name, container_settings(part).variables),
        )
        for part in parts
    ]


def check_sample(neighbours: Sequence[Neighbour], sample: Path) -> list[Exchange]:
    """Send a file through the containers, and its first row alone.

    Parameters
    ----------
    neighbours
        The containers in the order of the pipeline.
    sample
        What a client sends: a file that ends with `.csv`, `.jsonl` or `.json`.

    Returns
    -------
    list of Exchange
        What was handed on of the whole file.

    Raises
    ------
    ContractError
        As `check_contract`; and where the row alone gets another answer than among the others.
    OperationError
        Where the file is of another kind.
    """
    if sample.suffix not in CONTENT_TYPES:
        raise OperationError(
            f"What {sample.name} holds is not known.",
            f"Give a file that ends with {', '.join(CONTENT_TYPES)}.",
        )
    content_type, body = CONTENT_TYPES[sample.suffix], sample.read_bytes()
    exchanges, answer = check_contract(neighbours, body, content_type)
    first = body.strip().partition(b"\n")[0]
    if sample.suffix != ".json" and first != body.strip():
        _, alone = check_contract(neighbours, first, content_type)
        together, single = answer.table(), alone.table()
        if together is not None and single != together[:1]:
            raise ContractError(
                alone,
                CLIENT,
                f"the first row alone is answered otherwise than among others, which is {answer}.",
            )
    return exchanges


def expected_columns(model: Path, environment: Mapping[str, str]) -> int | None:
    """How many columns a row of a container's input has, as its own files or settings say.

    XGBoost answers a row that is too short as if the rest were missing, so asking the container
    is not enough.

    Parameters
    ----------
    model
        The folder of its model.
    environment
        Its environment.

    Returns
    -------
    int or None
        What SparkML Serving's schema says, the signature of an MLflow model, or an
        `xgboost-model` in JSON; nothing where there is none of these.

    Raises
    ------
    OperationError
        Where one of these cannot be read.
    """
    schema, booster, mlmodel = (
        environment.get("SAGEMAKER_SPARKML_SCHEMA"),
        model / "xgboost-model",
        model / "MLmodel",
    )
    try:
        if schema is not None:
            return len(json.loads(schema)["input"])
        if booster.is_file() and booster.read_bytes()[:2] == b'{"':
            learner = json.loads(booster.read_bytes())["learner"]
            return int(learner["learner_model_param"]["num_feature"])
        if mlmodel.is_file():
            return _columns_of_signature(YAML(typ="safe").load(mlmodel))
    except (ValueError, KeyError, TypeError, YAMLError) as error:
        raise OperationError(
            f"What the model in {model} takes cannot be read: {type(error).__name__}: {error}.",
            "Write its schema, its MLmodel or its xgboost-model again.",
        ) from error
    return None


def _columns_of_signature(mlmodel: Mapping[str, Any]) -> int | None:
    inputs = json.loads((mlmodel.get("signature") or {}).get("inputs") or "[]")
    if len(inputs) == 1 and inputs[0]["type"] == "tensor":
        width = int(inputs[0]["tensor-spec"]["shape"][-1])
        return width if width > 0 else None
    return len(inputs) or None


def _measured(message: Message, receiver: str) -> tuple[int | None, int | None]:
    """How many rows a message has, and how many columns each."""
    try:
        table = message.table()
    except ValueError as error:
        raise ContractError(message, receiver, f"it is no {message.content_type}: {error}.") from (
            error
        )
    if table is None:
        return None, None
    if not table:
        raise ContractError(message, receiver, "there is no row in it.")
    widths = {_width(row) for row in table}
    if len(widths) > 1:
        found = ", ".join(sorted(map(_known, widths)))
        raise ContractError(message, receiver, f"its rows differ in length: {found} columns.")
    return len(table), widths.pop()


def _width(row: Any) -> int | None:
    """Columns of a row; of a mapping that holds one list, those of the list."""
    if isinstance(row, dict) and len(row) == 1 and isinstance(next(iter(row.values())), list):
        row = next(iter(row.values()))
    return len(row) if isinstance(row, list | dict) else None


def _rows(content: Any) -> list[Any] | None:
    """The rows of a JSON document, in the forms of MLflow, SparkML Serving and XGBoost."""
    if isinstance(content, list):
        return content if content and isinstance(content[0], list | dict) else [content]
    if not isinstance(content, dict):
        return None
    if "dataframe_split" in content:
        rows: list[Any] = content["dataframe_split"]["data"]
        return rows
    for key in ("dataframe_records", "inputs", "instances", "predictions"):
        if isinstance(content.get(key), list):
            found: list[Any] = content[key]
            return found
    if isinstance(content.get("data"), list):
        return [content["data"]]
    return [content]


def _ask(neighbour: Neighbour, message: Message) -> Message:
    request = urllib.request.Request(  # noqa: S310  # the caller says where containers answer
        f"{neighbour.url}/invocations",
        data=message.body,
        headers={"Content-Type": message.content_type},
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            status, body = answer.status, answer.read()
            content_type = answer.headers.get("content-type", "")
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", errors="replace").strip()
        raise ContractError(
            message, neighbour.name, f"'{neighbour.name}' answers {error.code}: {said}."
        ) from error
    except OSError as error:
        raise ContractError(
            message, neighbour.name, f"'{neighbour.name}' does not answer: {error}."
        ) from error
    if status != 200 or not body:
        raise ContractError(
            message, neighbour.name, f"'{neighbour.name}' answers {status} with {len(body)} bytes."
        )
    return Message(neighbour.name, body, content_type)


def _known(count: int | None) -> str:
    return "an unknown number of" if count is None else str(count)
