"""The bucket of releases: what is promoted, what is being tried, and what serves."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from mlops_constructs.closed_bucket import closed_bucket
from mlops_constructs.naming import Naming
from mlops_constructs.object_grants import DECRYPT, ENCRYPT, ObjectGrants
from mlops_constructs.platform_role import grant
from mlops_constructs.sites import site_of

PROMOTIONS = "promotions/"
"""What was asked of each endpoint last: each version of an object starts its pipeline."""
ATTEMPTS = "attempts/"
"""How far the latest release of each endpoint has come."""
RECORDS = "records/"
"""What serves: each version of an object is a state of the environment."""
DRIFT = "drift/"
"""What was told of differences between what serves and what is recorded."""
DELIVERIES = "deliveries/"
"""What MLflow has told already, so that nothing is heard twice."""
PLATFORM = "platform/"
"""How far the latest change of the platform has come."""
HANDED_ON = f"{PLATFORM}handed-on/"
"""What the first step of such a change hands on to its last, each by its digest."""
SOURCE = "source/"
"""The app, as a checkout in a zip."""
APP = f"{SOURCE}app.zip"
"""What releases are made with."""
PROPOSED = f"{SOURCE}proposed.zip"
"""What the platform is to become: each version of the object starts its pipeline."""

DELIVERY_DAYS = 1
ARTIFACT_DAYS = 90


class ReleaseStore(Construct):
    """A versioned, encrypted bucket that tells EventBridge of what is written to it.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the bucket's name starts with.
    key
        Encrypts what it holds.
    logs
        Where each access is logged.
    removal_policy
        What happens to the bucket with its stack: kept.

    Attributes
    ----------
    bucket : aws_cdk.aws_s3.Bucket
        The bucket.

    Examples
    --------
    >>> store = ReleaseStore(  # doctest: +SKIP
    ...     stack, "Releases", naming=naming, key=key, logs=artifacts.access_logs)
    >>> store.grant_read(role, RECORDS)  # doctest: +SKIP
    """

    READ = ("s3:GetObject", "s3:GetObjectVersion")
    """What reading calls, beside listing: former versions too."""
    WRITE = ("s3:PutObject",)
    """What writing calls."""
    LIST = ("s3:ListBucket", "s3:ListBucketVersions")
    """What finding out takes what is there, and what was."""
    LOCATE = ("s3:GetBucketAcl", "s3:GetBucketLocation")
    """What CodeBuild asks of a bucket that it takes source from, or brings artifacts to."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        key: kms.IKey,
        logs: s3.IBucket,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        site = site_of(self)
        name = naming.release_bucket(site.account)
        self._arn = site.bucket_arn(name)
        self._grants = ObjectGrants(
            self._arn, key, "An object for each endpoint stands there, and endpoints come and go."
        )
        self.bucket = closed_bucket(
            self,
            "Bucket",
            name=name,
            holds="releases",
            key=key,
            logs=logs,
            log_prefix="releases/",
            lifecycle_rules=[
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
                _expiry(DELIVERIES, DELIVERY_DAYS),
                *(_expiry(it, ARTIFACT_DAYS) for it in (*_artifacts(naming), HANDED_ON)),
            ],
            removal_policy=removal_policy,
        )
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        # The CDK's own switch for it is a function outside of the VPC.
        resource.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )

    def grant_read(self, grantee: iam.IGrantable, *prefixes: str) -> iam.Grant:
        """Let `grantee` read below prefixes, every version, and learn what is not there.

        Parameters
        ----------
        grantee
            Who reads.
        prefixes
            Starts of keys, each with its slash at the end.
        """
        return self._grant(grantee, prefixes, self.READ, DECRYPT)

    def grant_read_latest(self, grantee: iam.IGrantable, *prefixes: str) -> iam.Grant:
        """Let `grantee` read below prefixes what stands there now, and learn what is not there.

        Parameters
        ----------
        grantee
            Who reads.
        prefixes
            Starts of keys, each with its slash at the end.
        """
        return self._grant(grantee, prefixes, ("s3:GetObject",), DECRYPT, ("s3:ListBucket",))

    def grant_read_write(self, grantee: iam.IGrantable, *prefixes: str) -> iam.Grant:
        """Let `grantee` read and write below prefixes, and delete nothing.

        Parameters
        ----------
        grantee
            Who reads and writes.
        prefixes
            Starts of keys, each with its slash at the end.
        """
        return self._grant(grantee, prefixes, (*self.READ, *self.WRITE), ENCRYPT)

    def grant_replace(self, grantee: iam.IGrantable, key: str) -> iam.Grant:
        """Let `grantee` write one object, and no other beside it.

        Parameters
        ----------
        grantee
            Who writes.
        key
            The key of the object.
        """
        return self._grants.allow_one(grantee, key, self.WRITE, ENCRYPT)

    def grant_pipeline(self, grantee: iam.IGrantable, source: str, *artifacts: str) -> iam.Grant:
        """Let CodePipeline take its source as `grantee`, and hand on what steps make of it.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html

        Parameters
        ----------
        grantee
            What CodePipeline acts as.
        source
            The key of the object that the pipeline begins with.
        artifacts
            What the keys of the pipeline's artifacts start with.
        """
        granted = grant(
            grantee=grantee,
            actions=[*self.LOCATE, "s3:GetBucketVersioning"],
            resource_arns=[self._arn],
        )
        tags = grant(
            grantee=grantee,
            actions=["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
            resource_arns=[f"{self._arn}/{source}"],
        )
        taken = self._grants.allow_one(grantee, source, self.READ, DECRYPT)
        granted = granted.combine(tags).combine(taken)
        for prefix in artifacts:
            granted = granted.combine(self.grant_artifacts(grantee, prefix))
        return granted

    def grant_artifacts(self, grantee: iam.IGrantable, prefix: str) -> iam.Grant:
        """Let `grantee` read and write what one step of a pipeline hands to the next.

        Parameters
        ----------
        grantee
            What CodePipeline acts as, or a build.
        prefix
            What the keys of the pipeline's artifacts start with.
        """
        return self._grants.allow(grantee, prefix, (*self.READ, *self.WRITE), ENCRYPT)

    def grant_build(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let CodeBuild find the bucket in the name of `grantee`.

        https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
        """
        return grant(grantee=grantee, actions=self.LOCATE, resource_arns=[self._arn])

    def _grant(
        self,
        grantee: iam.IGrantable,
        prefixes: tuple[str, ...],
        actions: tuple[str, ...],
        key_actions: tuple[str, ...],
        listing: tuple[str, ...] = LIST,
    ) -> iam.Grant:
        # Without a prefix: only who may list the bucket learns that an object is not there.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        granted = grant(grantee=grantee, actions=listing, resource_arns=[self._arn])
        for prefix in prefixes:
            granted = granted.combine(self._grants.allow(grantee, prefix, actions, key_actions))
        return granted


def _artifacts(naming: Naming) -> list[str]:
    """What the keys of pipelines' artifacts start with, each once: S3 takes no prefix twice."""
    folders = (naming.pipeline_artifacts, naming.platform_artifacts)
    return list(dict.fromkeys(folder.partition("*")[0] for folder in folders))


def _expiry(prefix: str, days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        prefix=prefix,
        expiration=Duration.days(days),
        noncurrent_version_expiration=Duration.days(1),
    )
