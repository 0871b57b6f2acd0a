"""`make examples`: diabetes and abalone, from training to the answers of the API."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.contract import check
from local.demo import post, release, run_program, scientist_environment, without_endpoints
from local.platform import LocalPlatform
from local.progress import Steps
from local.state import ROOT, StateFolder
from operations.contract import Exchange

EXAMPLES = ROOT / "examples"
REQUEST = EXAMPLES / "diabetes" / "request.json"
DIABETES, PIPELINE, SHORT_PIPELINE = "diabetes", "abalone", "abalone-two"
ENDPOINTS = (DIABETES, PIPELINE, SHORT_PIPELINE)
LINE = "F,0.515,0.425,0.14,0.766,0.304,0.1725,0.255"


def examples(state: StateFolder, port: int, console: Console) -> None:
    """Run the examples.

    Parameters
    ----------
    state
        The folder that everything is kept in.
    port
        Where the embedded AWS listens; a free port where 0.
    console
        Where to show it.

    Raises
    ------
    OperationError
        Where a step fails; nothing is left running.
    """
    steps = Steps(console)
    with without_endpoints(steps, state, port) as (platform, _):
        with steps.step("Diabetes: train, log, register, from a client of MLflow"):
            log_diabetes(platform, platform.tracking_uri())
        with steps.step("Abalone: make the data, train the three models"):
            models = train_abalone(platform)
        with steps.step("Abalone: check what neighbours in the pipeline hand on"):
            exchanges = check_abalone(platform, models)
        for exchange in exchanges:
            console.print(f"    {exchange}", highlight=False, markup=False, soft_wrap=True)
        with steps.step("Abalone: log and register the three models"):
            publish_abalone(platform, models)
        with steps.step("Resolve the aliases of all into releases"):
            for endpoint in ENDPOINTS:
                release(platform, endpoint)
        with steps.step("cdk deploy: the endpoints") as say:
            platform.deploy(*(f"Endpoint-{endpoint}" for endpoint in ENDPOINTS), say=say)
        with steps.step("Ask the API, and the models themselves"):
            table = answers(platform, models)
        console.print(table)
        console.print(f"Logs: {platform.state.logs}", soft_wrap=True)
    console.print("Stopped. Nothing is left running.")


def log_diabetes(platform: LocalPlatform, tracking_uri: str) -> dict[str, Any]:
    """Run the notebook as a plain program.

    Parameters
    ----------
    platform
        Where MLflow is.
    tracking_uri
        By which address.

    Returns
    -------
    dict
        What it says at its end.
    """
    environment = scientist_environment(platform, platform.state.run / "diabetes")
    printed = run_program(
        [sys.executable, str(EXAMPLES / "diabetes" / "train_diabetes.py")],
        {**environment, "TRACKING_URI": tracking_uri},
    )
    said: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return said


def train_abalone(platform: LocalPlatform) -> Path:
    """Make the data, and train.

    Parameters
    ----------
    platform
        Whose folder it is kept in.

    Returns
    -------
    pathlib.Path
        The folder of the models.
    """
    folder = platform.state.run / "abalone"
    data, models = folder / "abalone.csv", folder / "models"
    _example(platform, "abalone.make_data", str(data))
    _example(platform, "abalone.train", str(data), str(models))
    return models


def check_abalone(platform: LocalPlatform, models: Path) -> list[Exchange]:
    """Start the pipeline's containers beside each other, and send the sample through.

    Parameters
    ----------
    platform
        Whose configuration names the containers.
    models
        The folder of the models.
    """
    return check(platform.environment, PIPELINE, models, EXAMPLES / "abalone" / "request.csv")


def publish_abalone(platform: LocalPlatform, models: Path) -> dict[str, int]:
    """Log and register the models.

    Parameters
    ----------
    platform
        Where MLflow is.
    models
        The folder of the models.

    Returns
    -------
    dict of str to int
        The version of each.
    """
    versions: dict[str, int] = json.loads(
        _example(platform, "abalone.publish", str(models)).splitlines()[-1]
    )
    return versions


def answers(platform: LocalPlatform, models: Path) -> Table:
    """What the API answers, beside what the models say when they are called directly.

    Parameters
    ----------
    platform
        Where the API is.
    models
        The folder of abalone's models.
    """
    key = platform.api_key()
    table = Table(title="The answers", show_lines=True)
    for column in ("Endpoint", "Asked", "The API", "The model itself"):
        table.add_column(column, overflow="fold")
    table.add_row(
        DIABETES,
        "the article's three rows",
        post(platform, DIABETES, REQUEST.read_bytes(), "application/json", key),
        predicted_diabetes(platform),
    )
    directly = json.loads(predicted_abalone(platform, models, LINE))
    for endpoint, part, accept in (
        (PIPELINE, "output", "application/json"),
        (SHORT_PIPELINE, "regressor", "text/csv"),
    ):
        answer = post(platform, endpoint, LINE.encode(), "text/csv", key, accept)
        table.add_row(endpoint, LINE, answer.strip(), json.dumps(directly[part]))
    return table


def predicted_diabetes(platform: LocalPlatform) -> str:
    """What the registered model itself says of the article's rows, as JSON.

    Parameters
    ----------
    platform
        Where MLflow is.
    """
    return _example(platform, "diabetes.predict", str(REQUEST)).splitlines()[-1]


def predicted_abalone(platform: LocalPlatform, models: Path, *lines: str) -> str:
    """What abalone's models themselves say of lines of CSV: a line of JSON for each.

    Parameters
    ----------
    platform
        Whose folder is the program's home.
    models
        The folder of the models.
    lines
        The sex and the sizes, in order.
    """
    return _example(platform, "abalone.predict", str(models), *lines)


def _example(platform: LocalPlatform, module: str, *words: str) -> str:
    """Run a module of `examples` as a data scientist; what it printed."""
    environment = scientist_environment(platform, platform.state.run / "examples")
    return run_program([sys.executable, "-m", f"examples.{module}", *words], environment)
