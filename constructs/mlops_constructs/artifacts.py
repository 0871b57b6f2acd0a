"""The bucket of runs' files and models, as whatever reads or writes it has it."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from mlops_constructs.naming import Naming
from mlops_constructs.object_grants import DECRYPT, ENCRYPT, ObjectGrants
from mlops_constructs.platform_role import grant
from mlops_constructs.sites import Site


class Artifacts:
    """The bucket of artifacts, of this stack or of one that is deployed.

    Parameters
    ----------
    bucket_name
        Name of the bucket, as a reference to it.
    key
        Encrypts what it holds.
    naming
        What its name starts with.
    site
        Where it stands.

    Attributes
    ----------
    bucket_name : str
        Name of the bucket.
    key : aws_cdk.aws_kms.IKey
        Its key.
    """

    READ = ("s3:GetObject", "s3:ListBucket")
    """What reading calls."""
    WRITE = ("s3:AbortMultipartUpload", "s3:PutObject")
    """What writing alone calls, beside listing."""
    READ_WRITE = (
        *READ,
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    )
    """What reading and writing call."""

    def __init__(self, bucket_name: str, key: kms.IKey, naming: Naming, site: Site) -> None:
        self.bucket_name = bucket_name
        self.key = key
        self._arn = site.bucket_arn(naming.artifact_bucket(site.account))
        self._grants = ObjectGrants(
            self._arn,
            key,
            "What a run or a model consists of is not known before: the prefix is its own.",
        )

    def uri(self, prefix: str) -> str:
        """The S3 address of a prefix of the bucket."""
        return f"s3://{self.bucket_name}/{prefix}"

    def grant_read(self, grantee: iam.IGrantable, prefix: str) -> iam.Grant:
        """Let `grantee` list and read what stands under `prefix`, and have S3 decrypt it.

        Parameters
        ----------
        grantee
            Who reads.
        prefix
            Start of the keys, with its slash at the end.
        """
        return self._grant(grantee, prefix, ["s3:GetObject"], DECRYPT)

    def grant_write(self, grantee: iam.IGrantable, prefix: str) -> iam.Grant:
        """Let `grantee` write below `prefix`, and neither read nor delete what stands there.

        Parameters
        ----------
        grantee
            Who writes.
        prefix
            Start of the keys, with its slash at the end.
        """
        return self._grant(grantee, prefix, ["s3:PutObject", "s3:AbortMultipartUpload"], ENCRYPT)

    def grant_read_write(self, grantee: iam.IGrantable, prefix: str) -> iam.Grant:
        """Let `grantee` list, read, write and delete what stands under `prefix`.

        Parameters
        ----------
        grantee
            Who reads and writes.
        prefix
            Start of the keys, with its slash at the end.
        """
        objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        uploads = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        return self._grant(grantee, prefix, objects + uploads, ENCRYPT)

    def _grant(
        self,
        grantee: iam.IGrantable,
        prefix: str,
        actions: Sequence[str],
        key_actions: Sequence[str],
    ) -> iam.Grant:
        list_objects = grant(
            grantee=grantee,
            actions=["s3:ListBucket"],
            resource_arns=[self._arn],
            conditions={"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}},
        )
        return list_objects.combine(self._grants.allow(grantee, prefix, actions, key_actions))
