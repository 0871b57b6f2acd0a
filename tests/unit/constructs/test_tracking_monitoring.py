"""What is watched; and that the lines that are counted are those that the server writes."""

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.assertions import Template
from ruamel.yaml import YAML
from uvicorn.logging import AccessFormatter

from mlops_constructs.tracking_monitoring import (
    ERRORS,
    LATENCY,
    REFUSED,
    REQUESTS,
    TrackingMonitoring,
)
from tests.unit.constructs.conftest import Bench
from tracking_server.latency import Latency

LOG_CONFIG = Path(mlflow.__file__).parent / "server" / "uvicorn_log_config.yaml"


@pytest.fixture
def template(bench: Bench) -> Template:
    database = cloudwatch.Metric(namespace="AWS/RDS", metric_name="DatabaseConnections")
    TrackingMonitoring(
        bench.stack,
        "Monitoring",
        server=bench.server(),
        alarms=bench.alarms(),
        database={"connections": database},
    )
    return bench.template()


@pytest.mark.parametrize(
    ("metric", "limit"),
    [
        ("HealthyHostCount", 1),
        ("UnHealthyHostCount", 1),
        ("TrackingErrors", 5),
        ("TrackingLatency", 5000),
        ("TrackingLoginsRefused", 50),
        ("CPUUtilization", 90),
        ("MemoryUtilization", 90),
    ],
)
def test_there_is_an_alarm(template: Template, metric: str, limit: int) -> None:
    (alarm,) = [
        found["Properties"]
        for found in template.find_resources("AWS::CloudWatch::Alarm").values()
        if found["Properties"]["MetricName"] == metric
    ]
    assert alarm["Threshold"] == limit
    assert alarm["AlarmActions"]


def test_no_task_that_tells_of_itself_is_no_healthy_task(template: Template) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "HealthyHostCount", "TreatMissingData": "breaching"},
    )


def test_the_dashboard_shows_the_alarms_and_the_database(template: Template) -> None:
    (dashboard,) = template.find_resources("AWS::CloudWatch::Dashboard").values()
    body = json.dumps(dashboard["Properties"]["DashboardBody"])
    for shown in ('\\"type\\":\\"alarm\\"', "Database: connections", "ActiveFlowCount"):
        assert shown in body


def test_every_filter_is_over_the_servers_log(template: Template) -> None:
    filters = template.find_resources("AWS::Logs::MetricFilter").values()
    assert {found["Properties"]["FilterPattern"] for found in filters} == {
        REQUESTS,
        ERRORS,
        REFUSED,
        LATENCY,
    }


def test_how_long_calls_took_is_what_the_server_says(template: Template) -> None:
    said: list[str] = []
    clock = iter([0.0, 0.0, 60.0])

    async def application(scope: Any, receive: Any, send: Any) -> None:
        """Takes a minute, by that clock."""

    latency = Latency(application, said.append, lambda: next(clock))
    asyncio.run(latency({"type": "http", "path": "/api/x"}, None, None))  # type: ignore[arg-type]
    (found,) = [
        found["Properties"]["MetricTransformations"][0]
        for found in template.find_resources("AWS::Logs::MetricFilter").values()
        if found["Properties"]["FilterPattern"] == LATENCY
    ]
    key = found["MetricValue"].removeprefix("$.")
    assert f"$.{key} " in LATENCY
    assert json.loads(said[0])[key] == 60_000
    assert "DefaultValue" not in found


def line(path: str, status: int) -> str:
    """The line that the server writes of a request, with MLflow's own settings."""
    settings = YAML(typ="safe").load(LOG_CONFIG)["formatters"]["access"]
    formatter = AccessFormatter(settings["fmt"], settings["datefmt"], use_colors=False)
    arguments = ("10.0.1.7:37298", "POST", path, "1.1", status)
    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None
    )
    return formatter.format(record)


def matches(pattern: str, text: str) -> bool:
    """Whether CloudWatch counts a line: by a regex, or terms in quotes but none after a minus."""
    if pattern.startswith("%"):
        assert re.fullmatch(r"[\w#=@/;,\-^$?\[\]{}|\\*+.%]+", pattern), "not CloudWatch's syntax"
        return re.search(pattern.strip("%"), text) is not None
    terms = re.findall(r'(-?)"([^"]*)"', pattern)
    return all((term in text) is not bool(minus) for minus, term in terms)


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (200, [REQUESTS]),
        (401, [REQUESTS, REFUSED]),
        (404, [REQUESTS]),
        (500, [REQUESTS, ERRORS]),
        (503, [REQUESTS, ERRORS]),
    ],
)
def test_a_request_is_counted_by_its_status(status: int, counted: list[str]) -> None:
    written = line("/api/2.0/mlflow/runs/create", status)
    assert [each for each in (REQUESTS, REFUSED, ERRORS) if matches(each, written)] == counted


def test_what_the_load_balancer_asks_is_no_request() -> None:
    written = line("/health", 200).replace("POST", "GET")
    assert not matches(REQUESTS, written)
    assert not matches(REQUESTS, "2026/11/21 07:27:19 INFO mlflow.store.db.utils: Creating tables")


def test_a_path_that_looks_like_an_error_is_none() -> None:
    assert not matches(ERRORS, line("/api/2.0/mlflow/runs/500", 200))
