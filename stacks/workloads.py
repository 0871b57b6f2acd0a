"""What runs in the network beside the platform: notebooks, pipelines, applications."""

from collections.abc import Mapping, Sequence

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.endpoint_rights import MANAGE
from mlops_constructs.image_repository import LAYERS
from mlops_constructs.managed_tracking import CALL
from mlops_constructs.service_call import MANAGED_MLFLOW, S3, ServiceCall

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "apigateway": ("apigateway:GET",),
    "cloudformation": ("cloudformation:DescribeStacks", "cloudformation:GetTemplate"),
    "codebuild": ("codebuild:BatchGetBuilds", "codebuild:StartBuild"),
    "codepipeline": ("codepipeline:GetPipelineState", "codepipeline:StartPipelineExecution"),
    "ecr.api": ("ecr:DescribeImages", "ecr:GetAuthorizationToken"),
    "ecr.dkr": LAYERS,
    "events": ("events:PutEvents",),
    "execute-api": ("execute-api:Invoke",),
    "glue": ("glue:GetJobRun", "glue:StartJobRun"),
    "kms": ("kms:Decrypt", "kms:GenerateDataKey"),
    "logs": ("logs:CreateLogStream", "logs:PutLogEvents"),
    "monitoring": ("cloudwatch:PutMetricData",),
    S3: ArtifactStore.READ_WRITE,
    "sagemaker.api": (
        *MANAGE,
        "sagemaker:AddTags",
        "sagemaker:DeleteEndpoint",
        "sagemaker:DeleteEndpointConfig",
        "sagemaker:DeleteModel",
        "sagemaker:ListTags",
    ),
    MANAGED_MLFLOW: (CALL,),
    "sagemaker.runtime": ("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"),
    "secretsmanager": ("secretsmanager:GetSecretValue",),
    "sns": ("sns:Publish",),
    "ssm": ("ssm:GetParameter", "ssm:GetParameters"),
    "states": ("states:DescribeExecution", "states:StartExecution"),
    "sts": ("sts:AssumeRole", "sts:GetCallerIdentity"),
}
"""What of each service a workload may call through the endpoint; its role decides the rest."""


def workload_calls(workloads: Mapping[str, Sequence[str]]) -> list[ServiceCall]:
    """The calls of workloads.

    Parameters
    ----------
    workloads
        The services that each workload calls, by its name.

    Examples
    --------
    >>> workload_calls({"notebooks": ["logs"]})[0].caller
    'notebooks'
    """
    return [
        ServiceCall(service, name, "runs inside the network", ACTIONS[service])
        for name, services in workloads.items()
        for service in services
    ]
