"""A bucket as every bucket of the platform is: private, versioned, encrypted."""

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge


def closed_bucket(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    holds: str,
    key: kms.IKey | None = None,
    logs: s3.IBucket | None = None,
    log_prefix: str | None = None,
    lifecycle_rules: Sequence[s3.LifecycleRule] = (),
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
) -> s3.Bucket:
    """Make a bucket that nobody outside of the account reads, and nobody without TLS.

    Parameters
    ----------
    scope, construct_id
        Where the bucket stands in the tree.
    name
        Its name.
    holds
        What it holds, in a word.
    key
        Encrypts what it holds; S3's own keys do where there is none.
    logs, log_prefix
        Where each access is logged.
    lifecycle_rules
        What expires.
    removal_policy
        What happens to the bucket with its stack: kept.

    Examples
    --------
    >>> bucket = closed_bucket(self, "Bucket", name="mlops-blue-x", holds="files")  # doctest: +SKIP
    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        bucket_name=name,
        encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=key,
        bucket_key_enabled=True if key else None,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        versioned=True,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        server_access_logs_bucket=logs,
        server_access_logs_prefix=log_prefix,
        lifecycle_rules=list(lifecycle_rules),
        removal_policy=removal_policy,
    )
    acknowledge(
        bucket,
        f"An environment is one region: its {holds} are versioned there, and copied to no other.",
        "S3BucketReplicationEnabled",
    )
    return bucket
