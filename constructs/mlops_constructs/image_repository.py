"""A repository for one image, whose tags never move and whose images are named by digest."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from constructs import Construct

from mlops_constructs.naming import Naming


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
