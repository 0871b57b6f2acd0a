"""Grants on what stands below a prefix of a bucket, which is encrypted with a key."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.platform_role import grant

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
DECRYPT = ("kms:Decrypt",)
ENCRYPT = ("kms:Decrypt", "kms:GenerateDataKey")


@dataclass(frozen=True)
class ObjectGrants:
    """Who may do what below a prefix.

    Parameters
    ----------
    bucket_arn
        The bucket, as a name: so that its policy and key are not asked for the grantee's.
    key
        Encrypts what it holds.
    reason
        Why what stands below a prefix is named by it.
    """

    bucket_arn: str
    key: kms.IKey
    reason: str

    def allow(
        self,
        grantee: iam.IGrantable,
        prefix: str,
        actions: Sequence[str],
        key_actions: Sequence[str],
    ) -> iam.Grant:
        """Let `grantee` do `actions` below `prefix`, and have S3 use the key for it.

        Parameters
        ----------
        grantee
            Who does it.
        prefix
            Start of the keys, with its slash at the end.
        actions
            What is done with objects.
        key_actions
            What S3 does with the key for that.
        """
        granted = self.allow_one(grantee, f"{prefix}*", actions, key_actions)
        below_prefix = f"{self.bucket_arn}/{prefix}*"
        acknowledge_grant(grantee, self.reason, f"AwsSolutions-IAM5[Resource::{below_prefix}]")
        return granted

    def allow_one(
        self,
        grantee: iam.IGrantable,
        key: str,
        actions: Sequence[str],
        key_actions: Sequence[str],
    ) -> iam.Grant:
        """Let `grantee` do `actions` with one object, and have S3 use the key for it.

        Parameters
        ----------
        grantee
            Who does it.
        key
            The key of the object.
        actions
            What is done with it.
        key_actions
            What S3 does with the bucket's key for that.
        """
        objects = grant(
            grantee=grantee, actions=actions, resource_arns=[f"{self.bucket_arn}/{key}"]
        )
        return objects.combine(grant_through(self.key, grantee, "s3", *key_actions))
