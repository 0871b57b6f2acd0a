"""What one container of a model is: its image, its files, and its environment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import IConstruct

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.aws_images import FRAMEWORKS, AwsImage
from mlops_constructs.container_settings import ARCHIVE, DIGEST_VARIABLE, ContainerSettings
from mlops_constructs.faults import Fault
from mlops_constructs.image_repository import LAYERS
from mlops_constructs.platform_role import grant
from mlops_constructs.sites import site_of


@dataclass(frozen=True)
class OwnImage:
    """An image of ours, by its digest.

    Parameters
    ----------
    repository
        Its repository.
    digest
        Its digest, ``sha256:...``.
    """

    repository: ecr.IRepository
    digest: str


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model, in the store of artifacts.

    Parameters
    ----------
    key
        A prefix with its slash at the end, or the key of a ``.tar.gz``.
    digest
        Digest of what they hold: other files are another model.
    """

    key: str
    digest: str

    @property
    def packed(self) -> bool:
        """Whether they are an archive."""
        return self.key.endswith(ARCHIVE)


@dataclass(frozen=True, kw_only=True)
class ModelContainer(ContainerSettings):
    """One container of a model.

    Parameters
    ----------
    image
        What it runs: an image of ours, or one of AWS.
    files
        What it finds at ``/opt/ml/model``; nothing where it needs none.

    Examples
    --------
    >>> ModelContainer(  # doctest: +SKIP
    ...     image=OwnImage(repository, "sha256:..."),
    ...     files=ModelFiles("mlflow/1/models/m-1/", "sha256:..."))
    """

    image: OwnImage | AwsImage
    files: ModelFiles | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment as a whole."""
        # Images of ours refuse other files; of all, other files are another model.
        digest = {DIGEST_VARIABLE: self.files.digest} if self.files else {}
        return {**super().variables, **digest}

    def grant_pull(self, scope: IConstruct, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` pull the image, and others of its repository.

        Parameters
        ----------
        scope
            A construct of the stack that pulls.
        grantee
            Who pulls: an execution role.
        """
        acknowledge_grant(
            grantee,
            "A token for ECR names no repository; pulling does.",
            "AwsSolutions-IAM5[Resource::*]",
        )
        if isinstance(self.image, OwnImage):
            return self.image.repository.grant_pull(grantee)
        site = site_of(scope)
        known = FRAMEWORKS[self.image.framework]
        token = grant(grantee=grantee, actions=["ecr:GetAuthorizationToken"], resource_arns=["*"])
        repository = site.arn(
            "ecr", f"repository/{known.repository}", account=known.accounts[site.region]
        )
        layers = grant(grantee=grantee, actions=LAYERS, resource_arns=[repository])
        return token.combine(layers)

    def definition(
        self, scope: IConstruct, artifacts: Artifacts, instance_type: str
    ) -> sagemaker.CfnModel.ContainerDefinitionProperty:
        """The container as SageMaker takes it.

        Parameters
        ----------
        scope
            A construct of the stack that holds the model.
        artifacts
            The store that has the files.
        instance_type
            What it runs on.
        """
        image = self.image
        return sagemaker.CfnModel.ContainerDefinitionProperty(
            image=(
                image.address(site_of(scope).region, instance_type)
                if isinstance(image, AwsImage)
                else image.repository.repository_uri_for_digest(image.digest)
            ),
            container_hostname=self.name or None,
            environment=self.variables or None,
            **_location(self.files, artifacts),
        )

    def image_faults(self, path: str, scope: IConstruct, instance_type: str) -> Iterator[Fault]:
        """What is wrong with an image of AWS where the container runs.

        Parameters
        ----------
        path
            What a fault calls the container.
        scope
            A construct of the stack that holds the model.
        instance_type
            What it runs on.
        """
        if isinstance(self.image, AwsImage):
            yield from self.image.faults(f"{path}.image", site_of(scope).region, instance_type)

    def faults(self, path: str) -> Iterator[Fault]:
        """What is wrong with the container, its files too.

        Parameters
        ----------
        path
            What a fault calls the container.
        """
        yield from super().faults(path)
        if self.files and not self.files.packed:
            key = self.files.key
            if not key.endswith("/") or key.startswith("/"):
                yield Fault(
                    f"{path}.files.key",
                    f"'{key}'",
                    f"the start of the model's keys, a slash at its end alone; or '*{ARCHIVE}'",
                    "SageMaker reads every key that starts so: end it where the folder ends.",
                )


def grant_what_is_read(
    scope: IConstruct,
    role: iam.IRole,
    containers: Sequence[ModelContainer],
    artifacts: Artifacts,
) -> None:
    """Let `role` read the images and the files of containers, each once, and nothing else.

    Parameters
    ----------
    scope
        A construct of the stack that reads.
    role
        The execution role.
    containers
        The containers.
    artifacts
        The store of their files.
    """
    for container in {_image_key(container): container for container in containers}.values():
        container.grant_pull(scope, role)
    for key in dict.fromkeys(it.files.key for it in containers if it.files):
        artifacts.grant_read(role, key)


def _image_key(container: ModelContainer) -> tuple[str, str]:
    image = container.image
    if isinstance(image, AwsImage):
        return "aws", image.framework
    return "own", image.repository.repository_arn


def _location(files: ModelFiles | None, artifacts: Artifacts) -> dict[str, Any]:
    if files is None:
        return {}
    if files.packed:
        # The older way to say it, which serverless endpoints and batch transform take alone.
        return {"model_data_url": artifacts.uri(files.key)}
    source = sagemaker.CfnModel.S3DataSourceProperty(
        s3_uri=artifacts.uri(files.key), s3_data_type="S3Prefix", compression_type="None"
    )
    return {"model_data_source": sagemaker.CfnModel.ModelDataSourceProperty(s3_data_source=source)}
