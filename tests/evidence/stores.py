"""What MLflow's own store and the image's do with the same calls, on two databases that are alike.

Runs by the image's Python, and says as JSON what it found:

``python stores.py tables`` the version of MLflow and the columns of its tables.

``python stores.py compare <address> <other address> <examples>`` how often each call was made, and
left to MLflow; fails with the shortest sequence of calls that the two answer otherwise.

``python stores.py together <address> <calls>`` the latest metrics of a run that several threads
wrote, as the store has them and as they have to be.
"""

import json
import logging
import math
import random
import sys
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest import mock

import pymysql
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlExperiment,
    SqlExperimentTag,
    SqlInput,
    SqlInputTag,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.version import VERSION

from tracking_server.faster import MLFLOW
from tracking_server.store import Store

NOW = 1_700_000_000_000
FILES = "s3://bucket/mlflow"
THREADS = 8
TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")

KEYS = ["loss", "Loss", "e", "é", "E", "日本", "a/b", "a b", "k'; DROP", "%s", "x" * 250]
WRONG_KEYS = ["", "x" * 251, "back\\slash", "../up", "nul\0", "mlflow.runName"]
keys = st.sampled_from(KEYS) | st.sampled_from(KEYS + WRONG_KEYS)
numbers = st.sampled_from(
    [0.0, -0.0, 0.5, 1.5, 0.1, -2.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]
) | st.floats(allow_subnormal=False)
steps = st.integers(-2, 3) | st.sampled_from([2**63 - 1, -(2**63), 2**63])
times = st.integers(0, 3) | st.sampled_from([-1, NOW, 2**63 - 1, 2**63])
texts = st.sampled_from(
    ["", "a", "A", "1", "quote ' \" \\ ; -- %s", "🙂", "line\nline", "y" * 6000, "y" * 9000, "a "]
)
metrics = st.builds(Metric, keys, numbers, times, steps) | st.builds(
    # So few that they meet: which of two is the latest is what counts.
    Metric,
    st.sampled_from(["loss", "e"]),
    st.sampled_from([0.0, 0.5, math.nan]),
    st.integers(0, 2),
    st.integers(0, 1),
)
params = st.builds(Param, keys, texts)
tags = st.builds(RunTag, keys, texts)
runs = st.sampled_from([*6 * ["first"], "second", "deleted", "spelt", "nobody", "wrong id!"])
experiments = st.sampled_from([*4 * ["own"], "gone", "99999999", "", "seven", "007", None])
FILTERS = [
    "",
    "metrics.loss > 0.1",
    "metrics.loss != 0.5",
    "metrics.`a/b` <= 1.5 and params.e = 'a'",
    "params.E = 'A'",
    "tags.loss LIKE '%a%'",
    "tags.`mlflow.runName` ILIKE 'FIRST'",
    "attributes.run_name = 'first'",
    "attributes.status = 'RUNNING' and attributes.start_time >= 1",
    "params.loss IS NULL",
    "tags.e IS NOT NULL",
    "dataset.name = 'data'",
    "metrics.loss = nonsense",
    "params.loss > 'a'",
]
ORDERS = [
    [],
    ["metrics.loss DESC"],
    ["metrics.loss ASC", "params.e DESC"],
    ["attributes.start_time ASC"],
    ["tags.loss", "attributes.run_name DESC"],
    ["start_time DESC", "start_time ASC"],
    ["attributes.nonsense"],
]
CALLS = st.one_of(
    st.tuples(st.just("log_metric"), runs, metrics),
    st.tuples(
        st.just("log_batch"),
        runs,
        st.lists(metrics, max_size=6),
        st.lists(params, max_size=3),
        st.lists(tags, max_size=3),
    ),
    st.tuples(st.just("log_param"), runs, params),
    st.tuples(st.just("set_tag"), runs, tags),
    st.tuples(st.just("delete_tag"), runs, keys),
    st.tuples(st.just("get_run"), runs),
    st.tuples(st.just("get_experiment"), experiments),
    st.tuples(
        st.just("create_run"),
        experiments,
        st.sampled_from(["ana", ""]),
        st.sampled_from([0, 1, NOW]),
        st.lists(tags, max_size=3),
        st.sampled_from(["first", "", None, "z" * 251]),
    ),
    st.tuples(
        st.just("search_runs"),
        st.lists(experiments, min_size=1, max_size=2),
        st.sampled_from(FILTERS),
        st.sampled_from([ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL]),
        st.sampled_from([1, 2, 1000, 0, 50001]),
        st.sampled_from(ORDERS),
        st.sampled_from([None, None, "page"]),
    ),
    st.tuples(st.just("delete_run"), runs),
    st.tuples(st.just("restore_run"), runs),
    st.tuples(
        st.just("update_run_info"),
        runs,
        st.sampled_from([RunStatus.FINISHED, None]),
        st.sampled_from([NOW, None]),
        st.sampled_from(["renamed", None]),
    ),
    st.tuples(st.just("log_inputs"), runs, st.integers(1, 2)),
    st.tuples(st.just("log_outputs"), runs),
    st.tuples(st.just("delete_experiment"), st.just("own")),
    st.tuples(st.just("restore_experiment"), st.just("own")),
)


