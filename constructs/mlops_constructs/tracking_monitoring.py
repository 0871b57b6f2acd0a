"""What is watched of the tracking server: alarms, and a dashboard."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.alarms import Alarms
from mlops_constructs.dashboards import dashboard
from mlops_constructs.tracking_server import TrackingServer

# A load balancer of TCP or TLS knows no HTTP: what there is to know stands in the server's log,
# a line for each request, such as:
#   2026/11/21 07:27:19 INFO:     10.0.1.7:37298 - "GET /api/2.0/... HTTP/1.1" 200 OK
REQUESTS = '"HTTP/1.1" -"GET /health HTTP/1.1"'
"""The lines of requests; those of the load balancer's own are none."""

ERRORS = r"%HTTP/1\.[01].\s5[0-9][0-9]\s%"
"""The lines of requests that the server failed at."""

REFUSED = r"%HTTP/1\.[01].\s401\s%"
"""The lines of requests that came without a valid login."""

LATENCY = "{ $.p99_ms = * }"
"""The lines in which a process of the server says how long calls of the last minute took."""

SLOW_MS = 5000
"""Milliseconds that 99 percent of calls should never take."""

MINUTE = Duration.minutes(1)


class TrackingMonitoring(Construct):
    """Alarms of the tracking server, and a dashboard of it and its database.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    server
        The server.
    alarms
        How alarms are made.
    database
        What is known of its database, by name, for the dashboard.
    other_alarms
        Alarms of others that the dashboard shows.

    Attributes
    ----------
    requests : aws_cdk.aws_cloudwatch.Metric
        Requests in a minute.
    all : list of aws_cdk.aws_cloudwatch.Alarm
        The alarms.
    dashboard : aws_cdk.aws_cloudwatch.Dashboard
        The dashboard.

    Examples
    --------
    >>> TrackingMonitoring(  # doctest: +SKIP
    ...     stack, "Monitoring", server=server, alarms=alarms, database=database.metrics)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        server: TrackingServer,
        alarms: Alarms,
        database: Mapping[str, cloudwatch.IMetric],
        other_alarms: Sequence[cloudwatch.IAlarm] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self.requests = alarms.count(self, "TrackingRequests", server.log, REQUESTS)
        errors = alarms.count(self, "TrackingErrors", server.log, ERRORS)
        refused = alarms.count(self, "TrackingLoginsRefused", server.log, REFUSED)
        latency = alarms.count(self, "TrackingLatency", server.log, LATENCY, "$.p99_ms")
        cpu = server.service.metric_cpu_utilization(period=MINUTE)
        memory = server.service.metric_memory_utilization(period=MINUTE, statistic="Maximum")
        targets = server.target_group.metrics
        healthy = targets.healthy_host_count(period=MINUTE, statistic="Maximum")
        unhealthy = targets.un_healthy_host_count(period=MINUTE, statistic="Maximum")
        self.all: list[cloudwatch.Alarm] = [
            alarms.below(
                self,
                "NoneHealthy",
                healthy,
                1,
                "No task of the tracking server answers: MLflow is down.",
                periods=3,
            ),
            alarms.above(
                self,
                "Unhealthy",
                unhealthy,
                1,
                "A task of the tracking server has not answered for ten minutes, and was not"
                " replaced. The service's events say why.",
                periods=10,
            ),
            alarms.above(
                self,
                "Errors",
                errors,
                5,
                "The tracking server answers with errors (5xx). Its log has their traces.",
                periods=3,
            ),
            alarms.above(
                self,
                "Latency",
                latency,
                SLOW_MS,
                "One call of the tracking server in a hundred takes 5 seconds or more. The slow log"
                " of the database has the statements that take long.",
            ),
            alarms.above(
                self,
                "LoginsRefused",
                refused,
                50,
                "Somebody fails to sign in to the tracking server, again and again. Its log has"
                " the addresses.",
                periods=3,
            ),
            alarms.above(
                self,
                "Cpu",
                cpu,
                90,
                "The tasks have been out of CPU for a quarter of an hour, and scaling does not"
                " help: raise tracking.max_tasks.",
                periods=15,
            ),
            alarms.above(
                self,
                "Memory",
                memory,
                90,
                "A task is about to run out of memory, and would be killed: raise"
                " tracking.memory, or lower tracking.workers.",
            ),
        ]
        flows = server.load_balancer.metrics
        graphs: dict[str, list[cloudwatch.IMetric]] = {
            "Requests in a minute": [self.requests],
            "Errors and refused logins": [errors, refused],
            "99 percent of calls take at most, ms": [latency],
            "Tasks": [healthy, unhealthy],
            "CPU and memory of the tasks, percent": [cpu, memory],
            "Connections of clients": [
                flows.active_flow_count(period=MINUTE),
                flows.new_flow_count(period=MINUTE),
            ],
            **{f"Database: {name}": [metric] for name, metric in database.items()},
        }
        self.dashboard = dashboard(
            self, "Dashboard", alarms=[*self.all, *other_alarms], graphs=graphs
        )
