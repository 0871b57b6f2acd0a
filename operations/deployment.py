"""`make deploy`: a whole environment on AWS, in the order that its parts need."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from mlflow.tracking import MlflowClient

from mlops_constructs.naming import ADMINISTRATOR
from operations.errors import OperationError
from operations.images import BuildSettings, missing_images, push_images
from operations.login import logged_in, login_variables
from operations.managed_registry import registry_at
from operations.records import write_images, write_release
from operations.release import resolve_release
from operations.source import put_source
from operations.webhook import read_webhook_secret, register_webhook
from stacks.config import Environment
from stacks.releases import load_images, load_release

Say = Callable[[str], None]
Cdk = Callable[..., None]


class Served(Protocol):
    """What serves where aliases are followed: `releasing.checkout` knows it."""

    def take(self) -> list[str]:
        """Have the releases say it; the endpoints that a release is changing now."""
        ...

    def put_images(self) -> None:
        """Have releases from now on take the recorded images."""
        ...


class Deployment:
    """Deploys one environment.

    Parameters
    ----------
    environment
        The environment.
    session
        A boto3 session with rights on its account.
    root
        Folder of the app, with `containers/`.
    releases
        Folder of the releases.
    served
        What serves by the bucket of releases, which knows better than that folder.
    build
        How images are built; nothing where the recorded ones are to be used as they are.
    cdk
        Runs the cdk CLI with the words it is given.
    say
        Told what is being done.
    login
        The user of MLflow who releases; what the environment says where empty.
    """

    def __init__(
        self,
        environment: Environment,
        session: Any,
        *,
        root: Path,
        releases: Path,
        served: Served,
        build: BuildSettings | None,
        cdk: Cdk,
        say: Say,
        login: str = "",
    ) -> None:
        self._environment = environment
        self._session = session
        self._root = root
        self._releases = releases
        self._served = served
        self._build = build
        self._cdk = cdk
        self._say = say
        self._login = login

    def run(self) -> list[str]:
        """Deploy what holds state, then the images, then what runs them.

        Returns
        -------
        list of str
            What is not as it is to be yet, each with the reason: endpoints, the webhook.

        Raises
        ------
        OperationError
            Where a step fails. What is deployed stays, and the next run goes on from there.
        """
        self._say("Network and Data")
        self._cdk("deploy", "Network", "Data")
        self._say("Images")
        if self._build:
            self.push_images(self._build)
        else:
            self.check_images()
        self._say("Tracking and Api")
        self._cdk("deploy", "Tracking", "Api")
        changing = self._served.take()
        waiting = [
            f"Endpoint-{name} is not deployed: a release of it is under way."
            f" Run 'make deploy ENV={self._environment.name}' again afterwards."
            for name in changing
        ]
        waiting += self._release_new_endpoints(changing)
        names = [
            name
            for name in sorted(self._environment.endpoints)
            if self._released(name) and name not in changing
        ]
        if names:
            self._say(f"Endpoints: {', '.join(names)}")
            self._cdk("deploy", *(f"Endpoint-{name}" for name in names))
        if self._environment.release:
            # Its rights first: an app that came before them would fail for want of one.
            self._say("Release")
            self._cdk("deploy", "Release")
            self._say(f"Releases are made with {self.put_source()}")
            try:
                self.webhook()
            except OperationError as error:
                waiting.append(f"Aliases are looked at by the clock alone: {error}")
        return waiting

    def put_source(self) -> str:
        """Make this checkout what releases are made with, and its images theirs; its place.

        Raises
        ------
        OperationError
            Where it is no checkout of git, or other images were recorded meanwhile.
        """
        place = put_source(self._environment, self._root, self._session.client("s3"))
        self._served.put_images()
        return place

    def push_images(self, settings: BuildSettings) -> None:
        """Build and push what is not in ECR yet, and record the digests.

        Parameters
        ----------
        settings
            How images are built.

        Raises
        ------
        OperationError
            Where an image cannot be built or pushed.
        """
        ecr = self._session.client("ecr")
        digests = push_images(
            self._environment, self._root / "containers", settings, ecr, self._say
        )
        record = write_images(self._releases, self._environment.name, digests)
        self._say(f"recorded in {record}")

    def check_images(self) -> None:
        """Make sure that what synth names is in ECR.

        Raises
        ------
        OperationError
            Where an image is not.
        """
        name = self._environment.name
        recorded = load_images(self._releases, name)
        missing = missing_images(self._environment, recorded, self._session.client("ecr"))
        if missing:
            raise OperationError(
                f"Not in ECR: {', '.join(missing)}.", f"Run 'make images ENV={name}'."
            )

    def release(self, endpoint: str, tracking_uri: str = "") -> Path:
        """Resolve what an endpoint's alias means now, and record it.

        Parameters
        ----------
        endpoint
            Name of the endpoint.
        tracking_uri
            Address of MLflow; that of the Tracking stack where empty.

        Raises
        ------
        OperationError
            Where there is nothing to release.
        """
        name = self._environment.name
        with logged_in(self._login_variables()):
            release = resolve_release(
                self._environment,
                endpoint,
                load_images(self._releases, name),
                registry_at(tracking_uri or self._tracking_uri(), self._session),
                self._session.client("s3"),
            )
        path = write_release(self._releases, name, endpoint, release)
        self._say(f"{endpoint}: {release.summary}, recorded in {path}")
        return path

    def webhook(self, tracking_uri: str = "") -> None:
        """Have MLflow tell when an alias is set, and try it out.

        Parameters
        ----------
        tracking_uri
            Address of MLflow; that of the Tracking stack where empty.

        Raises
        ------
        OperationError
            Where it does not.
        """
        naming, name = self._environment.naming, self._environment.name
        if not self._environment.release:
            raise OperationError(
                f"The environment '{name}' follows no alias, so that there is nobody to tell.",
                f"Name endpoints in release.follow of environments/{name}.yaml, and deploy it.",
            )
        manager = self._session.client("secretsmanager")
        secret, version = read_webhook_secret(manager, self._output("Release", "WebhookSecretArn"))
        with logged_in(login_variables(manager, naming, ADMINISTRATOR)):
            register_webhook(
                MlflowClient(tracking_uri or self._tracking_uri()),
                name=f"{naming.prefix}-release",
                url=self._output("Release", "PromotionsUrl"),
                secret=secret,
                version=version,
                say=self._say,
            )

    def _release_new_endpoints(self, changing: list[str]) -> list[str]:
        waiting = []
        for endpoint in sorted(set(self._environment.endpoints) - set(changing)):
            if not self._released(endpoint):
                try:
                    self.release(endpoint)
                except OperationError as error:
                    waiting.append(f"Endpoint-{endpoint} is not deployed: {error}")
        return waiting

    def _released(self, endpoint: str) -> bool:
        return load_release(self._releases, self._environment.name, endpoint) is not None

    def _login_variables(self) -> dict[str, str]:
        if not self._login:
            return {}
        manager = self._session.client("secretsmanager")
        return login_variables(manager, self._environment.naming, self._login)

    def _tracking_uri(self) -> str:
        return self._output(
            "Tracking",
            "TrackingUri",
            "Deploy it first, or name MLflow's address with TRACKING_URI=<address>.",
        )

    def _output(self, name: str, key: str, fix: str = "Deploy it first.") -> str:
        stack = self._environment.naming.stack(name)
        try:
            described = self._session.client("cloudformation").describe_stacks(StackName=stack)
        except ClientError as error:
            raise OperationError(f"The stack {stack} cannot be read: {error}", fix) from error
        outputs = described["Stacks"][0].get("Outputs", [])
        return str(next(o["OutputValue"] for o in outputs if o["OutputKey"] == key))


def check_account(environment: Environment, session: Any) -> None:
    """Make sure that the credentials are for the environment's own account.

    Parameters
    ----------
    environment
        The environment.
    session
        A boto3 session.

    Raises
    ------
    OperationError
        Where there are none, or they are for another account.
    """
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise OperationError(
            f"AWS cannot be asked who you are: {error}",
            f"Log in to account {environment.account}, such as with 'aws sso login'.",
        ) from error
    if account != environment.account:
        raise OperationError(
            f"The credentials are for account {account}, but the environment"
            f" '{environment.name}' is account {environment.account}.",
            "Choose another profile with AWS_PROFILE, or another ENV.",
        )


def run_cdk(environment: Environment, root: Path, releases: Path, *words: str) -> None:
    """Run the cdk CLI on the terminal.

    Parameters
    ----------
    environment
        The environment.
    root
        Folder of the app.
    releases
        Folder of the releases.
    words
        The command and its options.

    Raises
    ------
    OperationError
        Where it fails.
    """
    # A log group whose name a service decides may be there already: adopt it.
    adopt = ["--import-existing-resources"] if words[0] == "deploy" else []
    context = ["-c", f"env={environment.name}", "-c", f"releases={releases}"]
    result = subprocess.run(["cdk", *words, *adopt, *context], cwd=root)
    if result.returncode:
        raise OperationError(
            f"'cdk {' '.join(words)}' ended with status {result.returncode}.",
            "Its output is above. Mend what it says, then run the command again: what is deployed"
            " is not deployed twice.",
        )
