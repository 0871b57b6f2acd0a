"""The queue of events that EventBridge could not deliver, and the alarm that there is one."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.alarms import Alarms
from mlops_constructs.sites import site_of

ATTEMPTS = 20
AGE = Duration.hours(2)
KEPT = Duration.days(14)


class UndeliveredEvents(Construct):
    """What rules of this stack could not deliver: kept for two weeks, and an alarm.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    alarms
        How alarms are made.
    says
        What is missing where an event was not delivered, and what to do.

    Attributes
    ----------
    queue : aws_cdk.aws_sqs.Queue
        The queue.
    alarm : aws_cdk.aws_cloudwatch.Alarm
        Says that an event is in it.

    Examples
    --------
    >>> undelivered = UndeliveredEvents(  # doctest: +SKIP
    ...     stack, "Undelivered", alarms=alarms, says="A release was not started.")
    """

    def __init__(self, scope: Construct, construct_id: str, *, alarms: Alarms, says: str) -> None:
        super().__init__(scope, construct_id)
        site, stack = site_of(self), Stack.of(self)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT,
        )
        acknowledge(
            self.queue,
            "It is the queue of what could not be delivered: there is none behind it.",
            "AwsSolutions-SQS3",
            "Serverless-SQSRedrivePolicy",
        )
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AllowRules",
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": site.account},
                    "ArnLike": {"aws:SourceArn": site.arn("events", f"rule/{stack.stack_name}-*")},
                },
            )
        )
        self.alarm: cloudwatch.Alarm = alarms.above(
            self,
            "NotEmpty",
            self.queue.metric_approximate_number_of_messages_visible(
                statistic="Maximum", period=Duration.minutes(5)
            ),
            1,
            says,
            periods=1,
        )

    def target(
        self, construct_id: str, arn: str, role: iam.IRole | None = None, **changes: object
    ) -> events.CfnRule.TargetProperty:
        """A target of a rule, with its retries and this queue behind them.

        Parameters
        ----------
        construct_id
            Its id in the rule.
        arn
            What is started.
        role
            Who starts it, where that is a role.
        changes
            Other properties of the target.
        """
        return events.CfnRule.TargetProperty(
            id=construct_id,
            arn=arn,
            role_arn=role.role_arn if role else None,
            retry_policy=events.CfnRule.RetryPolicyProperty(
                maximum_retry_attempts=ATTEMPTS,
                maximum_event_age_in_seconds=int(AGE.to_seconds()),
            ),
            dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.queue.queue_arn),
            **changes,  # type: ignore[arg-type]
        )
