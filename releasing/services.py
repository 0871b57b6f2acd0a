"""Whom the steps of a release ask, and what they change."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import boto3
from mlflow.tracking import MlflowClient

from diffing.model import Change, Naming
from diffing.prices import prices_of
from diffing.summary import summarize
from mlops_constructs.faults import Fault, raise_faults
from operations.deployment import Say, check_account
from operations.login import login_variables
from proof.environment import expectations_of
from releasing.cdk import Cdk, CdkCli
from releasing.checks import check_templates
from releasing.journal import Attempt, Journal
from releasing.pipeline import Pipeline, is_outside
from releasing.platform_change import Changes
from releasing.records import Records
from releasing.settings import Settings
from releasing.smoke import Api, Caller
from releasing.stack import EndpointStackState, StackState, stack_of
from releasing.store import Store
from stacks.config import Environment, load_environment

SILENCE = timedelta(hours=8)
"""How long a release of GitHub's or GitLab's may say nothing before it counts as gone: a deployment
waits for its canary, no longer than a build lasts here."""


class Difference(Protocol):
    """What a deployment would change."""

    @property
    def headline(self) -> str:
        """One line."""
        ...

    @property
    def empty(self) -> bool:
        """Whether that is nothing."""
        ...

    @property
    def destructive(self) -> Sequence[Change]:
        """What of it loses data, or allows more."""
        ...

    @property
    def refused(self) -> Sequence[Change]:
        """What of that is not named."""
        ...

    @property
    def brief(self) -> str:
        """All of it in one line, what has to be seen first before the rest."""
        ...

    def markdown(self) -> str:
        """All of it, for a person."""
        ...


@dataclass(frozen=True)
class Services:
    """Whom the steps ask.

    Parameters
    ----------
    environment
        The environment.
    store, records
        The bucket of releases, and the records in it.
    mlflow
        A client of MLflow that is logged in; nothing for what changes the platform.
    s3, ecr, sagemaker, cloudformation, codepipeline, sns
        Clients.
    topic
        ARN of the topic that is told.
    cdk
        Makes assemblies and deploys them.
    check
        What speaks against an assembly, of which some templates are looked at each by itself.
    compare
        What differs between two folders of templates, where some of it is named.
    caller
        Asks endpoints.
    workspace
        Where `cdk.out` and `releases` of a release are written, and read by its later steps.
    say
        Told what is being done.
    sleep
        Waits for some seconds.
    clock
        The time, in seconds.
    """

    environment: Environment
    store: Store
    records: Records
    mlflow: Any
    s3: Any
    ecr: Any
    sagemaker: Any
    cloudformation: Any
    codepipeline: Any
    sns: Any
    topic: str
    cdk: Cdk
    check: Callable[[Path, Sequence[Path]], list[str]]
    compare: Callable[[Path, Path, Naming], Difference]
    caller: Caller
    workspace: Path
    say: Say
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def journal(self, endpoint: str) -> Journal:
        """The attempts of an endpoint."""
        return Journal(self.store, endpoint)

    def pipeline(self, endpoint: str) -> Pipeline:
        """The pipeline of an endpoint."""
        return Pipeline(self.codepipeline, self.environment.naming.pipeline(endpoint))

    def runs(self, attempt: Attempt) -> bool:
        """Whether the execution of an attempt is under way.

        Nobody here can ask GitHub or GitLab: an execution of theirs is under way as long as it was
        heard of lately.
        """
        if is_outside(attempt.execution):
            heard = datetime.fromisoformat(attempt.written or attempt.began)
            return datetime.now(UTC) - heard < SILENCE
        return self.pipeline(attempt.endpoint).runs(attempt.execution)

    def stack(self, endpoint: str) -> EndpointStackState:
        """The stack of an endpoint."""
        naming = self.environment.naming
        return EndpointStackState(
            self.cloudformation,
            self.sagemaker,
            naming.stack(stack_of(endpoint)),
            naming.endpoint(endpoint),
            self.sleep,
        )

    def any_stack(self, stack: str) -> StackState:
        """Any stack of the platform, by what it is called in the app."""
        name = self.environment.naming.stack(stack)
        return StackState(self.cloudformation, name, self.sleep)

    @property
    def changes(self) -> Changes:
        """The changes of the platform itself."""
        return Changes(self.store)

    @property
    def platform_pipeline(self) -> Pipeline:
        """The pipeline of the platform itself."""
        return Pipeline(self.codepipeline, self.environment.naming.platform_pipeline)


def outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of a stack.

    Parameters
    ----------
    cloudformation
        A client.
    stack
        Its name.
    """
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {it["OutputKey"]: it["OutputValue"] for it in described.get("Outputs", [])}


def services_of(
    settings: Settings, root: Path, workspace: Path, say: Say, *, registry: bool = True
) -> Services:
    """The services of an environment, in its account.

    Parameters
    ----------
    settings
        What the step is told.
    root
        Folder of the app.
    workspace
        Where a release is written to.
    say
        Told what is being done.
    registry
        Whether MLflow is asked. What changes the platform has no login to it.

    Raises
    ------
    FaultsError, OperationError
        Where the environment follows nothing, or the credentials are for another account.
    """
    environment = load_environment(settings.environment, root / "environments")
    release = environment.release
    if release is None:
        fault = Fault("release", "nothing", "the endpoints to follow", "Add 'release: {follow:}'.")
        raise_faults(f"environments/{environment.name}.yaml", [fault])
        raise AssertionError("a fault is raised")
    session = boto3.Session(region_name=environment.region)
    check_account(environment, session)
    naming, cloudformation = environment.naming, session.client("cloudformation")

    def output(stack: str, name: str) -> str:
        return outputs(cloudformation, naming.stack(stack))[name]

    def mlflow() -> MlflowClient:
        manager = session.client("secretsmanager")
        os.environ.update(login_variables(manager, naming, settings.login or release.login))
        return MlflowClient(settings.tracking_uri or output("Tracking", "TrackingUri"))

    s3 = session.client("s3")
    store = Store(s3, settings.bucket or naming.release_bucket(environment.account))
    return Services(
        environment=environment,
        store=store,
        records=Records(store, environment.name, root / "releases"),
        mlflow=mlflow() if registry else None,
        s3=s3,
        ecr=session.client("ecr"),
        sagemaker=session.client("sagemaker"),
        cloudformation=cloudformation,
        codepipeline=session.client("codepipeline"),
        sns=session.client("sns"),
        topic=settings.topic or output("Data", "AlarmTopic"),
        cdk=CdkCli(environment.name, root),
        check=lambda assembly, templates: check_templates(
            environment, assembly, templates, root / "environments"
        ),
        compare=lambda before, after, named: _compare(environment, root, before, after, named),
        caller=Api(
            lambda: settings.invocation_url or output("Api", "InvocationUrl"),
            lambda: settings.invocation_key or output("Api", "ApiKeyId"),
            session,
            signed=environment.api.authorization == "iam",
        ),
        workspace=workspace,
        say=say,
    )


def _compare(
    environment: Environment, root: Path, before: Path, after: Path, naming: Naming
) -> Difference:
    prices = prices_of(environment.name, root / "environments")
    named = expectations_of(environment)
    return summarize(before, after, naming=naming, prices=prices, named=named)
