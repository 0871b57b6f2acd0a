"""Jobs that compare what an endpoint is asked and answers with what was there at its training."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge, acknowledge_grant
from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.content_name import HASH_LENGTH, content_name
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.endpoint_rights import execution_role
from mlops_constructs.faults import raise_faults
from mlops_constructs.fitted_name import fitted
from mlops_constructs.job_rights import grant_job_key, grant_job_logs
from mlops_constructs.monitor_images import ACCOUNTS, REPOSITORY, monitor_image, region_faults
from mlops_constructs.monitoring_job import (
    CONSTRAINTS,
    METRICS,
    QUALITY,
    STATISTICS,
    DataQuality,
    ModelQuality,
)
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import grant
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.sites import site_of
from mlops_constructs.volume_key import volume_key

MONITORING_PREFIX = "monitoring/"
"""Where reports stand in the artifact bucket, in a folder for each schedule."""

NAME_LETTERS = 63

# Where the image finds its input, and leaves its report.
# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html
_INPUT, _OUTPUT = "/opt/ml/processing/input/endpoint", "/opt/ml/processing/output"

_VIOLATIONS = "CompletedWithViolations"


class MonitoringSchedule(Construct):
    """A schedule of monitoring jobs, of the data or of the model, with its alarms.

    The jobs run AWS's image in the isolated subnets, without any network: SageMaker reads what
    was captured and the baseline for them, through the VPC's endpoint for S3, and writes the
    report. It pulls the image, writes the log and publishes the metrics over a network of its own.
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What names start with, and where the role lives.
    name
        Name of the endpoint in the configuration.
    endpoint
        The endpoint, which captures.
    capture
        What it captures.
    network
        Where the jobs run.
    artifacts
        The store of what is captured, of the baseline and of the reports.
    quality
        What is monitored: the data or the model.
    alarms
        How alarms are made.
    kind
        The kind of the endpoint.

    Attributes
    ----------
    schedule_name : str
        Name of the schedule.
    role : aws_cdk.aws_iam.IRole
        What the jobs act as.
    metrics : dict of str to aws_cdk.aws_cloudwatch.IMetric
        What is known of the endpoint by them, by name, for the dashboard.
    all : list of aws_cdk.aws_cloudwatch.Alarm
        The alarms.

    Raises
    ------
    FaultsError
        With every fault of what is monitored.

    Examples
    --------
    >>> MonitoringSchedule(  # doctest: +SKIP
    ...     stack, "DataQuality", naming=naming, name="abalone", endpoint=endpoint, capture=capture,
    ...     network=network, artifacts=artifacts, alarms=alarms,
    ...     quality=DataQuality("mlflow/1/models/m-1/artifacts/baseline/"))
    """

    CALLS = (
        ServiceCall(
            S3,
            "monitoring job",
            "reads what was captured and writes its report",
            (*Artifacts.READ, *Artifacts.WRITE),
        ),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        name: str,
        endpoint: sagemaker.CfnEndpoint,
        capture: DataCapture,
        network: ClosedNetwork,
        artifacts: Artifacts,
        quality: DataQuality | ModelQuality,
        alarms: Alarms,
        kind: str = "realtime",
    ) -> None:
        super().__init__(scope, construct_id)
        region = site_of(self).region
        faults = [*quality.faults(capture.plan, kind), *region_faults("monitoring", region)]
        raise_faults(self.node.path, faults)
        network.require(self, self.CALLS)
        self._quality = quality
        self._artifacts = artifacts
        self._alarms = alarms
        self._endpoint = endpoint.attr_endpoint_name
        self._of_model = isinstance(quality, ModelQuality)
        suffix = "model-quality" if self._of_model else "data-quality"
        room = NAME_LETTERS - HASH_LENGTH - 1
        self.schedule_name = fitted(f"{naming.endpoint(name)}-{suffix}", room)
        self._reports = f"{MONITORING_PREFIX}{self.schedule_name}/"
        self.role = execution_role(self, "Role", f"Runs {self.schedule_name}", naming)
        self._grant(network, capture.folder(naming.endpoint(name)))
        group = network.security_group(self, "JobGroup", "Monitoring jobs")
        network.connect_to_s3(group)
        definition = self._definition(
            {
                "enableInterContainerTrafficEncryption": True,
                "enableNetworkIsolation": True,
                "vpcConfig": {
                    "subnets": network.subnet_ids,
                    "securityGroupIds": [group.security_group_id],
                },
            }
        )
        # SageMaker tries the role while it creates the definition.
        definition.node.add_dependency(self.role, group)
        schedule = sagemaker.CfnMonitoringSchedule(
            self,
            "Schedule",
            monitoring_schedule_name=self.schedule_name,
            monitoring_schedule_config={
                "monitoringJobDefinitionName": definition.job_definition_name,
                "monitoringType": "ModelQuality" if self._of_model else "DataQuality",
                "scheduleConfig": {"scheduleExpression": quality.schedule},
            },
        )
        schedule.node.add_dependency(definition, endpoint)
        self.metrics: dict[str, cloudwatch.IMetric] = {}
        self.all: list[cloudwatch.Alarm] = [*self._ends(), *self._values()]

    def _definition(
        self, network: Mapping[str, Any]
    ) -> sagemaker.CfnDataQualityJobDefinition | sagemaker.CfnModelQualityJobDefinition:
        quality = self._quality
        common: dict[str, Any] = {
            "role_arn": self.role.role_arn,
            "network_config": network,
            "job_resources": {
                "clusterConfig": {
                    "instanceCount": quality.instances,
                    "instanceType": quality.instance,
                    "volumeSizeInGb": quality.volume_gib,
                    "volumeKmsKeyId": volume_key(self._artifacts.key, [quality.instance]),
                }
            },
            "stopping_condition": {"maxRuntimeInSeconds": quality.limit},
        }
        output = {
            "kmsKeyId": self._artifacts.key.key_arn,
            "monitoringOutputs": [
                {
                    "s3Output": {
                        "s3Uri": self._artifacts.uri(self._reports),
                        "localPath": _OUTPUT,
                        "s3UploadMode": "EndOfJob",
                    }
                }
            ],
        }
        application = {
            "imageUri": monitor_image(site_of(self).region),
            "environment": {"publish_cloudwatch_metrics": "Enabled"},
        }
        captured: dict[str, Any] = {"endpointName": self._endpoint, "localPath": _INPUT}
        if isinstance(quality, ModelQuality):
            captured |= {
                "inferenceAttribute": quality.inference or None,
                "probabilityAttribute": quality.probability or None,
                "probabilityThresholdAttribute": quality.threshold,
                "startTimeOffset": quality.start,
                "endTimeOffset": quality.end,
            }
            truth = {"s3Uri": self._artifacts.uri(quality.truth)}
            properties = {
                **common,
                "model_quality_app_specification": {
                    **application,
                    "problemType": quality.problem,
                },
                "model_quality_baseline_config": {"constraintsResource": self._baseline(QUALITY)},
                "model_quality_job_input": {
                    "endpointInput": captured,
                    "groundTruthS3Input": truth,
                },
                "model_quality_job_output_config": output,
            }
            return sagemaker.CfnModelQualityJobDefinition(
                self, "Definition", job_definition_name=self._named(properties), **properties
            )
        properties = {
            **common,
            "data_quality_app_specification": application,
            "data_quality_baseline_config": {
                "constraintsResource": self._baseline(CONSTRAINTS),
                "statisticsResource": self._baseline(STATISTICS),
            },
            "data_quality_job_input": {"endpointInput": captured},
            "data_quality_job_output_config": output,
        }
        return sagemaker.CfnDataQualityJobDefinition(
            self, "Definition", job_definition_name=self._named(properties), **properties
        )

    def _named(self, properties: Mapping[str, Any]) -> str:
        return content_name(self, self.schedule_name, properties)

    def _baseline(self, file: str) -> dict[str, str]:
        return {"s3Uri": self._artifacts.uri(f"{self._quality.baseline}{file}")}

    def _grant(self, network: ClosedNetwork, captured: str) -> None:
        """What the jobs may: read what they compare, write reports, and be run.

        https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
        """
        site = site_of(self)
        self._artifacts.grant_read(self.role, captured)
        self._artifacts.grant_read(self.role, self._quality.baseline)
        self._artifacts.grant_write(self.role, self._reports)
        if isinstance(self._quality, ModelQuality):
            self._artifacts.grant_read(self.role, self._quality.truth)
            # A first job merges labels and answers there, and the second reads what it made.
            self._artifacts.grant_read(self.role, self._reports)
        network.grant_attach(self.role, lend=True)
        grant_job_logs(self.role, "ProcessingJobs")
        grant_job_key(self.role, self._artifacts.key, self._quality.instance)
        grant(
            grantee=self.role,
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            resource_arns=[
                site.arn("ecr", f"repository/{REPOSITORY}", account=ACCOUNTS[site.region])
            ],
        )
        grant(grantee=self.role, actions=["ecr:GetAuthorizationToken"], resource_arns=["*"])
        grant(
            grantee=self.role,
            actions=["cloudwatch:PutMetricData"],
            resource_arns=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": self._namespaces}},
        )
        acknowledge_grant(
            self.role,
            "Tokens and metrics know no resource; metrics are bound by their namespace.",
            "AwsSolutions-IAM5[Resource::*]",
        )

    @property
    def _namespaces(self) -> list[str]:
        """Where the metrics of jobs stand: guides and tools of AWS's write it in both ways."""
        kind = "model" if self._of_model else "data"
        namespace = f"aws/sagemaker/Endpoints/{kind}-metrics"
        return [namespace, f"/{namespace}", "/aws/sagemaker/ProcessingJobs"]

    def _ends(self) -> list[cloudwatch.Alarm]:
        """Alarms of executions that failed, and of those that found something."""
        what = "The model" if self._of_model else "What the endpoint is asked"
        where = self._artifacts.uri(self._reports)
        ends: dict[str, tuple[dict[str, Any], str]] = {
            "Failures": (
                {"ProcessingJobStatus": ["Failed", "Stopped"]},
                f"A job of {self.schedule_name} failed: nobody watches the endpoint. The list of"
                " its executions has the reason; without traffic there is nothing to examine.",
            ),
            "Violations": (
                {
                    "ProcessingJobStatus": ["Completed"],
                    "ExitMessage": events.Match.prefix(_VIOLATIONS),
                },
                f"{what} is not as it was at the training: constraint_violations.json below"
                f" {where} says in what.",
            ),
        }
        return [self._count(way, pattern, says) for way, (pattern, says) in ends.items()]

    def _count(self, way: str, pattern: Mapping[str, Any], says: str) -> cloudwatch.Alarm:
        """An alarm of the ends of jobs that fit a pattern: EventBridge counts them.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
        """
        rule = events.Rule(
            self,
            f"{way}Rule",
            description=f"Counts {way.lower()} of {self.schedule_name}",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Processing Job State Change"],
                detail={**pattern, "RoleArn": [self.role.role_arn]},
            ),
        )
        acknowledge(
            rule,
            "It delivers to nobody: it counts, and the alarm tells whom it concerns.",
            "Serverless-EventBusDLQ",
        )
        metric = cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="MatchedEvents",
            dimensions_map={"RuleName": rule.rule_name},
            statistic="Sum",
            period=Duration.minutes(5),
        )
        self.metrics[way] = metric
        return self._alarms.above(self, way, metric, 1, says, periods=1)

    def _values(self) -> list[cloudwatch.Alarm]:
        """Alarms of the metrics that somebody named."""
        quality = self._quality
        if isinstance(quality, ModelQuality):
            better = METRICS[quality.problem]
            return [
                self._above(name, limit) if not better[name] else self._below(name, limit)
                for name, limit in quality.limits.items()
            ]
        # https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-cloudwatch.html
        return [
            self._above(f"feature_baseline_drift_{feature}", quality.drift)
            for feature in quality.features
        ]

    def _above(self, name: str, limit: float) -> cloudwatch.Alarm:
        return self._alarms.above(
            self, _construct_id(name), self._metric(name), limit, self._says(name), periods=1
        )

    def _below(self, name: str, limit: float) -> cloudwatch.Alarm:
        return self._alarms.below(
            self,
            _construct_id(name),
            self._metric(name),
            limit,
            self._says(name),
            periods=1,
            # Between two executions there is no value, and before the first one.
            silence=cloudwatch.TreatMissingData.IGNORE,
        )

    def _says(self, name: str) -> str:
        return f"{name} of {self._endpoint} is beyond its limit: see the report of the last job."

    def _metric(self, name: str) -> cloudwatch.Metric:
        self.metrics[name] = metric = cloudwatch.Metric(
            namespace=self._namespaces[0],
            metric_name=name,
            dimensions_map={
                "Endpoint": self._endpoint,
                "MonitoringSchedule": self.schedule_name,
            },
            statistic="Average" if self._of_model else "Sum",
            period=Duration.hours(self._quality.hours),
        )
        return metric


def _construct_id(metric: str) -> str:
    """Features are called whatever a column can be called: only a slash divides ids."""
    return metric.replace("/", "%2F")
