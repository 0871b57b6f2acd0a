import pytest
from aws_cdk.assertions import Template

from mlops_constructs.database_monitoring import REFUSED, DatabaseMonitoring
from tests.unit.constructs.conftest import Bench

GIB = 1024**3


@pytest.fixture
def template(bench: Bench) -> Template:
    monitoring = DatabaseMonitoring(
        bench.stack,
        "Monitoring",
        database=bench.database(),
        alarms=bench.alarms(),
        memory_gib=8,
        storage_gib=100,
    )
    assert len(monitoring.all) == 5
    return bench.template()


@pytest.mark.parametrize(
    ("metric", "limit", "comparison"),
    [
        ("DatabaseConnections", 0.9 * 627, "GreaterThanOrEqualToThreshold"),
        ("CPUUtilization", 90, "GreaterThanOrEqualToThreshold"),
        ("FreeableMemory", 0.03 * 8 * GIB, "LessThanThreshold"),
        ("FreeStorageSpace", 5 * GIB, "LessThanThreshold"),
        ("DatabaseLoginsRefused", 5, "GreaterThanOrEqualToThreshold"),
    ],
)
def test_there_is_an_alarm(template: Template, metric: str, limit: float, comparison: str) -> None:
    (alarm,) = [
        found["Properties"]
        for found in template.find_resources("AWS::CloudWatch::Alarm").values()
        if found["Properties"]["MetricName"] == metric
    ]
    assert alarm["Threshold"] == pytest.approx(limit)
    assert alarm["ComparisonOperator"] == comparison
    assert alarm["AlarmActions"]


def test_refused_passwords_are_counted_in_the_error_log(template: Template) -> None:
    template.has_resource_properties("AWS::Logs::MetricFilter", {"FilterPattern": REFUSED})
    # As MySQL 8.4 writes it.
    line = (
        "2026-11-21T08:00:00.000000Z 41 [Note] [MY-010926] [Server] Access denied for user"
        " 'mlflow'@'10.0.1.7' (using password: YES)"
    )
    assert REFUSED.strip('"') in line
