"""`serve`: the contract of `sagemaker-xgboost:3.0-5`, in its algorithm mode.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html
https://github.com/aws/sagemaker-xgboost-container

As there, and worth knowing: every file beside the model is taken for another model of an ensemble;
a request without a content type is libsvm; and a row of too few columns is answered as if the last
were missing. Not here: recordio-protobuf, `SAGEMAKER_INFERENCE_OUTPUT`, several models in one
container.
"""

import logging
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import uvicorn
import xgboost
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

JSON, CSV, LIBSVM = "application/json", "text/csv", ("text/libsvm", "text/x-libsvm")
LARGEST_BODY = 6 * 1024 * 1024
"""The container's own limit, in bytes, unless MAX_CONTENT_LENGTH says another."""

Array = NDArray[np.float64]

log = logging.getLogger("xgboost_stand_in")


class ModelError(Exception):
    """Why there is no model to serve."""


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


def load_models(folder: Path) -> list[xgboost.Booster]:
    """Load every file of the folder that is not hidden: several are an ensemble.

    Parameters
    ----------
    folder
        The model's folder.

    Raises
    ------
    ModelError
        Where there is none, or one of them is no model.
    """
    files = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise ModelError(f"{folder} holds no file: a model is a file 'xgboost-model' in it.")
    return [_load(file) for file in files]


def _load(file: Path) -> xgboost.Booster:
    # The container also unpickles, which this machine does not do with a file of a bucket.
    try:
        return xgboost.Booster({"nthread": 1}, model_file=str(file))
    except xgboost.core.XGBoostError as error:
        reason = str(error).splitlines()[0]
        pickled = file.read_bytes()[:1] == pickle.PROTO
        raise ModelError(
            f"Model {file} cannot be loaded: {'it is pickled' if pickled else reason}. The"
            " container loads every file of the folder: leave 'xgboost-model' alone in it, saved"
            " by Booster.save_model."
        ) from error


def application(models: list[xgboost.Booster]) -> Starlette:
    """The ASGI application that serves the mean of `models`.

    Parameters
    ----------
    models
        What was loaded.
    """

    async def ping(_: Request) -> Response:
        return Response(status_code=200)

    async def execution_parameters(_: Request) -> Response:
        return JSONResponse(
            {
                "MaxConcurrentTransforms": os.cpu_count(),
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": _largest_body() // 1024**2,
            }
        )

    async def invocations(request: Request) -> Response:
        body = await request.body()
        if not body:
            return Response(status_code=204)
        if len(body) > _largest_body():
            return Response(f"The body holds more than {_largest_body()} bytes.", 413)
        try:
            rows = _read(body, request.headers.get("content-type", LIBSVM[0]))
            accept = _accepted(request.headers.get("accept", ""))
            return _write(_predict(models, rows), accept)
        except RequestError as error:
            log.error("%s", error)
            return Response(str(error), error.status)

    return Starlette(
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/execution-parameters", execution_parameters, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
        ]
    )


def _largest_body() -> int:
    return int(os.environ.get("MAX_CONTENT_LENGTH", LARGEST_BODY))


def _read(body: bytes, content_type: str) -> Array:
    """The rows of a body; 415 where it cannot be read, as the container says."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.strip().decode("utf-8")
        if kind == CSV:
            lines = [line.split(",") for line in text.split("\n")]
            return np.array([[float(value or "nan") for value in line] for line in lines])
        if kind in LIBSVM:
            return _libsvm(text)
    except ValueError as error:
        raise RequestError(
            415, f"Loading {kind} failed with {type(error).__name__}: {error}."
        ) from error
    raise RequestError(
        415, f"{content_type} is not an accepted ContentType: {', '.join((CSV, *LIBSVM))}."
    )


def _libsvm(text: str) -> Array:
    """Rows of ``column:value``, whose columns count from 0, or from 1 where none is 0."""
    rows = []
    for line in text.split("\n"):
        pairs = [word.split(":") for word in line.split() if ":" in word]
        rows.append({int(column): float(value) for column, value in pairs})
    columns = [column for row in rows for column in row]
    if not columns:
        raise ValueError("there is no 'column:value'")
    first = min(1, min(columns))
    table = np.full((len(rows), max(columns) - first + 1), np.nan)
    for number, row in enumerate(rows):
        for column, value in row.items():
            table[number, column - first] = value
    return table


def _accepted(header: str) -> str:
    accept = header.partition(";")[0].strip().lower()
    if accept in ("", "*/*"):
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", CSV)
    if accept not in (CSV, JSON):
        raise RequestError(406, f"Accept type {accept} is not supported here: {CSV}, {JSON}.")
    return accept


def _predict(models: list[xgboost.Booster], rows: Array) -> Array:
    try:
        matrix = xgboost.DMatrix(rows)
        each = [model.predict(matrix, validate_features=False) for model in models]
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise RequestError(400, f"Unable to evaluate payload provided: {error}") from error
    return np.mean(each, axis=0) if len(each) > 1 else each[0]


def _write(predictions: Array, accept: str) -> Response:
    values = predictions.tolist()
    if accept == JSON and not os.environ.get("SAGEMAKER_BATCH"):
        return JSONResponse({"predictions": [{"score": value} for value in values]})
    # Without the charset that Starlette adds to text.
    lines = "".join(f"{value}\n" for value in values)
    return Response(lines, headers={"content-type": accept})


def main() -> int:
    """Load the model and serve it until SIGTERM.

    Returns
    -------
    int
        Exit status: 1 where the model cannot be loaded.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        models = load_models(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model")
    except ModelError as error:
        log.error("%s", error)
        return 1
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    uvicorn.run(application(models), host="127.0.0.1", port=port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
