"""What is watched of the metadata database."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.alarms import Alarms
from mlops_constructs.database_class import GIB, connections
from mlops_constructs.metadata_database import MetadataDatabase

REFUSED = '"Access denied for user"'
"""What MySQL writes into its error log where a password is wrong."""

MINUTE = Duration.minutes(1)


class DatabaseMonitoring(Construct):
    """Alarms of the database: each before clients notice, except that it is out of CPU.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    database
        The database.
    alarms
        How alarms are made.
    memory_gib
        Memory of the instance, in GiB: its connections follow from it.
    storage_gib
        Allocated storage, in GiB.

    Attributes
    ----------
    all : list of aws_cdk.aws_cloudwatch.Alarm
        The alarms.
    metrics : dict of str to aws_cdk.aws_cloudwatch.Metric
        What they are about, by name.

    Examples
    --------
    >>> DatabaseMonitoring(  # doctest: +SKIP
    ...     stack, "DatabaseAlarms", database=database, alarms=alarms, memory_gib=4, storage_gib=20)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        database: MetadataDatabase,
        alarms: Alarms,
        memory_gib: int,
        storage_gib: int,
    ) -> None:
        super().__init__(scope, construct_id)
        instance = database.instance
        self.metrics = {
            "connections": instance.metric_database_connections(statistic="Maximum", period=MINUTE),
            "cpu": instance.metric_cpu_utilization(period=MINUTE),
            "free memory": instance.metric_freeable_memory(statistic="Minimum", period=MINUTE),
            "free storage": instance.metric_free_storage_space(statistic="Minimum", period=MINUTE),
            "refused logins": alarms.count(
                self, "DatabaseLoginsRefused", database.logs["error"], REFUSED
            ),
        }
        accepted = connections(memory_gib)
        self.all: list[cloudwatch.Alarm] = [
            alarms.above(
                self,
                "Connections",
                self.metrics["connections"],
                0.9 * accepted,
                f"The database has 90 percent of the {accepted} connections that it accepts at"
                " least. Look for clients beside the tracking server, or take a larger class.",
            ),
            alarms.above(
                self,
                "Cpu",
                self.metrics["cpu"],
                90,
                "The database has been out of CPU for a quarter of an hour. Database Insights and"
                " the slow query log say what of.",
                periods=15,
            ),
            alarms.below(
                self,
                "Memory",
                self.metrics["free memory"],
                0.03 * memory_gib * GIB,
                "The database is about to swap. Take a larger instance class.",
                periods=15,
            ),
            alarms.below(
                self,
                "Storage",
                self.metrics["free storage"],
                0.05 * storage_gib * GIB,
                "The database's storage is nearly full, and has not grown by itself: it is at five"
                " times of data.database.storage, or grew less than six hours ago.",
                periods=15,
            ),
            alarms.above(
                self,
                "LoginsRefused",
                self.metrics["refused logins"],
                5,
                "The database refuses passwords. Either its secret and its user differ, as after a"
                " rotation that failed, or somebody is trying.",
                periods=1,
            ),
        ]
