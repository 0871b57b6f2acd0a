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
from operations.deployment import Deployment, check_account, run_cdk
from operations.errors import OperationError
from operations.images import BuildSettings, find_engine
from stacks.config import json_schema, load_environment

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
        _deployment(env, releases, engine, build_arg).push_images()


@app.command()
def release(
    env: Env,
    endpoint: Annotated[str, typer.Option(help="Name of the endpoint.")],
    tracking_uri: Annotated[
        str, typer.Option(help="Address of MLflow; that of the Tracking stack if not given.")
    ] = "",
    releases: Releases = ROOT / "releases",
) -> None:
    """Resolve what an endpoint's model alias means now, and record it for synth."""
    with _errors():
        _deployment(env, releases).release(endpoint, tracking_uri)


@app.command()
def deploy(
    env: Env,
    engine: Engine = "",
    build_arg: BuildArg = None,
    releases: Releases = ROOT / "releases",
) -> None:
    """Deploy a whole environment on AWS: what holds state, the images, the rest."""
    with _errors():
        for line in _deployment(env, releases, engine, build_arg).run():
            _say(line)


@app.command()
def schema(
    target: Annotated[Path, typer.Option(help="File to write.")] = ENVIRONMENTS / "schema.json",
) -> None:
    """Write the JSON schema of the environments, for editors."""
    target.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")


def _deployment(
    env: str, releases: Path, engine: str | None = None, build_arg: list[str] | None = None
) -> Deployment:
    """The deployment of an environment; with a container engine where `engine` is text."""
    environment = load_environment(env, ENVIRONMENTS)
    program = "" if engine is None else find_engine(engine)
    session = boto3.Session(region_name=environment.region)
    check_account(environment, session)
    return Deployment(
        environment,
        session,
        root=ROOT,
        releases=releases,
        settings=BuildSettings(program, tuple(build_arg or ())),
        cdk=partial(run_cdk, environment, ROOT, releases),
        say=_say,
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