class Side:
    """One of the two stores, and what it calls the runs of an example.

    Parameters
    ----------
    store
        The store.
    """

    def __init__(self, store: Any) -> None:
        self.store = store
        self.names: dict[str, Any] = {}
        self.page: str | None = None

    def begin(self, number: int) -> None:
        """An experiment and runs for an example."""

        def do(name: str, *words: Any) -> Any:
            return alike(f"{number} {words}", partial(getattr(self.store, name), *words))

        own, gone = (
            do("create_experiment", f"{name} {number}", None, []) for name in ("own", "gone")
        )
        self.names, self.page = {"own": own, "gone": gone}, None
        for name in ("first", "second", "deleted"):
            run = do("create_run", own, "ana", 1, [RunTag("made", name)], name)
            self.names[name] = run.info.run_id
        do("delete_run", self.names["deleted"])
        do("delete_experiment", gone)
        self.names["spelt"] = self.names["first"].upper()
        self.names["nobody"] = "0" * 32

    def call(self, name: str, *words: Any) -> Any:
        """Call the store: what it answers, or what it refuses with, as far as both can be alike."""
        try:
            return shown(getattr(self.store, name)(*self._words(name, words)), self)
        except MlflowException as error:
            return [error.error_code, error.message.replace(self.store.engine.url.database, "db")]
        except Exception as error:
            return [type(error).__name__, str(error)]

    def _words(self, name: str, words: tuple[Any, ...]) -> list[Any]:
        known: list[Any] = [
            self.names.get(word, word)
            if isinstance(word, str) and position == 0
            else [self.names.get(each, each) for each in word]
            if name == "search_runs" and position == 0
            else self.page
            if word == "page"
            else word
            for position, word in enumerate(words)
        ]
        if name == "log_inputs":
            dataset = Dataset("data", "1", "local", "{}")
            known[1] = [DatasetInput(dataset, [InputTag(f"t{n}", "v") for n in range(known[1])])]
        elif name == "log_outputs":
            known.append([LoggedModelOutput("m-1", 2)])
        return known


def shown(answer: Any, side: Side) -> Any:
    """An answer as text that can be compared."""
    if isinstance(answer, list):
        side.page = getattr(answer, "token", None) or side.page
        return [shown(each, side) for each in answer] + [getattr(answer, "token", None)]
    # A dictionary has no order that a client could see, but the messages are made in it.
    return repr(answer.to_proto()) if hasattr(answer, "to_proto") else repr(answer)


