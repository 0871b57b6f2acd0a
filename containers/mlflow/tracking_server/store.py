"""MLflow's store with few statements for what clients call most.

MLflow's own takes some nine round trips for a metric, each through SQLAlchemy's objects. Here what
is usual takes one or two, with the same checks, the same rows and the same answers. Whatever is
not usual, a run that was deleted, a row that is there already, an error of the database, is rolled
back and left to MLflow's own method, which so says what it always says.
"""
# ruff: noqa: S608 - whatever a caller gives goes into a statement as a literal of PyMySQL's

import functools
import logging
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pymysql
from mlflow.entities import (
    Experiment,
    ExperimentTag,
    LifecycleStage,
    LoggedModelInput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunStatus,
    RunTag,
    SourceType,
)
from mlflow.store.tracking import sqlalchemy_store
from mlflow.utils import validation as mlflow_validation
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from tracking_server.connections import Connections, Rows, ask, opener
from tracking_server.run_rows import Unusual, read_chunks, run_reads, runs_of, usual

# Most of MLflow is untyped.
mlflow_store: Any = sqlalchemy_store
validation: Any = mlflow_validation

KNOWN = 50_000
"""Metrics of runs that a process remembers to have seen: some 15 MB."""

ACTIVE = "lifecycle_stage = 'active'"
METRIC = "`key`, value, timestamp, is_nan, run_uuid, step"

# What is assigned is what the next assignment sees: a value is compared before it is replaced, and
# where it was, step and time are still the old ones.
_EARLIER = "latest_metrics.step < VALUES(step)"
_SAME_STEP = "latest_metrics.step = VALUES(step)"
_OLDER = f"{_EARLIER} OR {_SAME_STEP} AND latest_metrics.timestamp < VALUES(timestamp)"
_LESS = (
    f"{_OLDER} OR {_SAME_STEP} AND latest_metrics.timestamp = VALUES(timestamp)"
    " AND latest_metrics.value < VALUES(value)"
)
LATEST = (
    "ON DUPLICATE KEY UPDATE"
    f" is_nan = IF({_LESS}, VALUES(is_nan), latest_metrics.is_nan),"
    f" value = IF({_LESS}, VALUES(value), latest_metrics.value),"
    f" timestamp = IF({_OLDER}, VALUES(timestamp), latest_metrics.timestamp),"
    " step = GREATEST(latest_metrics.step, VALUES(step))"
)
"""The latest of two metrics: by step, then by time, then by value."""

_Method = TypeVar("_Method", bound=Callable[..., Any])
_log = logging.getLogger(__name__)


