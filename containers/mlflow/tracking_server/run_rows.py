"""How runs are read: the statements, and the runs that their rows make."""
# ruff: noqa: S608 - whatever a caller gives goes into a statement as a literal of PyMySQL's

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)
from mlflow.store.tracking import sqlalchemy_store

from tracking_server.connections import Rows

# Most of MLflow is untyped.
mlflow_store: Any = sqlalchemy_store

CHUNK = 1000
"""Runs whose metrics, parameters and tags are read at once."""

INFO = (
    "run_uuid, name, experiment_id, user_id, status, start_time, end_time, lifecycle_stage,"
    " artifact_uri"
)


class Unusual(Exception):  # noqa: N818 - not an error, and nobody outside sees it
    """What MLflow's own method is left with, and why."""


def usual(is_so: bool, otherwise: str) -> None:
    """Leave it to MLflow's own method where something is not usual.

    Parameters
    ----------
    is_so
        Whether it is.
    otherwise
        What it is where it is not, for the log.

    Raises
    ------
    Unusual
        Where it is not.
    """
    if not is_so:
        raise Unusual(otherwise)


def run_reads(runs: str) -> list[str]:
    """What runs are read with: themselves, and what belongs to them.

    Parameters
    ----------
    runs
        Literals of their ids, with commas.
    """
    among = f"run_uuid IN ({runs})"
    return [
        f"SELECT {INFO} FROM runs WHERE {among}",
        f"SELECT run_uuid, `key`, value, timestamp, step, is_nan FROM latest_metrics WHERE {among}",
        f"SELECT run_uuid, `key`, value FROM params WHERE {among}",
        f"SELECT run_uuid, `key`, value FROM tags WHERE {among}",
        "SELECT inputs.destination_id AS run_uuid, dataset_uuid, datasets.name, digest,"
        " dataset_source_type, dataset_source, dataset_schema, dataset_profile, input_tags.name,"
        " input_tags.value FROM inputs JOIN datasets ON inputs.source_id = dataset_uuid"
        " LEFT JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid"
        f" WHERE destination_type = 'RUN' AND destination_id IN ({runs}) ORDER BY run_uuid",
        "SELECT source_id, destination_id, step FROM inputs WHERE source_type = 'RUN_OUTPUT'"
        f" AND source_id IN ({runs}) AND destination_type = 'MODEL_OUTPUT'",
    ]


def read_chunks(session: Any, ids: Sequence[str]) -> list[tuple[Sequence[str], list[Rows]]]:
    """What belongs to runs, as the transaction of a session sees it.

    Parameters
    ----------
    session
        SQLAlchemy's.
    ids
        The runs.

    Returns
    -------
    list of tuple
        Some of the runs, and what `run_reads` found of them.
    """
    connection = session.connection().execution_options(no_parameters=True)
    literal = connection.connection.driver_connection.literal
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return [
        (
            chunk,
            [
                connection.exec_driver_sql(read).fetchall()
                for read in run_reads(", ".join(map(literal, chunk)))
            ],
        )
        for chunk in chunks
    ]


def runs_of(
    ids: Sequence[str], answers: Sequence[Rows], models: list[LoggedModelInput] | None = None
) -> list[Run]:
    """The runs that rows make.

    Parameters
    ----------
    ids
        The runs, in the order that they are wanted in.
    answers
        What `run_reads` found.
    models
        The models that they read.

    Raises
    ------
    Unusual
        Where one is not there, or lacks a part.
    """
    infos, metrics, params, tags, inputs, outputs = answers
    metrics_of: dict[str, list[Metric]] = defaultdict(list)
    for run, key, value, timestamp, step, is_nan in metrics:
        metrics_of[run].append(Metric(key, float("nan") if is_nan else value, timestamp, step))
    params_of: dict[str, list[Param]] = defaultdict(list)
    for run, key, value in params:
        params_of[run].append(Param(key, value))
    tags_of: dict[str, list[RunTag]] = defaultdict(list)
    for run, key, value in tags:
        tags_of[run].append(RunTag(key, value))
    datasets_of = _datasets(inputs)
    models_of: dict[str, list[LoggedModelOutput]] = defaultdict(list)
    for run, model, step in outputs:
        models_of[run].append(LoggedModelOutput(model_id=model, step=step))
    info_of = {info[0]: info for info in infos}
    # The database also finds another spelling of what it is asked for, and keeps what it is given.
    usual(all(run in info_of for run in ids), "no such run")
    for parts in (metrics_of, params_of, tags_of, datasets_of, models_of):
        usual(parts.keys() <= info_of.keys(), "parts of a run by another spelling of its id")
    return [
        Run(
            _info(info_of[run], tags_of[run]),
            RunData(metrics_of[run], params_of[run], tags_of[run]),
            RunInputs(dataset_inputs=datasets_of.get(run, []), model_inputs=models),
            RunOutputs(models_of[run]),
        )
        for run in ids
    ]


def _info(row: tuple[Any, ...], tags: Sequence[RunTag]) -> RunInfo:
    run, name, experiment, user, status, started, ended, stage, artifacts = row
    usual(None not in (user, status, started), "a run that lacks a part")
    return RunInfo(
        run_id=run,
        # Runs of old versions have their name in a tag alone.
        run_name=name or mlflow_store._get_run_name_from_tags(tags) or name,
        experiment_id=str(experiment),
        user_id=user,
        status=status,
        start_time=started,
        end_time=ended,
        lifecycle_stage=stage,
        artifact_uri=artifacts,
    )


def _datasets(inputs: Rows) -> dict[str, list[DatasetInput]]:
    """What runs read, each dataset once, with the tags of all its rows."""
    found: dict[str, dict[str, DatasetInput]] = defaultdict(dict)
    for run, dataset, name, digest, kind, source, schema, profile, tag, value in inputs:
        if dataset not in found[run]:
            found[run][dataset] = DatasetInput(
                Dataset(name, digest, kind, source, schema, profile), tags=[]
            )
        if tag is not None:
            found[run][dataset].tags.append(InputTag(tag, value))
    return {run: list(datasets.values()) for run, datasets in found.items()}
