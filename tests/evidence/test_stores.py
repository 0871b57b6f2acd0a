"""The store of few statements does what MLflow's own does, answer by answer and row by row."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from local.database import ServerProgram
from tests.evidence.database import RunningDatabase, create_database
from tests.evidence.programs import CURRENT, Mlflow, installed

HERE = Path(__file__).parent
EXAMPLES = 150
CALLS = 60
HOT = ("log_metric", "log_batch", "log_param", "set_tag", "create_run", "get_run", "get_experiment")

COLUMNS = {
    "experiments": (
        "artifact_location creation_time experiment_id last_update_time lifecycle_stage name"
        " workspace"
    ),
    "runs": (
        "artifact_uri deleted_time end_time entry_point_name experiment_id lifecycle_stage name"
        " run_uuid source_name source_type source_version start_time status user_id"
    ),
    "tags": "key run_uuid value",
    "params": "key run_uuid value",
    "metrics": "is_nan key run_uuid step timestamp value",
    "latest_metrics": "is_nan key run_uuid step timestamp value",
    "inputs": "destination_id destination_type input_uuid source_id source_type step",
    "datasets": (
        "dataset_profile dataset_schema dataset_source dataset_source_type dataset_uuid digest"
        " experiment_id name"
    ),
    "input_tags": "input_uuid name value",
    "experiment_tags": "experiment_id key value",
}
"""What the store's statements are written for."""


@pytest.fixture
def mlflow() -> Mlflow:
    return installed(CURRENT)


@pytest.fixture
def database(program: ServerProgram, tmp_path: Path) -> Iterator[RunningDatabase]:
    database = create_database(program, tmp_path / "database")
    yield database
    database.stop()


@pytest.fixture
def stores(mlflow: Mlflow, tmp_path: Path) -> Callable[..., Any]:
    """What `stores.py` says."""
    # Of what the tests have installed the script needs hypothesis, and nothing else.
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("hypothesis", "sortedcontainers", "_hypothesis_globals"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        place = origin.parent if origin.name == "__init__.py" else origin
        (packages / place.name).symlink_to(place)

    def run(*words: str) -> Any:
        result = subprocess.run(
            [str(mlflow.programs / "python"), str(HERE / "stores.py"), *words],
            env={**mlflow.environment(tmp_path), "PYTHONPATH": str(packages)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr[-4000:]
        return json.loads(result.stdout.splitlines()[-1])

    return run


def upgraded(mlflow: Mlflow, database: RunningDatabase, name: str, folder: Path) -> str:
    """The address of a new database with MLflow's tables."""
    database.ask(f"CREATE DATABASE {name}")
    uri = replace(database.address, name=name).uri
    subprocess.run(
        [str(mlflow.programs / "mlflow"), "db", "upgrade", uri],
        env=mlflow.environment(folder),
        check=True,
        capture_output=True,
    )
    return uri


def test_mlflow_is_the_one_that_the_store_knows(stores: Callable[..., Any]) -> None:
    found = stores("tables")
    assert found["version"] == found["known"]
    assert found["columns"] == {table: names.split() for table, names in COLUMNS.items()}


def test_both_stores_answer_alike_and_leave_the_same_rows(
    mlflow: Mlflow,
    database: RunningDatabase,
    stores: Callable[..., Any],
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    ours, plain = (upgraded(mlflow, database, name, tmp_path) for name in ("ours", "plain"))
    found = stores("compare", ours, plain, str(EXAMPLES))
    made, left = found["made"], found["left"]
    for call in (*HOT, "search_runs"):
        assert made[call] > left.get(call, 0), f"{call} was always left to MLflow"
    say(f"{sum(made.values())} calls answered alike by both stores, {sum(left.values())} by MLflow")


def test_several_threads_keep_the_latest_metrics_right(
    mlflow: Mlflow, database: RunningDatabase, stores: Callable[..., Any], tmp_path: Path
) -> None:
    found = stores("together", upgraded(mlflow, database, "ours", tmp_path), str(CALLS))
    assert found["latest"] == found["should"]
    assert found["kept"] == found["written"]
