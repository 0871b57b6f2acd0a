"""`serve`: the contract of `sagemaker-sparkml-serving:3.3`.

https://github.com/aws/sagemaker-sparkml-serving-container

As there, and worth knowing: CSV has no line of names, and what a row holds beyond the schema is
dropped; JSON is `{"data": [...]}`, one row; `Accept: application/json` is refused; an answer in
JSON lines, or of a single value, is that of the first row alone. Not as there: the pipeline is an
MLflow model of scikit-learn, whose one output stands for the column that the schema names.
"""

import csv
import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sparkml_stand_in.schema import DataSchema

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
LINES_OF_TEXT = "application/jsonlines;data=text"
SCHEMA, ACCEPT = "SAGEMAKER_SPARKML_SCHEMA", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"

log = logging.getLogger("sparkml_stand_in")


class JsonRow(BaseModel):
    """A request in JSON.

    Parameters
    ----------
    data
        One row.
    schema_
        Its schema, where it is not that of the environment.
    """

    data: list[Any]
    schema_: DataSchema | None = None


class ModelError(Exception):
    """Why there is no pipeline to serve."""


def load_transformer(folder: Path) -> Any:
    """Load the pipeline.

    Parameters
    ----------
    folder
        The model's folder.

    Raises
    ------
    ModelError
        Where it holds no MLflow model, or an MLeap bundle alone.
    """
    if not (folder / "MLmodel").is_file():
        bundle = (folder / "bundle.json").is_file()
        raise ModelError(
            f"{folder} holds {'an MLeap bundle' if bundle else 'no MLflow model'}. AWS's container"
            " runs a bundle; its stand-in on this machine runs an MLflow model of scikit-learn."
        )
    try:
        return mlflow.sklearn.load_model(str(folder))
    except Exception as error:
        raise ModelError(f"The model in {folder} cannot be loaded: {error}") from error


def application(transformer: Any) -> Starlette:
    """The ASGI application that serves `transformer`.

    Parameters
    ----------
    transformer
        What has scikit-learn's ``transform``, of a table.
    """

    def transform(body: bytes, content_type: str, accept: str) -> Response:
        accept = _accepted(accept)
        schema, rows = _read(body, content_type)
        frame = pd.DataFrame([schema.row(values, content_type == CSV) for values in rows])
        vectors = np.asarray(transformer.transform(frame), dtype=np.float64)
        return _write(vectors.reshape(len(rows), -1).tolist(), schema, accept)

    async def ping(_: Request) -> Response:
        return Response(status_code=200)

    async def execution_parameters(_: Request) -> Response:
        return JSONResponse(
            {
                "MaxConcurrentTransforms": os.cpu_count(),
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": 5,
            }
        )

    async def invocations(request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in (CSV, JSON, LINES):
            return PlainTextResponse(f"Content type '{content_type}' not supported", 415)
        accept = request.headers.get("accept", "")
        try:
            return await run_in_threadpool(transform, await request.body(), content_type, accept)
        except Exception as error:
            # Whatever it is: the container says 400 to all.
            log.exception("Error in processing current request")
            return PlainTextResponse(str(error), 400)

    return Starlette(
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/execution-parameters", execution_parameters, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
        ]
    )


def _accepted(header: str) -> str:
    accept = os.environ.get(ACCEPT, CSV) if header.strip() in ("", "*/*") else header
    if accept not in (CSV, LINES, LINES_OF_TEXT):
        raise ValueError("Accept value passed via request or environment variable is not valid")
    return accept


def _read(body: bytes, content_type: str) -> tuple[DataSchema, list[list[Any]]]:
    """Schema and rows of a body."""
    text = body.decode("utf-8")
    given = None
    if content_type == CSV:
        rows: list[list[Any]] = [line for line in csv.reader(io.StringIO(text)) if line]
    elif content_type == LINES:
        rows = [_json_row(line).data for line in text.splitlines()]
    else:
        one = _json_row(text)
        rows, given = [one.data], one.schema_
    if not rows:
        raise ValueError("There is no row")
    return given or _declared_schema(), rows


def _json_row(text: str) -> JsonRow:
    content = json.loads(text)
    if not isinstance(content, dict):
        message = f'{text[:40]} is no {{"data": [...]}}'
        raise ValueError(message)  # noqa: TRY004  # of the request, not of the code
    return JsonRow(data=content.get("data"), schema_=content.get("schema"))


def _declared_schema() -> DataSchema:
    declared = os.environ.get(SCHEMA)
    if declared is None:
        raise ValueError(
            "Input schema has to be provided either via environment variable or via the request"
        )
    return DataSchema.model_validate_json(declared)


def _write(vectors: list[list[float]], schema: DataSchema, accept: str) -> Response:
    if schema.output.struct == "basic":
        (value,) = vectors[0]
        return _answer(str(value), CSV if accept == CSV else LINES)
    if accept == CSV:
        return _answer("\n".join(",".join(map(str, row)) for row in vectors), CSV)
    if accept == LINES:
        return _answer(json.dumps({"features": vectors[0]}), LINES)
    return _answer(json.dumps({"source": " ".join(map(str, vectors[0]))}), LINES)


def _answer(text: str, content_type: str) -> Response:
    # Without the charset that Starlette adds to text.
    return Response(text, headers={"content-type": content_type})


def main() -> int:
    """Load the pipeline and serve it until SIGTERM.

    Returns
    -------
    int
        Exit status: 1 where the pipeline cannot be loaded, or the schema is none.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        if SCHEMA in os.environ:
            _declared_schema()
        transformer = load_transformer(
            Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
        )
    except ValidationError as error:
        log.error("%s is no schema: %s", SCHEMA, error)
        return 1
    except ModelError as error:
        log.error("%s", error)
        return 1
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    uvicorn.run(application(transformer), host="127.0.0.1", port=port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
