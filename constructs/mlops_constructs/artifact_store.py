"""The bucket that holds runs' files and models, and the bucket that holds its access logs."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.closed_bucket import closed_bucket
from mlops_constructs.naming import Naming
from mlops_constructs.sites import site_of


class ArtifactStore(Construct, Artifacts):
    """A versioned, encrypted bucket for artifacts, and one for the access logs of all buckets.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the buckets' names start with.
    key
        Encrypts the artifacts. Access logs use S3's own keys, as the log services ask.
    log_days
        Days that access logs are kept.
    expiring
        Days that what stands under a prefix is kept, where it is not kept for good.
    removal_policy
        What happens to the buckets with their stack: kept.

    Attributes
    ----------
    bucket : aws_cdk.aws_s3.IBucket
        The artifacts.
    access_logs : aws_cdk.aws_s3.IBucket
        The access logs, of load balancers too.
    key : aws_cdk.aws_kms.IKey
        The key of the artifacts.

    Examples
    --------
    >>> store = ArtifactStore(stack, "Artifacts", naming=naming, key=key)  # doctest: +SKIP
    >>> store.grant_read(role, "mlflow/1/models/m-1/artifacts/")  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        key: kms.IKey,
        log_days: int = 365,
        expiring: Mapping[str, int] | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        site = site_of(self)
        self.access_logs = closed_bucket(
            self,
            "AccessLogs",
            name=f"{naming.prefix}-access-logs-{site.account}",
            holds="logs",
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(log_days),
                    noncurrent_version_expiration=Duration.days(1),
                )
            ],
            removal_policy=removal_policy,
        )
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        acknowledge(
            self.access_logs,
            "S3 delivers access logs to buckets with its own keys alone.",
            "S3DefaultEncryptionKMS",
        )
        self.bucket = closed_bucket(
            self,
            "Bucket",
            name=naming.artifact_bucket(site.account),
            holds="artifacts",
            key=key,
            logs=self.access_logs,
            log_prefix="artifacts/",
            lifecycle_rules=[
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
                *(
                    s3.LifecycleRule(
                        prefix=prefix,
                        expiration=Duration.days(days),
                        noncurrent_version_expiration=Duration.days(1),
                    )
                    for prefix, days in (expiring or {}).items()
                ),
            ],
            removal_policy=removal_policy,
        )
        Artifacts.__init__(self, self.bucket.bucket_name, key, naming, site)
        self._allow_delivery_of_logs()

    def _allow_delivery_of_logs(self) -> None:
        """Let the load balancers of this account deliver their access logs.

        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/enable-access-logs.html
        """
        account = site_of(self).account
        delivery = iam.ServicePrincipal("delivery.logs.amazonaws.com")
        source = {"StringEquals": {"aws:SourceAccount": account}}
        self.access_logs.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[delivery],
                actions=["s3:PutObject"],
                resources=[self.access_logs.arn_for_objects(f"*/AWSLogs/{account}/*")],
                conditions=source,
            )
        )
        self.access_logs.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[delivery],
                actions=["s3:GetBucketAcl"],
                resources=[self.access_logs.bucket_arn],
                conditions=source,
            )
        )
