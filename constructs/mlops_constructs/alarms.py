"""Alarms, and the one topic that all of them are sent to."""

from dataclasses import dataclass
from functools import cached_property

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.encryption_key import EncryptionKey, from_alarms


@dataclass(frozen=True)
class Alarms:
    """How alarms of an environment are made: what each has in common with all others.

    Parameters
    ----------
    topic
        Where each says that it begins, and that it is over.
    namespace
        Where metrics of ours stand, such as counts of lines in a log.

    Examples
    --------
    >>> alarms.above(  # doctest: +SKIP
    ...     self, "Cpu", service.metric_cpu_utilization(), 90, "Tasks are out of CPU.", periods=15)
    """

    topic: sns.ITopic
    namespace: str

    def above(
        self,
        scope: Construct,
        construct_id: str,
        metric: cloudwatch.IMetric,
        limit: float,
        says: str,
        *,
        periods: int = 5,
    ) -> cloudwatch.Alarm:
        """An alarm where a metric is at `limit` or above it.

        Parameters
        ----------
        scope, construct_id
            Where the alarm stands in the tree.
        metric
            The metric, with its own period.
        limit
            The first value that is too much.
        says
            What is wrong, and where to look.
        periods
            Periods in a row that it has to last. A period without a value is a quiet one.
        """
        return self._alarm(
            scope,
            construct_id,
            metric,
            limit,
            says,
            periods,
            cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def below(
        self,
        scope: Construct,
        construct_id: str,
        metric: cloudwatch.IMetric,
        limit: float,
        says: str,
        *,
        periods: int = 5,
        silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.BREACHING,
    ) -> cloudwatch.Alarm:
        """An alarm where a metric is below `limit`, or is not there.

        Parameters
        ----------
        scope, construct_id
            Where the alarm stands in the tree.
        metric
            The metric, with its own period.
        limit
            The last value that is enough.
        says
            What is wrong, and where to look.
        periods
            Periods in a row that it has to last.
        silence
            What a period without a value is: one below the limit.
        """
        return self._alarm(
            scope,
            construct_id,
            metric,
            limit,
            says,
            periods,
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            silence,
        )

    def count(
        self,
        scope: Construct,
        construct_id: str,
        log_group: logs.ILogGroup,
        pattern: str,
        value: str = "",
    ) -> cloudwatch.Metric:
        """Count the lines of a log, or take the largest number in them, by the minute.

        Parameters
        ----------
        scope, construct_id
            Where the filter stands in the tree; its id is the metric's name.
        log_group
            The log.
        pattern
            The lines, in the language of CloudWatch's filters:
            https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
        value
            What of a line is the number, such as ``$.p99_ms``; without it, lines are counted.

        Returns
        -------
        aws_cdk.aws_cloudwatch.Metric
            The number of lines in a minute, or the largest number.
        """
        return logs.MetricFilter(
            scope,
            construct_id,
            log_group=log_group,
            filter_pattern=logs.FilterPattern.literal(pattern),
            metric_namespace=self.namespace,
            metric_name=construct_id,
            metric_value=value or "1",
            default_value=None if value else 0,
        ).metric(statistic="Maximum" if value else "Sum", period=Duration.minutes(1))

    def _alarm(
        self,
        scope: Construct,
        construct_id: str,
        metric: cloudwatch.IMetric,
        limit: float,
        says: str,
        periods: int,
        comparison: cloudwatch.ComparisonOperator,
        silence: cloudwatch.TreatMissingData,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            scope,
            construct_id,
            metric=metric,
            threshold=limit,
            alarm_description=says,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=silence,
        )
        alarm.add_alarm_action(self._tell)
        alarm.add_ok_action(self._tell)
        return alarm

    @cached_property
    def _tell(self) -> actions.SnsAction:
        return actions.SnsAction(self.topic)


class AlarmTopic(Construct):
    """The topic of an environment's alarms, encrypted: alarms of this account alone publish.

    Who is told is no matter of the platform: a queue, a function or a chat of the account
    subscribes to the topic.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    key
        Encrypts what is published; alarms get to use it for that.
    namespace
        Where metrics of ours stand.

    Attributes
    ----------
    alarms : mlops_constructs.alarms.Alarms
        What makes alarms that are sent here.

    Examples
    --------
    >>> topic = AlarmTopic(stack, "Alarms", key=key, namespace="mlops-blue")  # doctest: +SKIP
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: EncryptionKey, namespace: str
    ) -> None:
        super().__init__(scope, construct_id)
        topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        key.allow_alarms()
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AllowAlarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions=from_alarms(self),
            )
        )
        self.alarms = Alarms(topic, namespace)
