"""What endpoints and jobs of SageMaker act as, who may ask endpoints, and who may deploy some."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.sagemaker_in_vpc import CREATE_MODEL, deny_elsewhere, only_in
from mlops_constructs.sites import site_of

KINDS = ("endpoint", "endpoint-config", "model")
"""What an endpoint consists of, as SageMaker's ARNs name it."""

_CREATE_CONFIG = "sagemaker:CreateEndpointConfig"
_MANAGE_ENDPOINT = (
    "sagemaker:CreateEndpoint",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:UpdateEndpoint",
)

MANAGE = (CREATE_MODEL, _CREATE_CONFIG, *_MANAGE_ENDPOINT)
"""What deploying and updating an endpoint calls."""


def execution_role(
    scope: Construct, construct_id: str, description: str, naming: Naming, path: str = ""
) -> iam.Role:
    """A role that SageMaker can take, and only for this account.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

    Parameters
    ----------
    scope, construct_id
        Where the role stands in the tree.
    description
        What it is for.
    naming
        Where execution roles live: repositories answer them from SageMaker's own network.
    path
        Where this one lives, if elsewhere.
    """
    return PlatformRole(
        scope,
        construct_id,
        path=path or naming.execution_path,
        assumed_by=iam.ServicePrincipal(
            "sagemaker.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": site_of(scope).account}},
        ),
        description=description,
    )


def grant_log(group: logs.ILogGroup, role: iam.IRole) -> iam.Grant:
    """Let SageMaker write the log of what acts as `role`.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

    Parameters
    ----------
    group
        The log group, which SageMaker names.
    role
        The execution role.
    """
    return group.grant(role, "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")


def grant_invoke(grantee: iam.IGrantable, scope: IConstruct, endpoint: str) -> iam.Grant:
    """Let `grantee` invoke the endpoint of a name, or a pattern of names.

    Parameters
    ----------
    grantee
        Who invokes.
    scope
        A construct of the endpoint's account and region.
    endpoint
        The name.
    """
    return grant(
        grantee=grantee,
        actions=["sagemaker:InvokeEndpoint"],
        resource_arns=[sagemaker_arn(scope, "endpoint", endpoint)],
    )


def grant_on_any(grantee: iam.IRole, naming: Naming, kind: str, action: str) -> iam.Grant:
    """Let `grantee` do one thing with everything of a kind that is the environment's.

    Parameters
    ----------
    grantee
        What serves all endpoints, those to come too, and is not deployed with each.
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
    arn = sagemaker_arn(grantee, kind, naming.endpoint("*"))
    acknowledge_grant(
        grantee,
        "One API serves the endpoints of the environment, those to come too.",
        f"AwsSolutions-IAM5[Resource::{arn}]",
    )
    return grant(grantee=grantee, actions=[action], resource_arns=[arn])


def grant_manage(
    grantee: iam.IRole,
    naming: Naming,
    *,
    network: ClosedNetwork,
    group: ec2.ISecurityGroup,
    role: iam.IRole,
) -> iam.Grant:
    """Let `grantee` create and update models, configurations and endpoints like the platform's.

    A model that it creates is isolated from the network, stands in the isolated subnets and in
    `group`, and acts as `role`. One that says nothing of a VPC is denied expressly, so that no
    other policy of the grantee can allow it.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html

    Parameters
    ----------
    grantee
        Who deploys models.
    naming
        What the names of all of them start with.
    network
        Where the models run.
    group
        The security group of the models.
    role
        The execution role of the models, the only one that `grantee` may pass.
    """
    arns = {kind: sagemaker_arn(grantee, kind, naming.endpoint("*")) for kind in KINDS}
    create_model = grant(
        grantee=grantee,
        actions=[CREATE_MODEL],
        resource_arns=[arns["model"]],
        conditions={
            **only_in(
                network.subnet_ids,
                [group.security_group_id],
            ),
            "Bool": {"sagemaker:NetworkIsolation": "true"},
        },
    )
    for statement in deny_elsewhere():
        grantee.add_to_principal_policy(statement)
    # A model from outside of the prefix could stand in any network, and act as any role.
    create_config = grant(
        grantee=grantee,
        actions=[_CREATE_CONFIG],
        resource_arns=[arns["endpoint-config"]],
        conditions={"ArnLike": {"sagemaker:ModelArn": arns["model"]}},
    )
    manage = grant(
        grantee=grantee,
        actions=_MANAGE_ENDPOINT,
        resource_arns=list(arns.values()),
    )
    pass_role = grant(
        grantee=grantee,
        actions=["iam:PassRole"],
        resource_arns=[role.role_arn],
        conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )
    acknowledge_grant(
        grantee,
        "Each version of a model has a name of its own; all start with the environment's.",
        *(f"AwsSolutions-IAM5[Resource::{arn}]" for arn in arns.values()),
    )
    return create_model.combine(create_config).combine(manage).combine(pass_role)


def sagemaker_arn(scope: IConstruct, kind: str, name: str) -> str:
    """The ARN of something of SageMaker's, of a name or a pattern of names.

    Parameters
    ----------
    scope
        A construct of its account and region.
    kind
        What it is, such as ``endpoint``.
    name
        The name.
    """
    return site_of(scope).arn("sagemaker", f"{kind}/{name}")
