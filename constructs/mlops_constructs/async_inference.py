"""An endpoint that is asked through S3: requests wait in a queue, and instances come as they do."""

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.async_plan import AsyncPlaces, AsyncPlan
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.endpoint_rights import grant_on_any
from mlops_constructs.endpoint_scaling import instances
from mlops_constructs.faults import raise_faults
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import grant
from mlops_constructs.scaling_from_none import NAMESPACE, ScalingFromNone
from mlops_constructs.target_tracking import track

OLDEST_SECONDS = 3600
"""How long a request may wait: SageMaker drops it after six hours."""

WAITING = "HasBacklogWithoutCapacity"
"""1 while a request waits for an instance, and there is none."""


class AsyncChannel(Construct):
    """Where an endpoint's requests come from and its answers go, and who is told.

    SageMaker reads and writes with the endpoint's role, which gets these rights here.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    name
        Name of the endpoint in the configuration: its places in the bucket.
    plan
        How much is done at once.
    artifacts
        The store of requests and answers.
    key
        Encrypts the answers, and what the topics say.
    role
        The endpoint's role.

    Attributes
    ----------
    config : aws_cdk.aws_sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty
        The same for the endpoint's configuration.
    topics : dict of str to aws_cdk.aws_sns.Topic
        Where successes and failures are told; none where nobody is.

    Examples
    --------
    >>> AsyncChannel(  # doctest: +SKIP
    ...     self, "Channel", name="iris", plan=AsyncPlan(), artifacts=artifacts, key=key, role=role)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        plan: AsyncPlan,
        artifacts: Artifacts,
        key: kms.IKey,
        role: iam.IRole,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, plan.faults("plan"))
        places = AsyncPlaces(name)
        artifacts.grant_read(role, places.requests)
        artifacts.grant_write(role, places.answers)
        artifacts.grant_write(role, places.failures)
        self.topics = {
            kind: sns.Topic(self, kind, master_key=key, enforce_ssl=True)
            for kind in (("Succeeded", "Failed") if plan.notify else ())
        }
        for topic in self.topics.values():
            grant(grantee=role, actions=["sns:Publish"], resource_arns=[topic.topic_arn])
        if self.topics:
            grant_through(key, role, "sns", "kms:Decrypt", "kms:GenerateDataKey")
        of = sagemaker.CfnEndpointConfig
        told = of.AsyncInferenceNotificationConfigProperty(
            success_topic=self.topics["Succeeded"].topic_arn if self.topics else None,
            error_topic=self.topics["Failed"].topic_arn if self.topics else None,
        )
        self.config = of.AsyncInferenceConfigProperty(
            client_config=of.AsyncInferenceClientConfigProperty(
                max_concurrent_invocations_per_instance=plan.concurrency
            ),
            output_config=of.AsyncInferenceOutputConfigProperty(
                kms_key_id=key.key_arn,
                s3_output_path=artifacts.uri(places.answers),
                s3_failure_path=artifacts.uri(places.failures),
                notification_config=told if self.topics else None,
            ),
        )

    @staticmethod
    def grant_ask_any(grantee: iam.IRole, naming: Naming, artifacts: Artifacts) -> iam.Grant:
        """Let `grantee` ask every asynchronous endpoint, and read what came of it.

        Parameters
        ----------
        grantee
            Who asks: something that serves all endpoints and is not deployed with each.
        naming
            What the names of the endpoints start with.
        artifacts
            The store of requests and answers.
        """
        places = AsyncPlaces("*")
        ask = grant_on_any(grantee, naming, "endpoint", "sagemaker:InvokeEndpointAsync")
        return (
            ask.combine(artifacts.grant_write(grantee, places.requests))
            .combine(artifacts.grant_read(grantee, places.answers))
            .combine(artifacts.grant_read(grantee, places.failures))
        )


class AsyncScaling(Construct):
    """Instances for the requests that wait, none where none does; and alarms of the queue.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    endpoint
        The endpoint; it is there before its instances are scaled.
    endpoint_name, variant
        Its name, and its variant's.
    plan
        How much is done at once.
    alarms
        How alarms are made.

    Attributes
    ----------
    all : list of aws_cdk.aws_cloudwatch.Alarm
        The alarms of the queue.

    Examples
    --------
    >>> AsyncScaling(  # doctest: +SKIP
    ...     self, "Scaling", endpoint=endpoint, endpoint_name="mlops-blue-iris", variant="main",
    ...     plan=AsyncPlan(), alarms=alarms)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: sagemaker.CfnEndpoint,
        endpoint_name: str,
        variant: str,
        plan: AsyncPlan,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        target = instances(
            self,
            endpoint=endpoint,
            endpoint_name=endpoint_name,
            variant=variant,
            least=plan.least,
            most=plan.most,
        )
        policy = scaling.CfnScalingPolicy
        name = policy.MetricDimensionProperty(name="EndpointName", value=endpoint_name)
        track(
            self,
            "Backlog",
            target=target,
            metric=policy.CustomizedMetricSpecificationProperty(
                namespace=NAMESPACE,
                metric_name="ApproximateBacklogSizePerInstance",
                dimensions=[name],
                statistic="Average",
            ),
            value=plan.backlog,
        )
        if not plan.least:
            # Without an instance there is no backlog of one.
            ScalingFromNone(
                self,
                "First",
                target=target,
                metric=WAITING,
                dimensions={"EndpointName": endpoint_name},
                says=f"{endpoint_name}: a request waits, and there is no instance.",
            )
        queue = {"EndpointName": endpoint_name}
        self.all = [
            alarms.above(
                self,
                "Oldest",
                _metric("ApproximateAgeOfOldestRequest", queue, "Maximum"),
                OLDEST_SECONDS,
                f"{endpoint_name}: a request has waited for an hour. Raise max_instances.",
            ),
            alarms.above(
                self,
                "Failures",
                _metric("InvocationFailures", {**queue, "VariantName": variant}, "Sum"),
                5,
                f"{endpoint_name}: requests fail. What was wrong stands below 'failed/'.",
                periods=1,
            ),
        ]


def _metric(name: str, dimensions: dict[str, str], statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=Duration.minutes(1),
    )
