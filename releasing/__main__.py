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
from operations.errors import OperationError
from releasing import asking
from releasing.close import close as close_step
from releasing.deploy import deploy as deploy_step
from releasing.drift import drift as drift_step
from releasing.history import history as history_table
from releasing.journal import OvertakenError
from releasing.prepare import prepare as prepare_step
from releasing.promote import Source, session_of
from releasing.promote import promote as promote_version
from releasing.records import Records
from releasing.services import Services, services_of
from releasing.settings import BY_HAND, Settings
from releasing.store import ConflictError, Store
from releasing.verify import verify as verify_step
from stacks.config import load_environment
from stacks.release_config import SourceSettings

ROOT = Path(__file__).resolve().parent.parent
STEPS: Mapping[str, Callable[[Services, str, str, str], None]] = {
    "prepare": prepare_step,
    "deploy": deploy_step,
    "verify": verify_step,
    "close": close_step,
}
DRIFT = "drift"

app = typer.Typer(add_completion=False, help=__doc__)
Env = Annotated[str, typer.Option("--env", help="Name of the environment.")]
Endpoint = Annotated[str, typer.Option("--endpoint", help="Name of the endpoint.")]
Promotion = Annotated[
    str, typer.Option(help="Version of the promotion's object in S3; the latest if not given.")
]
Execution = Annotated[str, typer.Option(help="Execution of the pipeline; none by hand.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence.")]


@app.callback(invoke_without_command=True)
def build(context: typer.Context) -> None:
    """Run what a build is told, where no command is named."""
    if context.invoked_subcommand is None:
        with _errors():
            known = {**dict.fromkeys(STEPS, True), DRIFT: False}
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
    reason: Reason = "",
) -> None:
    """Ask here for what serves in another environment."""
    with _errors():
        services = _services(Settings(env, login=login))
        release = services.environment.release
        named = release.promote_from if release else None
        origin = _source(named, source or (named.environment if named else ""), env)
        asked = promote_version(services, origin, endpoint, _who(), reason)
        _say(f"{asked} is asked for in {env}")


@app.command()
def history(env: Env, endpoint: Endpoint) -> None:
    """Show what served when."""
    with _errors():
        Console().print(history_table(_services(Settings(env)), endpoint))


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


def _run(settings: Settings) -> None:
    services = _services(settings)
    release = services.environment.release
    followed = release.follow if release else []
    if settings.endpoint and settings.endpoint not in followed:
        raise OperationError(
            f"'{settings.endpoint}' is not followed in environments/{settings.environment}.yaml.",
            f"Add it to release.follow, or name one of: {', '.join(followed)}.",
        )
    if settings.step == DRIFT:
        drift_step(services, [settings.endpoint] if settings.endpoint else followed)
        return
    try:
        STEPS[settings.step](services, settings.endpoint, settings.promotion, settings.execution)
    except OvertakenError as error:
        if error.now and error.now.outcome in ("failed", "rolled back"):
            raise OperationError(str(error), "See what the other one did.") from error
        _say(f"Nothing to do any more: {error}")


def _services(settings: Settings) -> Services:
    return services_of(settings, ROOT, Path.cwd(), _say)


def _records(env: str) -> Records:
    """The records of an environment. MLflow is not asked: whoever may read the bucket may call."""
    environment = load_environment(env, ROOT / "environments")
    if environment.release is None:
        raise OperationError(
            f"The environment '{env}' follows no alias, so that it has no bucket of releases.",
            f"Name endpoints in release.follow of environments/{env}.yaml, and deploy it.",
        )
    session = boto3.Session(region_name=environment.region)
    check_account(environment, session)
    bucket = environment.naming.release_bucket(environment.account)
    return Records(Store(session.client("s3"), bucket), env, ROOT / "releases")


def _source(settings: SourceSettings | None, name: str, env: str) -> Source:
    if not name or name == env:
        raise OperationError(
            f"'{name}' is not another environment to promote from.",
            f"Name one with FROM=, or set release.promote_from in environments/{env}.yaml.",
        )
    environment = load_environment(name, ROOT / "environments")
    role = settings.role if settings and settings.environment == name else None
    session: Any = session_of(environment, role, f"promote-to-{env}")
    s3 = session.client("s3")
    store = Store(s3, environment.naming.release_bucket(environment.account))
    return Source(environment, Records(store, name, ROOT / "releases"), s3)


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
        _fail(f"AWS refuses: {error}\nCheck the rights of these credentials.")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _fail(text: str) -> None:
    Console(stderr=True, highlight=False).print(f"✗ {text}", markup=False, soft_wrap=True)
    raise typer.Exit(1) from None


if __name__ == "__main__":
    sys.exit(app())