def _else_mlflow(method: _Method) -> _Method:
    """Leave to MLflow's method of the same name what this one does not do."""
    name = method.__name__
    own = getattr(mlflow_store.SqlAlchemyStore, name)

    @functools.wraps(method)
    def either(self: "Store", *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except (Unusual, pymysql.MySQLError, UnicodeError) as reason:
            _log.debug("%s is left to MLflow: %s", name, reason)
            self.left[name] += 1
        return own(self, *args, **kwargs)

    return either  # type: ignore[return-value]


class Store(mlflow_store.SqlAlchemyStore):  # type: ignore[misc,unused-ignore]
    """MLflow's store in MySQL, with few statements for what clients call most.

    Parameters
    ----------
    db_uri, default_artifact_root
        As MLflow's store takes them.
    most
        Connections that it opens at once beside those of MLflow's pool.

    Attributes
    ----------
    left : collections.Counter[str]
        How often each method was left to MLflow's own.
    """

    def __init__(self, db_uri: str, default_artifact_root: str, *, most: int) -> None:
        seconds = float(os.environ.get("MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE", "3600"))
        self._connections = Connections(opener(db_uri), most, seconds)
        self._known: set[tuple[str, str]] = set()
        self._locations: dict[str, str] = {}
        self.left: Counter[str] = Counter()
        super().__init__(db_uri, default_artifact_root)

    # What is written.

    @_else_mlflow
    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log a metric of a run."""
        validation._validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        usual(metric.model_id is None, "a model's metric")
        key = (run_id, metric.key)
        with self._connections.lent() as connection:
            run = _text(connection, run_id)
            row = self._row(connection, run, metric)
            latest = LATEST
            if key not in self._known:
                (_, found), (_, keys) = ask(
                    connection,
                    f"{_stage(run)}; {_keys(run, [_text(connection, metric.key)])}",
                )
                _check_active(found)
                latest = LATEST if _is_there(keys, metric.key) else ""
            source = f"SELECT {row} FROM runs WHERE run_uuid = {run} AND {ACTIVE}"
            answers = ask(
                connection,
                f"START TRANSACTION; INSERT INTO metrics ({METRIC}) {source};"
                f" INSERT INTO latest_metrics ({METRIC}) {source} {latest}; COMMIT",
            )
        usual(answers[1][0] == 1, "no active run")
        self._remember([key])

    @_else_mlflow
    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        params: Sequence[Param],
        tags: Sequence[RunTag],
    ) -> None:
        """Log metrics, parameters and tags of a run."""
        validation._validate_run_id(run_id)
        metrics, params, tags = validation._validate_batch_log_data(metrics, params, tags)
        validation._validate_batch_log_limits(metrics, params, tags)
        validation._validate_param_keys_unique(params)
        usual(all(metric.model_id is None for metric in metrics), "a model's metric")
        usual(all(tag.key != MLFLOW_RUN_NAME for tag in tags), "the run's name")
        with self._connections.lent() as connection:
            run = _text(connection, run_id)
            latest = self._latest(metrics)
            unknown = [key for key in latest if (run_id, key) not in self._known]
            reads = [_stage(run)]
            if unknown:
                reads.append(_keys(run, [_text(connection, key) for key in unknown]))
            reads += [
                f"SELECT `key`, value FROM {table} WHERE run_uuid = {run}"
                for table, given in (("params", params), ("tags", tags))
                if given
            ]
            (_, found), *answers = ask(connection, "; ".join(reads))
            _check_active(found)
            rows = [rows for _, rows in answers]
            there = {key for (key,) in rows.pop(0)} if unknown else set()
            new = {key for key in unknown if key not in there}
            usual(len(there) + len(new) == len(unknown), "a metric of another spelling")
            writes = self._metric_writes(connection, run, metrics, latest, new)
            if params:
                writes += _param_writes(connection, run, params, dict(rows.pop(0)))
            if tags:
                writes += _tag_writes(connection, run, tags, dict(rows.pop(0)))
            if writes:
                ask(connection, "; ".join(["START TRANSACTION", *writes, "COMMIT"]))
        self._remember([(run_id, key) for key in latest])

    @_else_mlflow
    def log_param(self, run_id: str, param: Param) -> None:
        """Log a parameter of a run."""
        param = validation._validate_param(param.key, param.value)
        self._insert(run_id, "params", param)

    @_else_mlflow
    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set a tag of a run."""
        tag = validation._validate_tag(tag.key, tag.value)
        usual(tag.key != MLFLOW_RUN_NAME, "the run's name")
        self._insert(
            run_id,
            "tags",
            tag,
            "ON DUPLICATE KEY UPDATE `key` = VALUES(`key`), value = VALUES(value)",
        )

    @_else_mlflow
    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: Sequence[RunTag] | None,
        run_name: str | None,
    ) -> Run:
        """Create a run."""
        tags = list(tags or [])
        named = mlflow_store._get_run_name_from_tags(tags)
        usual(not (run_name and named and run_name != named), "two names")
        usual(type(start_time) is int and isinstance(user_id, str), "no time, or no user")
        name = run_name or named or mlflow_store._generate_random_name()
        if not named:
            tags.append(RunTag(key=MLFLOW_RUN_NAME, value=name))
        run_id = uuid.uuid4().hex
        status = RunStatus.to_string(RunStatus.RUNNING)
        with self._connections.lent() as connection:
            location = self._location(connection, experiment_id)
            artifacts = mlflow_store.append_to_uri_path(
                location, run_id, self.ARTIFACTS_FOLDER_NAME
            )
            literal = connection.literal
            kind = SourceType.to_string(SourceType.UNKNOWN)
            values = ", ".join(map(literal, (run_id, name, user_id, status, artifacts, kind)))
            rows = _values(
                f"{literal(tag.key)}, {literal(tag.value)}, {literal(run_id)}" for tag in tags
            )
            try:
                # The location is the one that is remembered, or nothing is written.
                ask(
                    connection,
                    "START TRANSACTION;"
                    " INSERT INTO runs (run_uuid, name, user_id, status, artifact_uri, source_type,"
                    " start_time, experiment_id, source_name, entry_point_name, source_version,"
                    f" lifecycle_stage) SELECT {values}, {start_time}, {experiment_id},"
                    f" '', '', '', 'active' FROM experiments WHERE experiment_id = {experiment_id}"
                    f" AND {ACTIVE} AND BINARY artifact_location = {literal(location)};"
                    f" INSERT INTO tags (`key`, value, run_uuid) VALUES {rows}; COMMIT",
                )
            except pymysql.MySQLError:
                self._locations.pop(experiment_id, None)
                raise
        return Run(
            RunInfo(
                run_id=run_id,
                run_name=name,
                experiment_id=experiment_id,
                user_id=user_id,
                status=status,
                start_time=start_time,
                end_time=None,
                lifecycle_stage=LifecycleStage.ACTIVE,
                artifact_uri=artifacts,
            ),
            RunData(tags=tags),
            RunInputs(dataset_inputs=[]),
        )

    # What is read.

    @_else_mlflow
    def get_experiment(self, experiment_id: str) -> Experiment:
        """An experiment."""
        retention = self._get_effective_experiment_trace_archival_retention_context()
        usual(retention is None, "traces are archived")
        number = validation._parse_experiment_id(experiment_id or self.DEFAULT_EXPERIMENT_ID)
        with self._connections.lent() as connection:
            _, (_, found), (_, tags), _ = ask(
                connection,
                "START TRANSACTION READ ONLY; SELECT name, artifact_location, lifecycle_stage,"
                " creation_time, last_update_time, workspace FROM experiments"
                f" WHERE experiment_id = {number}; SELECT `key`, value FROM experiment_tags"
                f" WHERE experiment_id = {number}; COMMIT",
            )
        usual(len(found) == 1, "no experiment")
        name, location, stage, created, updated, workspace = found[0]
        return Experiment(
            experiment_id=str(number),
            name=name,
            artifact_location=location,
            lifecycle_stage=stage,
            tags=[ExperimentTag(key, value) for key, value in tags],
            creation_time=created,
            last_update_time=updated,
            workspace=workspace,
        )

    @_else_mlflow
    def get_run(self, run_id: str) -> Run:
        """A run with its latest metrics, parameters, tags, inputs and outputs."""
        with self._connections.lent() as connection:
            run = _text(connection, run_id)
            reads = [
                *run_reads(run),
                "SELECT destination_id FROM inputs WHERE source_type = 'RUN_INPUT'"
                f" AND source_id = {run} AND destination_type = 'MODEL_INPUT'",
            ]
            _, *answers, _ = ask(
                connection, "; ".join(["START TRANSACTION READ ONLY", *reads, "COMMIT"])
            )
        *rows, models = [rows for _, rows in answers]
        runs = runs_of([run_id], rows, [LoggedModelInput(model) for (model,) in models])
        return runs[0]

    @_else_mlflow
    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str,
        run_view_type: int,
        max_results: int | None,
        order_by: Sequence[str],
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        self._validate_max_results_param(max_results, allow_null=True)
        stages = set(LifecycleStage.view_type_to_stages(run_view_type))
        filters = mlflow_store.SearchUtils.parse_search_filter(filter_string)
        by_dataset = any(
            each["type"] == mlflow_store.SearchUtils._DATASET_IDENTIFIER for each in filters
        )
        usual(not by_dataset, "a filter by datasets, which finds a run more than once")
        run = mlflow_store.SqlRun
        with self.ManagedSessionMaker() as session:
            columns, order, sources = mlflow_store._get_orderby_clauses(order_by, session)
            own, others, _ = mlflow_store._get_sqlalchemy_filter_clauses(
                filters, session, self._get_dialect()
            )
            # Each of these has a run once: what is found needs no comparison of whole runs.
            found = mlflow_store.select(run.run_uuid, *columns)
            for other in others:
                found = found.join(other, run.run_uuid == other.c.run_uuid)
            for source in sources:
                found = found.outerjoin(source, run.run_uuid == source.c.run_uuid)
            offset = mlflow_store.SearchUtils.parse_start_offset_from_page_token(page_token)
            experiments = validation._parse_experiment_ids(experiment_ids)
            found = (
                found.filter(
                    run.experiment_id.in_(self._filter_experiment_ids(session, experiments)),
                    run.lifecycle_stage.in_(stages),
                    *own,
                )
                .order_by(*order)
                .offset(offset)
            )
            if max_results is not None:
                # One more says whether there is another page.
                found = found.limit(max_results + 1)
            ids = list(session.execute(found).scalars())
            more = max_results is not None and len(ids) > max_results
            chunks = read_chunks(session, ids[:max_results] if more else ids)
        runs = [run for chunk, answers in chunks for run in runs_of(chunk, answers)]
        return runs, mlflow_store.SearchUtils.create_page_token(
            offset + max_results
        ) if more else None

    # What they share.

    def _row(self, connection: Any, run: str, metric: Metric) -> str:
        """A metric as a row of its tables."""
        usual(
            type(metric.value) is float
            and type(metric.timestamp) is int
            and type(metric.step) is int,
            "numbers of another kind",
        )
        is_nan, value = self.sanitize_metric_value(metric.value)
        return (
            f"{_text(connection, metric.key)}, {connection.literal(value)}, {metric.timestamp},"
            f" {int(is_nan)}, {run}, {metric.step}"
        )

    def _latest(self, metrics: Sequence[Metric]) -> dict[str, Metric]:
        """The latest metric of each key, in an order that is the same for all who lock them."""
        latest: dict[str, tuple[tuple[int, int, float], Metric]] = {}
        for metric in metrics:
            rank = (metric.step, metric.timestamp, self.sanitize_metric_value(metric.value)[1])
            if metric.key not in latest or rank > latest[metric.key][0]:
                latest[metric.key] = (rank, metric)
        return {key: latest[key][1] for key in sorted(latest)}

    def _metric_writes(
        self,
        connection: Any,
        run: str,
        metrics: Sequence[Metric],
        latest: Mapping[str, Metric],
        new: set[str],
    ) -> list[str]:
        """Statements for metrics: all of them, and the latest, of which some keys are new."""
        rows = {metric: self._row(connection, run, metric) for metric in metrics}
        known = [rows[metric] for key, metric in latest.items() if key not in new]
        fresh = [rows[metric] for key, metric in latest.items() if key in new]
        writes = [
            ("metrics", rows.values(), ""),
            ("latest_metrics", fresh, ""),
            ("latest_metrics", known, LATEST),
        ]
        return [
            f"INSERT INTO {table} ({METRIC}) VALUES {_values(given)} {rule}"
            for table, given, rule in writes
            if given
        ]

    def _insert(self, run_id: str, table: str, given: Param | RunTag, rule: str = "") -> None:
        """Write a parameter or a tag of an active run."""
        with self._connections.lent() as connection:
            run = _text(connection, run_id)
            ((count, _),) = ask(
                connection,
                f"INSERT INTO {table} (`key`, value, run_uuid)"
                f" SELECT {_text(connection, given.key)}, {connection.literal(given.value)}, {run}"
                f" FROM runs WHERE run_uuid = {run} AND {ACTIVE} {rule}",
            )
        usual(count > 0, "no active run")

    def _location(self, connection: Any, experiment_id: str) -> str:
        """Where the files of an active experiment are."""
        location = self._locations.get(experiment_id)
        if location is None:
            usual(type(experiment_id) is str and experiment_id.isdecimal(), "no number")
            usual(str(int(experiment_id)) == experiment_id, "a number of another spelling")
            ((_, found),) = ask(
                connection,
                "SELECT artifact_location FROM experiments"
                f" WHERE experiment_id = {experiment_id} AND {ACTIVE}",
            )
            usual(len(found) == 1 and bool(found[0][0]), "no active experiment")
            location = str(found[0][0])
            self._locations[experiment_id] = location
        return location

    def _remember(self, keys: Iterable[tuple[str, str]]) -> None:
        """Remember that runs have a latest metric of these names, spelt like this."""
        if len(self._known) > KNOWN:
            self._known.clear()
        self._known.update(keys)


