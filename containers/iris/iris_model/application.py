"""The HTTP side of the model: what comes in, what goes out, and what is refused."""

import csv
import io
import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pandas as pd
from mlflow.pyfunc import PyFuncModel
from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from iris_model.flavor import FEATURES

JSON, CSV = "application/json", "text/csv"

# SageMaker lets 25 MB through for an endpoint in real time; a petal takes 30 bytes.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
LARGEST_BODY = 6 * 1024 * 1024

log = logging.getLogger("iris_model")


class Petal(BaseModel):
    """One row of a request.

    Parameters
    ----------
    petal_length, petal_width
        In centimetres.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    petal_length: FiniteFloat
    petal_width: FiniteFloat


class RequestError(Exception):
    """What is wrong with a request, and the status that says so.

    Parameters
    ----------
    status
        HTTP status.
    what
        What was found, and what would be accepted.
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


def application(model: PyFuncModel) -> Starlette:
    """The ASGI application that serves `model`.

    Parameters
    ----------
    model
        The loaded model: an application without one does not exist, so that ``/ping`` is honest.
    """

    def predict(rows: pd.DataFrame) -> pd.DataFrame:
        # What `predict` gives is the flavor's to say, and ours gives a table.
        return cast("pd.DataFrame", model.predict(rows))

    async def ping(_: Request) -> Response:
        return Response(status_code=200)

    async def invocations(request: Request) -> Response:
        try:
            read = _choose(request.headers.get("content-type", JSON), READERS, 415)
            accepted = request.headers.get("accept", "*/*")
            kind = request.headers.get("content-type", JSON) if accepted == "*/*" else accepted
            write = _choose(kind, WRITERS, 406)
            rows, single = read(await _body(request))
            return write(await run_in_threadpool(predict, rows), single)
        except RequestError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except Exception:
            log.exception("The model failed")
            return JSONResponse({"error": "The model failed; its log says why."}, 500)

    return Starlette(
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
        ]
    )


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise RequestError(413, f"The body holds more than {LARGEST_BODY} bytes.")
    return bytes(body)


def _read_json(body: bytes) -> tuple[pd.DataFrame, bool]:
    """The rows of a JSON body, and whether it was one petal rather than a list."""
    try:
        given = TypeAdapter(Petal | list[Petal]).validate_json(body)
    except ValidationError as error:
        raise RequestError(400, _explain(error, body)) from error
    petals = given if isinstance(given, list) else [given]
    if not petals:
        raise RequestError(400, "The list is empty: send one petal at least.")
    return pd.DataFrame([petal.model_dump() for petal in petals]), not isinstance(given, list)


def _explain(error: ValidationError, body: bytes) -> str:
    form = ", ".join(f'"{feature}": <centimetres>' for feature in FEATURES)
    wanted = f"Send {{{form}}}, or a list of those."
    details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        return f"The body is not JSON: {details[0]['ctx']['error']}. {wanted}"
    branch = "list[Petal]" if body.lstrip().startswith(b"[") else "Petal"
    found = [
        f"{'.'.join(str(part) for part in detail['loc'][1:]) or 'body'}: {detail['msg']}"
        for detail in details
        if detail["loc"] and detail["loc"][0] == branch
    ]
    return f"{'; '.join(found)}. {wanted}"


def _read_csv(body: bytes) -> tuple[pd.DataFrame, bool]:
    """The rows of a CSV body, with or without a line of column names."""
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8"))) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(400, f"The body is not CSV: {error}.") from error
    if lines and [name.strip() for name in lines[0]] == list(FEATURES):
        del lines[0]
    if not lines:
        raise RequestError(400, f"There is no row. Send lines of {','.join(FEATURES)}.")
    try:
        petals = [
            Petal(petal_length=float(length), petal_width=float(width)) for length, width in lines
        ]
    except ValueError as error:
        wanted = f"Send two finite numbers a line: {','.join(FEATURES)}."
        raise RequestError(400, f"A line cannot be read. {wanted}") from error
    return pd.DataFrame([petal.model_dump() for petal in petals]), False


def _write_json(predictions: pd.DataFrame, single: bool) -> Response:
    records: list[Any] = predictions.to_dict(orient="records")
    return Response(json.dumps(records[0] if single else records), media_type=JSON)


def _write_csv(predictions: pd.DataFrame, _: bool) -> Response:
    return Response(predictions.to_csv(index=False, header=False), media_type=CSV)


Reader = Callable[[bytes], tuple[pd.DataFrame, bool]]
Writer = Callable[[pd.DataFrame, bool], Response]
READERS: dict[str, Reader] = {JSON: _read_json, CSV: _read_csv}
WRITERS: dict[str, Writer] = {JSON: _write_json, CSV: _write_csv}


Choice = TypeVar("Choice")


def _choose(header: str, choices: dict[str, Choice], status: int) -> Choice:
    for kind in header.split(","):
        choice = choices.get(kind.partition(";")[0].strip().lower())
        if choice:
            return choice
    raise RequestError(status, f"'{header}' is not served; choose {' or '.join(choices)}.")
