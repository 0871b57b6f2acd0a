"""What a construct's runtime calls of AWS: the network makes its endpoints and policies of it."""

from dataclasses import dataclass

S3 = "s3"
"""The one service that is reached through a gateway endpoint."""

MANAGED_MLFLOW = "sagemaker.mlflow"
"""AWS's managed MLflow Apps, which are called by MLflow's own API."""

SERVICES = (
    "apigateway",
    "cloudformation",
    "codebuild",
    "codepipeline",
    "ecr.api",
    "ecr.dkr",
    "events",
    "execute-api",
    "glue",
    "kms",
    "logs",
    "monitoring",
    S3,
    "sagemaker.api",
    MANAGED_MLFLOW,
    "sagemaker.runtime",
    "secretsmanager",
    "sns",
    "ssm",
    "states",
    "sts",
)
"""The services that can be called from inside: ``endpoint_policies.RESOURCES`` bounds each."""


def endpoint_prefix(service: str) -> tuple[str, str]:
    """What the name of a service's endpoints starts and ends with; the region stands between.

    Parameters
    ----------
    service
        The service, one of `SERVICES`.

    Examples
    --------
    >>> endpoint_prefix("ecr.api"), endpoint_prefix("sagemaker.mlflow")
    (('com.amazonaws', 'ecr.api'), ('aws.sagemaker', 'mlflow'))
    """
    # https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-interface-endpoint-create.html
    if service == MANAGED_MLFLOW:
        return "aws.sagemaker", "mlflow"
    return "com.amazonaws", service


@dataclass(frozen=True)
class ServiceCall:
    """A service that is called from inside the network.

    Parameters
    ----------
    service
        The service, as VPC endpoints name it: ``secretsmanager``, ``ecr.dkr``, ``s3``.
    caller
        Who calls, in words: ``tracking server``.
    reason
        What for, in words: ``reads its database secret``.
    actions
        The IAM actions that are called: nothing else passes the endpoint.
    bootstrap
        Whether they are about what `cdk bootstrap` made, rather than about the platform's own.

    Examples
    --------
    >>> ServiceCall(
    ...     "secretsmanager", "tracking server", "reads its database secret",
    ...     ("secretsmanager:GetSecretValue",)).service
    'secretsmanager'
    """

    service: str
    caller: str
    reason: str
    actions: tuple[str, ...]
    bootstrap: bool = False
