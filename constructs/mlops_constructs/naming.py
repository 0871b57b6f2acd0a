"""The names that an outside contract needs, and that earlier stacks name as patterns."""

from dataclasses import dataclass

MODELS_PREFIX = "mlflow"
"""Where MLflow keeps its files inside the artifact bucket."""


ADMINISTRATOR = "administrator"
"""The user of MLflow who is always there."""


@dataclass(frozen=True)
class Naming:
    """What the names of one environment of one platform start with.

    Earlier stacks (endpoint policies, the API's function) must name what later stacks create.
    So everything of an environment stands under one prefix, and its roles under one IAM path.

    Parameters
    ----------
    platform
        Name of the platform, such as ``mlops``.
    environment
        Name of the environment.

    Examples
    --------
    >>> naming = Naming("mlops", "blue")
    >>> naming.prefix, naming.namespace, naming.iam_path
    ('mlops-blue', 'mlops/blue', '/mlops/blue/')
    """

    platform: str
    environment: str

    @property
    def prefix(self) -> str:
        """What names of buckets, models, endpoints and APIs start with."""
        return f"{self.platform}-{self.environment}"

    @property
    def namespace(self) -> str:
        """The namespace of the image repositories."""
        return f"{self.platform}/{self.environment}"

    @property
    def iam_path(self) -> str:
        """The IAM path that every role lives under."""
        return f"/{self.platform}/{self.environment}/"

    @property
    def execution_path(self) -> str:
        """The IAM path of the roles that SageMaker assumes: below that of every role."""
        return f"{self.iam_path}sagemaker/"

    @property
    def serverless_path(self) -> str:
        """The IAM path of the roles of serverless endpoints, which act from AWS's own network."""
        return f"{self.execution_path}serverless/"

    @property
    def managed_tracking_path(self) -> str:
        """The IAM path of the role that AWS's managed MLflow App takes, and of no other role."""
        return f"{self.iam_path}mlflow/"

    @property
    def pipelines_path(self) -> str:
        """The IAM path of the role that pipelines take, which act from AWS's own network."""
        return f"{self.iam_path}pipelines/"

    def artifact_bucket(self, account: str) -> str:
        """The bucket of runs' files and models, in an account."""
        return f"{self.prefix}-artifacts-{account}"

    def release_bucket(self, account: str) -> str:
        """The bucket of what is promoted and of what serves, in an account."""
        return f"{self.prefix}-releases-{account}"

    def pipeline(self, endpoint: str) -> str:
        """The pipeline that releases an endpoint of the configuration."""
        return f"{self.prefix}-release-{endpoint}"

    def promotion(self, target: str) -> str:
        """The role that `target` reads with what serves here, to serve it there; its external id.

        Its account's name for it and the word that whoever takes it has to say are one: who knows
        this environment's file knows both.
        """
        return f"{self.prefix}-promote-to-{target}"

    @property
    def pipeline_artifacts(self) -> str:
        """The folders of what the endpoints' pipelines hand on, as a pattern.

        CodePipeline cuts the names of pipelines short, so that a long prefix leaves one folder for
        all of them, and for the platform's pipeline: what is in it is told by its own name.
        https://docs.aws.amazon.com/codepipeline/latest/userguide/welcome-introducing-artifacts.html
        """
        return f"{self.pipeline('*')[:20]}/"

    @property
    def platform_pipeline(self) -> str:
        """The pipeline that changes the platform itself; no endpoint's is called so."""
        return f"{self.prefix}-platform"

    @property
    def platform_artifacts(self) -> str:
        """The folder of what that pipeline's steps hand on, which CodePipeline cuts short too."""
        return f"{self.platform_pipeline[:20]}/"

    def build(self, name: str) -> str:
        """The build project of releases called `name`."""
        return f"{self.prefix}-releases-{name}"

    def stack(self, construct_id: str) -> str:
        """The name of the stack that stands as `construct_id` in the app."""
        return f"{self.prefix}-{construct_id}"

    def endpoint(self, name: str) -> str:
        """The SageMaker endpoint called `name` in the configuration."""
        return f"{self.prefix}-{name}"

    def component(self, endpoint: str, model: str) -> str:
        """The inference component of `model` in an endpoint, as both are called there."""
        return f"{self.endpoint(endpoint)}-{model}"

    def login(self, user: str) -> str:
        """Name of the secret with a user's login to MLflow."""
        return f"{self.prefix}/mlflow/{user}"

    def repository(self, image: str) -> str:
        """The repository of the image called `image` in the configuration."""
        return f"{self.namespace}/{image}"