def _text(connection: Any, value: Any) -> str:
    """A text as it stands in a statement."""
    usual(type(value) is str, "no text")
    literal: str = connection.literal(value)
    return literal


def _values(rows: Iterable[str]) -> str:
    return ", ".join(f"({row})" for row in rows)


def _stage(run: str) -> str:
    return f"SELECT lifecycle_stage FROM runs WHERE run_uuid = {run}"


def _keys(run: str, keys: Sequence[str]) -> str:
    return (
        f"SELECT `key` FROM latest_metrics WHERE run_uuid = {run} AND `key` IN ({', '.join(keys)})"
    )


def _is_there(keys: Rows, key: str) -> bool:
    """Whether a key is among those found; the database also finds other spellings of it."""
    usual(all(found == key for (found,) in keys), "a metric of another spelling")
    return bool(keys)


def _check_active(found: Rows) -> None:
    usual(found == ((LifecycleStage.ACTIVE,),), "no active run")


def _param_writes(
    connection: Any, run: str, params: Sequence[Param], there: Mapping[str, str]
) -> list[str]:
    """Statements for parameters that are not there yet."""
    same = all(there.get(param.key, param.value) == param.value for param in params)
    usual(same, "a parameter that changes")
    given = {param.key: param.value for param in params if param.key not in there}
    return [_pairs(connection, run, "params", given)] if given else []


def _tag_writes(
    connection: Any, run: str, tags: Sequence[RunTag], there: Mapping[str, str]
) -> list[str]:
    """Statements for tags that are not there yet, and for those that change."""
    given = {tag.key: tag.value for tag in tags}
    fresh = {key: value for key, value in given.items() if key not in there}
    changed = {key: value for key, value in given.items() if there.get(key, value) != value}
    writes = [_pairs(connection, run, "tags", fresh)] if fresh else []
    if changed:
        rule = "ON DUPLICATE KEY UPDATE value = VALUES(value)"
        writes.append(f"{_pairs(connection, run, 'tags', changed)} {rule}")
    return writes


def _pairs(connection: Any, run: str, table: str, given: Mapping[str, str]) -> str:
    rows = _values(
        f"{_text(connection, key)}, {connection.literal(value)}, {run}"
        for key, value in given.items()
    )
    return f"INSERT INTO {table} (`key`, value, run_uuid) VALUES {rows}"
