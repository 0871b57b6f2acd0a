"""Rights of what invokes every endpoint of an environment, those to come too."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.naming import Naming


def grant_on_any(grantee: iam.IRole, naming: Naming, kind: str, action: str) -> iam.Grant:
    """Let `grantee` do one thing with everything of a kind that is the environment's.

    Parameters
    ----------
    grantee
        What serves all endpoints, and is not deployed with each.
    naming
        What the names of endpoints, and of what belongs to them, start with.
    kind
        What it is done with, as SageMaker's ARNs name it: ``endpoint``.
    action
        What is done: ``sagemaker:InvokeEndpoint``.

    Examples
    --------
    >>> grant_on_any(role, naming, "endpoint", "sagemaker:InvokeEndpoint")  # doctest: +SKIP
    """
    arn = Stack.of(grantee).format_arn(
        service="sagemaker", resource=kind, resource_name=naming.endpoint("*")
    )
    acknowledge_grant(
        grantee,
        "One API serves the endpoints of the environment, those to come too.",
        f"AwsSolutions-IAM5[Resource::{arn}]",
    )
    return iam.Grant.add_to_principal(grantee=grantee, actions=[action], resource_arns=[arn])
