"""The steps of a release, and what is asked for by hand: ``python -m releasing --help``.

Without a command, the step that RELEASE_STEP names: so a build runs it.
"""

import getpass
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException
from rich.console import Console

from mlops_constructs.faults import FaultsError
from operations.deployment import check_account
from operations.errors import EXPIRED, OperationError
from releasing import asking
from releasing.close import close as close_step
from releasing.deploy import deploy as deploy_step
from releasing.drift import drift as drift_step
from releasing.history import history as history_table
from releasing.history import platform_history
from releasing.ledger import OvertakenError
from releasing.platform_close import platform_close as platform_close_step
from releasing.platform_deploy import platform_deploy as platform_deploy_step
from releasing.platform_prepare import platform_prepare as platform_prepare_step
from releasing.prepare import prepare as prepare_step
from releasing.promote import Source, session_of
from releasing.promote import promote as promote_version
from releasing.proposing import propose
from releasing.records import Records
from releasing.services import Services, services_of
from releasing.settings import BY_HAND, Settings
from releasing.store import ConflictError, Store
from releasing.verify import verify as verify_step
from stacks.config import Environment, load_environment

ROOT = Path(__file__).resolve().parent.parent
STEPS: Mapping[str, Callable[[Services, str, str, str], None]] = {
    "prepare": prepare_step,
    "deploy": deploy_step,
    "verify": verify_step,
    "close": close_step,
}
PLATFORM_STEPS: Mapping[str, Callable[[Services, Settings], None]] = {
    "platform-prepare": lambda services, told: platform_prepare_step(
        services, told.proposal, told.execution
    ),
    "platform-deploy": lambda services, told: platform_deploy_step(
        services, told.proposal, told.execution, told.digest
    ),
    "platform-close": lambda services, told: platform_close_step(
        services, told.proposal, told.execution
    ),
}
DRIFT = "drift"
BAD = ("failed", "rolled back", "rejected", "stopped")
"""Ends of what another process took over that are no reason to go on."""

app = typer.Typer(add_completion=False, help=__doc__)
Env = Annotated[str, typer.Option("--env", help="Name of the environment.")]
Endpoint = Annotated[str, typer.Option("--endpoint", help="Name of the endpoint.")]
Promotion = Annotated[
    str, typer.Option(help="Version of the promotion's object in S3; the latest if not given.")
]
ProposalVersion = Annotated[
    str, typer.Option("--proposal", help="Version of the proposed app in S3; the latest.")
]
Execution = Annotated[str, typer.Option(help="Execution of the pipeline; none by hand.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence.")]


@app.callback(invoke_without_command=True)
def build(context: typer.Context) -> None:
    """Run what a build is told, where no command is named."""
    if context.invoked_subcommand is None:
        with _errors():
            known = {**dict.fromkeys(STEPS, True), **dict.fromkeys((*PLATFORM_STEPS, DRIFT), False)}
            _run(Settings.read(os.environ, known))


@app.command()
def prepare(
    env: Env, endpoint: Endpoint, promotion: Promotion = "", execution: Execution = BY_HAND
) -> None:
    """Resolve, synthesize, check, and say what would change."""
    _step("prepare", env, endpoint, promotion, execution)


@app.command()
def deploy(
    env: Env, endpoint: Endpoint, promotion: Promotion = "", execution: Execution = BY_HAND
) -> None:
    """Deploy what was prepared."""
    _step("deploy", env, endpoint, promotion, execution)


@app.command()
def verify(
    env: Env, endpoint: Endpoint, promotion: Promotion = "", execution: Execution = BY_HAND
) -> None:
    """Ask the new version, and record it; or put the former one back."""
    _step("verify", env, endpoint, promotion, execution)


@app.command()
def close(
    env: Env, endpoint: Endpoint, promotion: Promotion = "", execution: Execution = BY_HAND
) -> None:
    """Leave nothing half done of an execution that is over."""
    _step("close", env, endpoint, promotion, execution)


@app.command()
def drift(
    env: Env,
    endpoint: Annotated[str, typer.Option(help="Name of the endpoint; all if not given.")] = "",
) -> None:
    """Compare what serves with its record."""
    _step(DRIFT, env, endpoint, "", BY_HAND)


