"""A state machine that asks a model about all files of a prefix, and keeps its answers."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge, acknowledge_grant
from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.faults import raise_faults
from mlops_constructs.fitted_name import fitted
from mlops_constructs.job_rights import grant_job_key, grant_job_logs
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.sites import site_of
from mlops_constructs.transform_job import TransformJob
from mlops_constructs.transform_states import PREFIX_LETTERS, definition

EVENTS_RULE = "StepFunctionsGetEventsForSageMakerTransformJobsRule"
"""The rule by which Step Functions hears of the end of a job; it makes it itself."""


class BatchTransform(Construct):
    """A state machine that runs one batch transform job of a model for each execution.

    The job's containers are those of the model: in the model's subnets and groups, isolated, with
    the model's role. Step Functions itself calls SageMaker from a network of AWS, as every
    service does that acts for us: nothing of that passes the VPC, and its role may create such
    jobs of this model alone.
    https://docs.aws.amazon.com/sagemaker/latest/dg/batch-vpc.html
    https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the jobs' names start with.
    name
        Name of the endpoint in the configuration.
    network
        Where the model runs.
    model
        The model, which stands in the network.
    role
        The execution role of the model: it reads the input and writes the output.
    artifacts
        The store of both. Its key encrypts the volumes and the output.
    job
        What the job is told.
    alarms
        How alarms are made.
    log_settings
        How logs are kept.

    Attributes
    ----------
    machine : aws_cdk.aws_stepfunctions.StateMachine
        The state machine.
    failed : aws_cdk.aws_cloudwatch.Alarm
        The alarm of executions that fail.

    Raises
    ------
    FaultsError
        With every fault of the job.

    Examples
    --------
    >>> batch = BatchTransform(  # doctest: +SKIP
    ...     stack, "Batch", naming=naming, name="abalone", network=network, model=model, role=role,
    ...     artifacts=artifacts, job=TransformJob("batch/in/", "batch/out/"), alarms=alarms,
    ...     log_settings=settings)
    >>> batch.grant_start(scheduler_role)  # doctest: +SKIP
    """

    # SageMaker reads the input and writes the output through the network that the model stands in.
    CALLS = (
        ServiceCall(
            S3,
            "batch transform",
            "reads its input and writes its output",
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
        network: ClosedNetwork,
        model: sagemaker.CfnModel,
        role: iam.IRole,
        artifacts: Artifacts,
        job: TransformJob,
        alarms: Alarms,
        log_settings: LogSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, job.faults())
        network.require(self, self.CALLS)
        artifacts.grant_read(role, job.input)
        artifacts.grant_write(role, job.output)
        grant_job_logs(role, "TransformJobs")
        grant_job_key(role, artifacts.key, job.instance)
        prefix = fitted(naming.endpoint(name), PREFIX_LETTERS)
        key = artifacts.key.key_arn
        states_role = PlatformRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site_of(self).account}},
            ),
            description=f"Runs batch transform jobs of {naming.endpoint(name)}",
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(
                Stack.of(self).to_json_string(
                    definition(
                        job,
                        name=prefix,
                        model=model.attr_model_name,
                        bucket=artifacts.bucket_name,
                        key=key,
                        tags={"endpoint": naming.endpoint(name)},
                    )
                )
            ),
            role=states_role,
            # What it logs are prefixes and settings: the records are the job's alone.
            logs=sfn.LogOptions(
                # A policy that lists the groups of all state machines grows too long otherwise:
                # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
                destination=log_settings.group(
                    self, "Log", name=f"/aws/vendedlogs/states/{naming.endpoint(name)}-batch"
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=True,
            ),
            tracing_enabled=True,
        )
        self._grant_jobs(states_role, prefix, model, key)
        acknowledge(
            states_role,
            "Deliveries of logs and traces know no narrower resource:"
            " https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
            "AwsSolutions-IAM5[Resource::*]",
        )
        self.failed = alarms.above(
            self,
            "Failed",
            self.machine.metric_failed(period=Duration.minutes(5)),
            1,
            "A batch transform failed. The cause of the execution says why.",
            periods=1,
        )

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` start executions, and nothing else.

        Parameters
        ----------
        grantee
            Who starts: a schedule, a pipeline. From inside the network that takes an endpoint for
            Step Functions.
        """
        return self.machine.grant_start_execution(grantee)

    def _grant_jobs(
        self, role: iam.IRole, prefix: str, model: sagemaker.CfnModel, key: str
    ) -> None:
        site = site_of(self)
        jobs = site.arn("sagemaker", f"transform-job/{prefix}-*")
        # The conditions that SageMaker knows of a transform job:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
        grant(
            grantee=role,
            actions=["sagemaker:CreateTransformJob"],
            resource_arns=[jobs],
            conditions={
                "ArnEquals": {
                    "sagemaker:ModelArn": site.arn("sagemaker", f"model/{model.attr_model_name}"),
                    "sagemaker:OutputKmsKey": key,
                }
            },
        )
        # A job that is created with tags is tagged by its creator; Step Functions adds its own.
        grant(
            grantee=role,
            actions=[
                "sagemaker:AddTags",
                "sagemaker:DescribeTransformJob",
                "sagemaker:ListTags",
                "sagemaker:StopTransformJob",
            ],
            resource_arns=[jobs],
        )
        grant(
            grantee=role,
            actions=["events:DescribeRule", "events:PutRule", "events:PutTargets"],
            resource_arns=[site.arn("events", f"rule/{EVENTS_RULE}")],
        )
        acknowledge_grant(
            role,
            "Each execution has a job of its own; all start with the endpoint's name.",
            f"AwsSolutions-IAM5[Resource::{jobs}]",
        )