def rows(side: Side, connection: Any) -> dict[str, Any]:
    """What stands in the tables for an example."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            of = "run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id IN (%s, %s))"
            cursor.execute(
                f"SELECT * FROM {table} WHERE {of}",  # noqa: S608 - a table of ours
                (side.names["own"], side.names["gone"]),
            )
            found[table] = sorted(map(repr, cursor.fetchall()))
    connection.rollback()
    return found


def alike(seed: str, ask: Callable[[], Any]) -> Any:
    """Ask with the same identifiers, names and times as the other."""
    identifier = uuid.uuid5(uuid.NAMESPACE_OID, seed)
    theirs = "mlflow.store.tracking.sqlalchemy_store"
    with (
        # The same for all of a call: one that is left to MLflow asks for another.
        mock.patch.object(uuid, "uuid4", return_value=identifier),
        mock.patch(f"{theirs}._generate_random_name", return_value="name"),
        mock.patch(f"{theirs}.get_current_time_millis", return_value=NOW),
        mock.patch.object(time, "sleep"),
    ):
        return ask()


def compare(sides: tuple[Side, Side], connections: list[Any], examples: int) -> Counter[str]:
    """Make sequences of calls to both sides; how often each was made."""
    made: Counter[str] = Counter()
    number = time.time_ns()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(CALLS, min_size=1, max_size=12))
    def same(calls: list[tuple[Any, ...]]) -> None:
        nonlocal number
        number += 1
        for side in sides:
            side.begin(number)
        for position, call in enumerate(calls):
            made[call[0]] += 1
            seed = f"{number} {position}"
            plain, ours = (alike(seed, partial(side.call, *call)) for side in sides)
            assert ours == plain, f"{call}: {ours}, plain {plain}"
        plain, ours = map(rows, sides, connections)
        assert ours == plain, "\n".join(
            f"{table}: {ours[table]}, plain {plain[table]}"
            for table in TABLES
            if ours[table] != plain[table]
        )

    same()
    return made


def tables() -> dict[str, Any]:
    """The version of MLflow and the columns of the tables that the store writes and reads."""
    models = (SqlExperiment, SqlRun, SqlTag, SqlParam, SqlMetric, SqlLatestMetric, SqlInput)
    return {
        "version": VERSION,
        "known": MLFLOW,
        "columns": {
            model.__tablename__: sorted(model.__table__.columns.keys())
            for model in (*models, SqlDataset, SqlInputTag, SqlExperimentTag)
        },
    }


def together(address: str, calls: int) -> dict[str, Any]:
    """Log metrics of one run from several threads at once."""
    ours = Store(address, FILES, most=THREADS)
    experiment = ours.create_experiment(f"together {time.time_ns()}")
    run = ours.create_run(experiment, "ana", 1, [], None).info.run_id

    def write(number: int) -> list[Metric]:
        chance = random.Random(number)  # noqa: S311 - no secret
        written: list[Metric] = []
        for _ in range(calls):
            some = [
                Metric(
                    f"m{chance.randrange(5)}",
                    chance.random(),
                    chance.randrange(3),
                    chance.randrange(3),
                )
                for _ in range(chance.choice([1, 1, 10]))
            ]
            if len(some) == 1:
                ours.log_metric(run, some[0])
            else:
                ours.log_batch(run, some, [], [])
            written += some
        return written

    with ThreadPoolExecutor(THREADS) as pool:
        written = [metric for some in pool.map(write, range(THREADS)) for metric in some]
    should: dict[str, tuple[int, int, float]] = {}
    for metric in written:
        rank = (metric.step, metric.timestamp, metric.value)
        should[metric.key] = max(should.get(metric.key, rank), rank)
    found = ours.get_run(run).data._metric_objs
    kept = sum(len(ours.get_metric_history(run, key)) for key in should)
    return {
        "latest": {each.key: (each.step, each.timestamp, each.value) for each in found},
        "should": should,
        "kept": kept,
        "written": len(set(written)),
        "left": ours.left,
    }


def main() -> None:
    """Do as the command line says."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    match sys.argv[1:]:
        case ["tables"]:
            found = tables()
        case ["together", address, calls]:
            found = together(address, int(calls))
        case ["compare", address, other, examples]:
            found = compare_stores(address, other, int(examples))
    print(json.dumps(found))


def compare_stores(address: str, other: str, examples: int) -> dict[str, Any]:
    """Compare the image's store in one database with MLflow's in the other."""
    mlflow: Any = SqlAlchemyStore
    # A connection that made the default experiment takes values that do not fit.
    for each in (address, other):
        alike("", partial(mlflow, each, FILES)).engine.dispose()
    sides = Side(mlflow(other, FILES)), Side(Store(address, FILES, most=2))
    connections = []
    for side in sides:
        _, options = side.store.engine.dialect.create_connect_args(side.store.engine.url)
        connections.append(pymysql.connect(**options))
    made = compare(sides, connections, examples)
    return {"made": made, "left": sides[1].store.left}


if __name__ == "__main__":
    main()
