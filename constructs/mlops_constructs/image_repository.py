"""A repository for one image, whose tags never move and whose images are named by digest."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import grant
from mlops_constructs.sites import site_of

COPY = ("ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer")
"""What copying an image to another registry takes of this one: its manifest, tags and layers."""

LAYERS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)
"""What fetching an image by its digest takes."""

PULL = (*LAYERS, "ecr:DescribeImages")
"""What pulling an image takes, and finding its digest."""

PUSH = (
    "ecr:CompleteLayerUpload",
    "ecr:DescribeRepositories",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""What pushing an image takes besides; MLflow's own tool looks for the repository first."""


class ImageRepository(Construct):
    """An encrypted ECR repository with immutable tags that scans what is pushed.

    Nothing expires: a release names its image by digest, and may be rolled back to years later.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the repository's name starts with.
    image
        Name of the image.
    key
        Encrypts the images.
    removal_policy
        What happens to the repository with its stack: kept.

    Attributes
    ----------
    repository : aws_cdk.aws_ecr.IRepository
        The repository.

    Examples
    --------
    >>> iris = ImageRepository(  # doctest: +SKIP
    ...     stack, "IrisImage", naming=naming, image="iris", key=key)
    >>> iris.grant_pull(role)  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        image: str,
        key: kms.IKey,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=naming.repository(image),
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            removal_policy=removal_policy,
        )

    @staticmethod
    def id_of(image: str) -> str:
        """What the construct of an image is called in its stack.

        Parameters
        ----------
        image
            Name of the image.

        Examples
        --------
        >>> ImageRepository.id_of("model-server")
        'ModelServerImage'
        """
        return f"{image.title().replace('-', '')}Image"

    def grant_pull(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` pull the images, and ask for their digests."""
        return self._grant(grantee, PULL)

    def grant_copy(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` read images by ECR's own API, which asks for no token."""
        return grant(
            grantee=grantee,
            actions=COPY,
            resource_arns=[self.repository.repository_arn],
        )

    def allow_builds(self, project: str) -> None:
        """Let CodeBuild pull the images for build projects of this account.

        It pulls as itself, over a network of its own:
        https://docs.aws.amazon.com/codebuild/latest/userguide/sample-ecr.html

        Parameters
        ----------
        project
            Pattern of the projects' ARNs.
        """
        self.repository.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AllowBuilds",
                principals=[iam.ServicePrincipal("codebuild.amazonaws.com")],
                actions=list(LAYERS),
                conditions={
                    "StringEquals": {"aws:SourceAccount": site_of(self).account},
                    "ArnLike": {"aws:SourceArn": project},
                },
            )
        )

    def grant_push(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` push images, and pull them. Tags that are there stay as they are."""
        return self._grant(grantee, PULL + PUSH)

    def _grant(self, grantee: iam.IGrantable, actions: tuple[str, ...]) -> iam.Grant:
        """The actions on this repository alone, and a token.

        ECR uses the key with a grant of its own, so that nobody needs rights on it:
        https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
        """
        token = grant(grantee=grantee, actions=["ecr:GetAuthorizationToken"], resource_arns=["*"])
        acknowledge_grant(
            grantee,
            "A token for ECR names no repository; pulling and pushing do.",
            "AwsSolutions-IAM5[Resource::*]",
        )
        images = grant(
            grantee=grantee,
            actions=actions,
            resource_arns=[self.repository.repository_arn],
        )
        return token.combine(images)
