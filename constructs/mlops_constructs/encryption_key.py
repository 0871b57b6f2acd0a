"""A customer-managed key for one kind of thing: data at rest, or logs."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IConstruct

from mlops_constructs.platform_role import grant
from mlops_constructs.sites import site_of


def grant_through(key: kms.IKey, grantee: iam.IGrantable, service: str, *actions: str) -> iam.Grant:
    """Let `grantee` use `key`, but only through a service that asks in its name.

    The CDK's own grants name `grantee` in the key's policy where they can, and so turn the arrow
    from a later stack to this one round; and they come with wildcards.

    Parameters
    ----------
    key
        The key.
    grantee
        Who may use it.
    service
        The service that asks: ``s3``.
    actions
        What it asks for: ``kms:Decrypt``.

    Examples
    --------
    >>> grant_through(key, role, "s3", "kms:Decrypt")  # doctest: +SKIP
    """
    return grant(
        grantee=grantee,
        actions=actions,
        resource_arns=[key.key_arn],
        conditions={
            "StringEquals": {"kms:ViaService": f"{service}.{site_of(key).region}.amazonaws.com"}
        },
    )


def from_alarms(scope: IConstruct) -> dict[str, dict[str, str]]:
    """The condition that CloudWatch asks for an alarm of the account and region of `scope`.

    https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic.html
    """
    site = site_of(scope)
    return {
        "StringEquals": {"aws:SourceAccount": site.account},
        "ArnLike": {"aws:SourceArn": site.arn("cloudwatch", "alarm:*")},
    }


class EncryptionKey(Construct):
    """A KMS key that rotates every year and outlives its stack.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    description
        What is encrypted with it, for who reads the list of keys.
    removal_policy
        What happens to the key with its stack: kept.

    Attributes
    ----------
    key : aws_cdk.aws_kms.Key
        The key.

    Examples
    --------
    >>> key = EncryptionKey(stack, "LogKey", description="Log groups")  # doctest: +SKIP
    >>> key.allow_log_groups()  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            description=description,
            enable_key_rotation=True,
            removal_policy=removal_policy,
        )

    def allow_log_groups(self) -> None:
        """Let CloudWatch Logs of this account and region encrypt its log groups with the key.

        The service asks for a policy on the key rather than for a grant:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        """
        site = site_of(self)
        log_groups = site.arn("logs", "log-group:*")
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{site.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            )
        )

    def allow_alarms(self) -> None:
        """Let alarms of this account and region publish to topics that the key encrypts.

        The service asks as itself, for which a policy on the key is needed:
        https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
        """
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions=from_alarms(self),
            )
        )