@app.command()
def platform(
    env: Env,
    reason: Reason = "",
    request: Annotated[
        Path | None, typer.Option(help="File of a pull request's text, with allow-destroy lines.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A destructive change that is meant: <path>=<reason>."),
    ] = None,
) -> None:
    """Propose this checkout as what the platform of an environment is to be."""
    with _errors():
        environment, s3 = _following(env)
        proposed = propose(environment, ROOT, s3, _who(), reason, request, allow or [])
        _say(f"{proposed.summary} is proposed: see 'make history ENV={env}'")


@app.command()
def platform_prepare(
    env: Env, proposal: ProposalVersion = "", execution: Execution = BY_HAND
) -> None:
    """See what a proposed app would change of the platform."""
    _platform_step("platform-prepare", env, proposal, execution)


@app.command()
def platform_deploy(
    env: Env,
    digest: Annotated[str, typer.Option(help="What platform-prepare said that it handed on.")] = "",
    proposal: ProposalVersion = "",
    execution: Execution = BY_HAND,
) -> None:
    """Deploy the whole platform as it was prepared."""
    _platform_step("platform-deploy", env, proposal, execution, digest)


@app.command()
def platform_close(
    env: Env, proposal: ProposalVersion = "", execution: Execution = BY_HAND
) -> None:
    """Write down how a change of the platform ended whose execution is over."""
    _platform_step("platform-close", env, proposal, execution)


@app.command()
def rollback(
    env: Env,
    endpoint: Endpoint,
    reason: Reason = "no reason is given",
    version: Annotated[
        int, typer.Option(help="A version that served; the one before what serves if not given.")
    ] = 0,
) -> None:
    """Ask for the version that served before."""
    with _errors():
        services = _services(Settings(env))
        asked = asking.rollback(services, endpoint, _who(), reason, version or None)
        _say(f"{asked} is asked for: see 'make history ENDPOINT={endpoint} ENV={env}'")


@app.command()
def again(env: Env, endpoint: Endpoint, reason: Reason = "") -> None:
    """Ask once more for what was promoted last."""
    with _errors():
        asked = asking.release_again(_services(Settings(env)), endpoint, _who(), reason)
        _say(f"{asked} is asked for again")


