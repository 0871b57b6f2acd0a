"""The commands of an operator or a pipeline: ``python -m operations --help``."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console

from mlops_constructs.faults import FaultsError
from operations.contract import check_sample, neighbours_of
from operations.deployment import Deployment, check_account, run_cdk
from operations.errors import OperationError
from operations.images import BuildSettings, find_engine
from releasing.checkout import CheckoutRecords  # noqa: TID251 - it stands above both
from stacks.config import Environment, json_schema, load_environment

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "environments"

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)
Env = Annotated[str, typer.Option("--env", help="Name of the environment.")]
Engine = Annotated[
    str, typer.Option(help="Container engine: docker, podman, nerdctl; the first that answers.")
]
BuildArg = Annotated[
    list[str] | None,
    typer.Option("--build-arg", help="NAME=value for the build, such as BASE_IMAGE=<image>."),
]
Login = Annotated[
    str,
    typer.Option(
        help="The user of MLflow who releases, by the secret with the login; what"
        " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD say if not given."
    ),
]
Releases = Annotated[Path, typer.Option(help="Folder of the releases.")]


@app.command()
def images(
    env: Env,
    engine: Engine = "",
    build_arg: BuildArg = None,
    releases: Releases = ROOT / "releases",
) -> None:
    """Build the images with a container engine, push them to ECR, and record their digests."""
    with _errors():
        environment = load_environment(env, ENVIRONMENTS)
        settings = _build_settings(engine, build_arg)
        _deployment(environment, releases).push_images(settings)


@app.command()
def release(
    env: Env,
    endpoint: Annotated[str, typer.Option(help="Name of the endpoint.")],
    tracking_uri: Annotated[
        str, typer.Option(help="Address of MLflow; that of the Tracking stack if not given.")
    ] = "",
    login: Login = "",
    releases: Releases = ROOT / "releases",
) -> None:
    """Resolve what an endpoint's model alias means now, and record it for synth."""
    with _errors():
        environment = load_environment(env, ENVIRONMENTS)
        _deployment(environment, releases, login=login).release(endpoint, tracking_uri)


@app.command()
def deploy(
    env: Env,
    engine: Engine = "",
    build_arg: BuildArg = None,
    prebuilt: Annotated[
        bool, typer.Option(help="Use the recorded images as they are, and build none.")
    ] = False,
    login: Login = "",
    releases: Releases = ROOT / "releases",
) -> None:
    """Deploy a whole environment on AWS: what holds state, the images, the rest."""
    with _errors():
        environment = load_environment(env, ENVIRONMENTS)
        build = None if prebuilt else _build_settings(engine, build_arg)
        for line in _deployment(environment, releases, build, login).run():
            _say(line)


@app.command()
def webhook(
    env: Env,
    tracking_uri: Annotated[
        str, typer.Option(help="Address of MLflow; that of the Tracking stack if not given.")
    ] = "",
) -> None:
    """Have MLflow tell the platform when an alias is set, and try it out."""
    with _errors():
        environment = load_environment(env, ENVIRONMENTS)
        _deployment(environment, ROOT / "releases").webhook(tracking_uri)


@app.command()
def source(env: Env) -> None:
    """Make this checkout what releases are made with from now on."""
    with _errors():
        environment = load_environment(env, ENVIRONMENTS)
        _say(f"✓ {_deployment(environment, ROOT / 'releases').put_source()}")


@app.command()
def contract(
    env: Env,
    endpoint: Annotated[str, typer.Option(help="Name of the endpoint.")],
    at: Annotated[
        list[str],
        typer.Option(
            help="NAME=URL of each container, which runs: 'features=http://127.0.0.1:81'."
        ),
    ],
    models: Annotated[
        Path, typer.Option(help="Folder that holds the files of each container, by its name.")
    ],
    sample: Annotated[Path, typer.Option(help="What a client sends: .csv, .json or .jsonl.")],
) -> None:
    """See whether each container of an endpoint accepts what the last one emits."""
    with _errors():
        environment = load_environment(env, ENVIRONMENTS)
        neighbours = neighbours_of(environment, endpoint, at, models)
        for exchange in check_sample(neighbours, sample):
            _say(f"✓ {exchange}")


@app.command()
def baseline(
    data: Annotated[Path, typer.Option(help="CSV of the training, with a header.")],
    folder: Annotated[Path, typer.Option(help="Folder to write: baseline, in the model's.")],
    problem: Annotated[
        str,
        typer.Option(help="Regression, BinaryClassification or MulticlassClassification."),
    ] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(help="NAME=value, how good the model was, such as rmse=2.2."),
    ] = None,
) -> None:
    """Write what monitoring compares an endpoint's traffic with: the baseline of a training."""
    # pandas is what trains models, and no other command needs it.
    from operations.baseline import read_metrics, read_table, write_baseline

    with _errors():
        metrics = read_metrics(metric or ())
        for path in write_baseline(read_table(data), folder, problem=problem, metrics=metrics):
            _say(f"✓ {path}")


@app.command()
def schema(
    target: Annotated[Path, typer.Option(help="File to write.")] = ENVIRONMENTS / "schema.json",
) -> None:
    """Write the JSON schema of the environments, for editors."""
    target.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")


def _build_settings(engine: str, build_arg: list[str] | None) -> BuildSettings:
    return BuildSettings(find_engine(engine), tuple(build_arg or ()))


def _deployment(
    environment: Environment, releases: Path, build: BuildSettings | None = None, login: str = ""
) -> Deployment:
    session = boto3.Session(region_name=environment.region)
    check_account(environment, session)
    return Deployment(
        environment,
        session,
        root=ROOT,
        releases=releases,
        served=CheckoutRecords(environment, releases, session.client("s3"), _say),
        build=build,
        cdk=partial(run_cdk, environment, ROOT, releases),
        say=_say,
        login=login,
    )


def _say(line: str) -> None:
    Console(highlight=False).print(line, markup=False, soft_wrap=True)


@contextmanager
def _errors() -> Iterator[None]:
    """End with what happened and what to do, and no traceback, where the user can mend it."""
    try:
        yield
    except (OperationError, FaultsError) as error:
        text = f"{error.what}\n{error.fix}" if isinstance(error, OperationError) else str(error)
        Console(stderr=True, highlight=False).print(f"✗ {text}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


if __name__ == "__main__":
    sys.exit(app())
