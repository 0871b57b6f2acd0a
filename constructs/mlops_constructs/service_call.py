"""What a construct's runtime calls of AWS: the network makes its endpoints and policies of it."""

from dataclasses import dataclass

S3 = "s3"
"""The one service that is reached through a gateway endpoint."""

SERVICES = (
    "codebuild",
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
    "sagemaker.runtime",
    "secretsmanager",
    "ssm",
    "states",
    "sts",
)
"""The services that can be called from inside: ``endpoint_policies.RESOURCES`` bounds each."""


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
