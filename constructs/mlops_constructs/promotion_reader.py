"""The role that another environment reads with what serves here, to serve the same there."""

from collections.abc import Iterable, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.image_repository import ImageRepository
from mlops_constructs.naming import MODELS_PREFIX, Naming
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.release_store import RECORDS, ReleaseStore
from mlops_constructs.sites import site_of


class PromotionReader(Construct):
    """A role that reads records, models and images, and writes nothing, for one other environment.

    It trusts the roles that it is given, each by its ARN, and asks for an external id, so that
    whoever acts for several environments names the one that it acts for. Both are no secrets:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the role's name starts with, and the path that it lives under.
    target
        Name of the environment that is promoted to.
    readers
        ARNs of the roles there that may take it. IAM refuses one that does not exist.
    releases
        Holds the records of what serves.
    artifacts
        Holds the models.
    images
        The repositories of what serves.

    Attributes
    ----------
    role : aws_cdk.aws_iam.Role
        The role.

    Examples
    --------
    >>> PromotionReader(  # doctest: +SKIP
    ...     stack, "PromotionToProd", naming=naming, target="prod",
    ...     readers=["arn:aws:iam::222222222222:role/delivery"],
    ...     releases=releases, artifacts=artifacts, images=[iris])
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        target: str,
        readers: Sequence[str],
        releases: ReleaseStore,
        artifacts: ArtifactStore,
        images: Iterable[ImageRepository],
    ) -> None:
        super().__init__(scope, construct_id)
        asked = {"StringEquals": {"sts:ExternalId": naming.promotion(target)}}
        self.role = PlatformRole(
            self,
            "Role",
            assumed_by=iam.CompositePrincipal(
                *(iam.ArnPrincipal(reader).with_conditions(asked) for reader in readers)
            ),
            description=f"Reads what serves in {naming.environment}, to serve it in {target}",
            path=naming.iam_path,
            role_name=naming.promotion(target),
        )
        releases.grant_read_latest(self.role, RECORDS)
        artifacts.grant_read(self.role, f"{MODELS_PREFIX}/")
        for image in images:
            image.grant_copy(self.role)

    @staticmethod
    def role_arn(stack: Stack, naming: Naming, target: str) -> str:
        """The role's ARN by its name, for policies that let it in and that it waits for.

        Parameters
        ----------
        stack
            The stack that the role stands in.
        naming
            As the role's.
        target
            As the role's.
        """
        name = f"{naming.iam_path}{naming.promotion(target)}"
        return site_of(stack).arn("iam", f"role{name}", region="")