@app.command()
def promote(
    env: Env,
    endpoint: Endpoint,
    source: Annotated[
        str, typer.Option("--from", help="The environment it serves in; promote_from if not given.")
    ] = "",
    login: Annotated[
        str,
        typer.Option(help="The user of MLflow who registers it here; release.login if not given."),
    ] = "",
    tracking_uri: Annotated[
        str, typer.Option(help="MLflow's address here; what the Tracking stack says if not given.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Ask here for what serves in another environment."""
    with _errors():
        services = _services(Settings(env, login=login, tracking_uri=tracking_uri))
        _check_followed(services.environment, endpoint)
        release = services.environment.release
        named = release.promote_from if release else None
        origin = _source(source or (named.environment if named else ""), services.environment)
        asked = promote_version(services, origin, endpoint, _who(), reason)
        _say(f"{asked} is asked for in {env}")


@app.command()
def history(
    env: Env,
    endpoint: Annotated[
        str, typer.Option(help="Name of the endpoint; the platform itself if not given.")
    ] = "",
) -> None:
    """Show what served when, or how the platform was changed."""
    with _errors():
        services = _services(Settings(env), registry=False)
        Console().print(
            history_table(services, endpoint) if endpoint else platform_history(services)
        )


@app.command()
def records(
    env: Env,
    folder: Annotated[Path, typer.Option(help="Folder of the releases.")] = ROOT / "releases",
) -> None:
    """Write what serves into a folder that synth reads."""
    with _errors():
        _records(env).collect(folder)
        _say(f"written to {folder / env}")


@app.command()
def seed(env: Env) -> None:
    """Put the records that the app came with into the bucket, where it has none."""
    with _errors():
        for record in _records(env).seed():
            _say(f"{record} is recorded")


def _step(step: str, env: str, endpoint: str, promotion: str, execution: str) -> None:
    with _errors():
        _run(Settings(env, step=step, endpoint=endpoint, promotion=promotion, execution=execution))


def _platform_step(step: str, env: str, proposal: str, execution: str, digest: str = "") -> None:
    with _errors():
        _run(Settings(env, step=step, proposal=proposal, digest=digest, execution=execution))


def _run(settings: Settings) -> None:
    of_platform = PLATFORM_STEPS.get(settings.step)
    if of_platform:
        services = _services(settings, registry=False)
        _unless_overtaken(lambda: of_platform(services, settings))
        return
    services = _services(settings)
    if settings.endpoint:
        _check_followed(services.environment, settings.endpoint)
    if settings.step == DRIFT:
        followed = list(services.environment.followed)
        drift_step(services, [settings.endpoint] if settings.endpoint else followed)
        return
    step = STEPS[settings.step]
    _unless_overtaken(
        lambda: step(services, settings.endpoint, settings.promotion, settings.execution)
    )


def _unless_overtaken(step: Callable[[], None]) -> None:
    try:
        step()
    except OvertakenError as error:
        if error.now and error.now.outcome in BAD:
            raise OperationError(str(error), "See what the other one did.") from error
        _say(f"Nothing to do any more: {error}")


def _check_followed(environment: Environment, endpoint: str) -> None:
    """Make sure that a release of an endpoint would be heard of."""
    if endpoint not in environment.followed:
        raise OperationError(
            f"'{endpoint}' is not followed in environments/{environment.name}.yaml.",
            f"Add it to release.follow, or name one of: {', '.join(environment.followed)}.",
        )


def _services(settings: Settings, *, registry: bool = True) -> Services:
    return services_of(settings, ROOT, Path.cwd(), _say, registry=registry)


def _records(env: str) -> Records:
    """The records of an environment. MLflow is not asked: whoever may read the bucket may call."""
    environment, s3 = _following(env)
    bucket = environment.naming.release_bucket(environment.account)
    return Records(Store(s3, bucket), env, ROOT / "releases")


def _following(env: str) -> tuple[Environment, Any]:
    """An environment that has a bucket of releases, and a client of S3 in its account."""
    environment = load_environment(env, ROOT / "environments")
    if environment.release is None:
        raise OperationError(
            f"The environment '{env}' follows no alias, so that it has no bucket of releases.",
            f"Name endpoints in release.follow of environments/{env}.yaml, and deploy it.",
        )
    session = boto3.Session(region_name=environment.region)
    check_account(environment, session)
    return environment, session.client("s3")


def _source(name: str, target: Environment) -> Source:
    if not name or name == target.name:
        raise OperationError(
            f"'{name}' is not another environment to promote from.",
            f"Name one with FROM=, or set release.promote_from in environments/{target.name}.yaml.",
        )
    environment = load_environment(name, ROOT / "environments")
    session: Any = session_of(environment, target)
    s3 = session.client("s3")
    store = Store(s3, environment.naming.release_bucket(environment.account))
    records = Records(store, name, ROOT / "releases")
    return Source(environment, records, s3, session.client("ecr"))


def _who() -> str:
    """Who asks, as this machine knows them: the records of CloudTrail know more."""
    return getpass.getuser()


def _say(line: str) -> None:
    Console(highlight=False).print(line, markup=False, soft_wrap=True)


@contextmanager
def _errors() -> Iterator[None]:
    """End with what happened and what to do, and no traceback, where somebody can mend it."""
    try:
        yield
    except OperationError as error:
        _fail(f"{error.what}\n{error.fix}")
    except FaultsError as error:
        _fail(str(error))
    except ConflictError as error:
        _fail(f"{error}.\nRun it again.")
    except MlflowException as error:
        _fail(f"MLflow refuses: {error.message}\nCheck the rights of the login, and the address.")
    except (BotoCoreError, ClientError) as error:
        _fail(f"AWS refuses: {error}\n{_fix(error)}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _fix(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in EXPIRED:
        return "A session has expired: run it again. What arrived is not copied again."
    return "Check the rights of these credentials."


def _fail(text: str) -> None:
    Console(stderr=True, highlight=False).print(f"✗ {text}", markup=False, soft_wrap=True)
    raise typer.Exit(1) from None


if __name__ == "__main__":
    sys.exit(app())
