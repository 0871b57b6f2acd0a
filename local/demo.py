"""`make demo`: from nothing to a model that answers through the whole platform."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.database import ServerProgram, find_server
from local.images import current_image
from local.pace import Pace
from local.platform import ENVIRONMENT, LocalPlatform, running_platform
from local.progress import Steps
from local.stand_ins import STAND_IN
from local.state import ROOT, StateFolder
from operations.errors import OperationError
from operations.records import write_release
from operations.release import resolve_release
from stacks.releases import load_images

ENDPOINT = "iris"
SCIENTIST, PIPELINE = "ana", "release"
"""The users of MLflow who log the model, and who release it."""

PETAL = {"petal_length": 0.4, "petal_width": 1.4}
SAMPLES = ROOT / "examples" / "iris"

FIND, IMAGES, START, BOOTSTRAP = (
    "Find a MySQL-protocol server",
    "Install the images",
    "Start the embedded AWS",
    "cdk bootstrap",
)
DEPLOY, TRAIN, PUBLISH, RELEASE, SERVE, ASK = (
    "cdk deploy: Network, Data, Tracking, Api",
    "Train the iris model",
    "Log it to MLflow, register it, set the alias champion",
    "Resolve models:/iris@champion into a release",
    "cdk deploy: Endpoint-iris",
    "Ask the API",
)


def demo(
    state: StateFolder, port: int, keep: bool, console: Console, pace: Pace | None = None
) -> None:
    """Run the demo.

    Parameters
    ----------
    state
        The folder that everything is kept in.
    port
        Where the embedded AWS listens; a free port where 0.
    keep
        Whether to leave the platform up until Ctrl-C.
    console
        Where to show it.
    pace
        How fast the waits of the services pass; see `Pace`.

    Raises
    ------
    OperationError
        Where a step fails; nothing is left running.
    """
    steps = Steps(console)
    with without_endpoints(steps, state, port, pace) as (platform, program):
        with steps.step(TRAIN):
            folder = train(platform)
        with steps.step(PUBLISH):
            publish(platform, folder)
        with steps.step(RELEASE):
            release(platform)
        with steps.step(SERVE) as say:
            platform.deploy(f"Endpoint-{ENDPOINT}", say=say)
        with steps.step(ASK):
            answer = ask(platform, ENDPOINT, PETAL, platform.api_key())
        console.print(f"\nPOST {platform.invocation_url(ENDPOINT)}", highlight=False)
        console.print(f"     {json.dumps(PETAL)}", highlight=False)
        console.print(f"  →  [bold green]{answer['category']}[/bold green]\n")
        console.print(parts(platform, program, steps.seconds))
        for part, what in platform.addresses().items():
            if part.startswith(STAND_IN):
                console.print(f"{part}: {what}", soft_wrap=True, highlight=False)
        console.print(f"Logs: {platform.state.logs}", soft_wrap=True)
        if keep:
            stay(platform, console)
    console.print("Stopped. Nothing is left running.")


@contextmanager
def without_endpoints(
    steps: Steps, state: StateFolder, port: int, pace: Pace | None = None
) -> Iterator[tuple[LocalPlatform, ServerProgram]]:
    """Start the platform and deploy what stands before any endpoint.

    Parameters
    ----------
    steps
        Where to show it.
    state
        The folder that everything is kept in.
    port
        Where the embedded AWS listens; a free port where 0.
    pace
        How fast the waits of the services pass; see `Pace`.
    """
    with steps.step(FIND) as say:
        program = find_server(say)
    with ExitStack() as running:
        with steps.step(START):
            platform = running.enter_context(running_platform(state, port, pace))
        with steps.step(IMAGES) as say:
            platform.install_images(say)
        with steps.step(BOOTSTRAP) as say:
            platform.bootstrap(say)
        with steps.step(DEPLOY) as say:
            platform.deploy("Network", "Data", "Tracking", "Api", say=say)
        yield platform, program


def train(platform: LocalPlatform) -> Path:
    """Run the iris image's own `train` on the sample data.

    Parameters
    ----------
    platform
        Where to.

    Returns
    -------
    pathlib.Path
        What SageMaker would call ``/opt/ml``.
    """
    folder = platform.state.run / "training"
    channel = folder / "input" / "data" / "train"
    channel.mkdir(parents=True)
    shutil.copy(SAMPLES / "iris.csv", channel)
    image = current_image("iris")
    environment = image.environment(platform.program_environment(folder))
    run_program(image.command(["train"]), {**environment, "SAGEMAKER_BASE_DIR": str(folder)})
    return folder


def publish(platform: LocalPlatform, folder: Path) -> None:
    """Publish what was trained, by the example that a data scientist would run.

    Parameters
    ----------
    platform
        Where MLflow is.
    folder
        What training called ``/opt/ml``.
    """
    metrics = folder / "output" / "data" / "metrics.json"
    run_program(
        [sys.executable, str(SAMPLES / "publish.py"), str(folder / "model"), str(metrics)],
        scientist_environment(platform, folder),
    )


def scientist_environment(platform: LocalPlatform, folder: Path) -> dict[str, str]:
    """The environment of a program that a data scientist runs.

    Parameters
    ----------
    platform
        Where MLflow is.
    folder
        The program's home.
    """
    return {
        **platform.program_environment(folder),
        "MLFLOW_TRACKING_URI": platform.tracking_uri(),
        **platform.login(SCIENTIST),
        "GIT_PYTHON_REFRESH": "quiet",
    }


def release(platform: LocalPlatform, endpoint: str = ENDPOINT) -> None:
    """Write down what an endpoint's aliases mean now.

    Parameters
    ----------
    platform
        Where MLflow and the models are.
    endpoint
        Name of the endpoint.
    """
    images = load_images(platform.state.releases, ENVIRONMENT)
    with platform.logged_in(PIPELINE) as mlflow:
        resolved = resolve_release(
            platform.environment, endpoint, images, mlflow, platform.client("s3")
        )
    write_release(platform.state.releases, ENVIRONMENT, endpoint, resolved)


def ask(
    platform: LocalPlatform, endpoint: str, question: dict[str, float], key: str
) -> dict[str, Any]:
    """Post a question to the API.

    Parameters
    ----------
    platform
        Where the API is.
    endpoint
        Name of the endpoint.
    question
        What to send, as JSON.
    key
        The API's key.

    Raises
    ------
    OperationError
        Where the answer is an error.
    """
    body = json.dumps(question).encode()
    content: dict[str, Any] = json.loads(post(platform, endpoint, body, "application/json", key))
    return content


def post(
    platform: LocalPlatform,
    endpoint: str,
    body: bytes,
    content_type: str,
    key: str,
    accept: str = "*/*",
) -> str:
    """Post a body to the API.

    Parameters
    ----------
    platform
        Where the API is.
    endpoint
        Name of the endpoint.
    body, content_type
        What to send.
    key
        The API's key.
    accept
        The form that the answer is to have.

    Raises
    ------
    OperationError
        Where the answer is an error.
    """
    request = urllib.request.Request(
        platform.invocation_url(endpoint),
        data=body,
        headers={"Content-Type": content_type, "Accept": accept, "x-api-key": key},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise OperationError(
            f"The API answered {error.code}: {said}", f"The logs are in {platform.state.logs}."
        ) from error


def parts(platform: LocalPlatform, program: ServerProgram, seconds: dict[str, float]) -> Table:
    """What runs where, and what of it is real.

    Parameters
    ----------
    platform
        The platform.
    program
        The database server that stands for RDS.
    seconds
        How long each step took.
    """
    table = Table(title="The platform", show_lines=True)
    table.add_column("Part")
    table.add_column("Address", no_wrap=True)
    table.add_column("Real")
    table.add_column("Emulated, or not here")
    table.add_column("s", justify="right", no_wrap=True)
    rows = (
        (
            "AWS's own: CloudFormation, IAM, S3, KMS",
            platform.url,
            "change sets and rollback for the real cdk CLI; objects, secrets, keys",
            "policies are kept, not enforced; nothing is encrypted at rest",
            seconds[BOOTSTRAP],
        ),
        (
            "Network",
            "-",
            "its templates",
            "no packet or name is filtered: no VPC, groups, firewall or endpoint policies",
            platform.deployment_seconds("Network"),
        ),
        (
            "Database (RDS)",
            f"mysql://{platform.address('database')}",
            f"{program.version}, TLS asked for, binary log on, the generated secret",
            "no standby, no backups",
            platform.deployment_seconds("Data"),
        ),
        (
            "MLflow (Fargate, NLB)",
            platform.tracking_uri(),
            "the task's own command and settings, TCP load balancing",
            "a process: no user of its own, no read-only root, no limits",
            platform.deployment_seconds("Tracking"),
        ),
        (
            "Endpoint iris (SageMaker)",
            platform.address(f"endpoint {platform.endpoint_name(ENDPOINT)}"),
            "the image's own `serve` on the registered model, a process for each instance; guard"
            " rails, alarms, scaling, capture",
            f"no network isolation; waits, alarms and cooldowns are short: {platform.pace}",
            platform.deployment_seconds(f"Endpoint-{ENDPOINT}"),
        ),
        (
            "API and invoker (Lambda)",
            platform.url,
            "the function's own code, keys, throttling",
            "not private: the API's policy is not enforced",
            platform.deployment_seconds("Api"),
        ),
    )
    for part, address, real, emulated, spent in rows:
        table.add_row(part, address, real, emulated, f"{spent:.1f}")
    total = sum(seconds.values())
    table.caption = f"{total:.0f} s in all; a part's seconds are CloudFormation's own."
    return table


def stay(platform: LocalPlatform, console: Console) -> None:
    """Leave the platform up until Ctrl-C.

    Parameters
    ----------
    platform
        The platform.
    console
        Where to say what can be done with it.

    Raises
    ------
    OperationError
        Where the embedded AWS ends by itself.
    """
    login = platform.login(SCIENTIST)
    console.print(f"\nMLflow UI: [bold]{platform.tracking_uri()}[/bold]", highlight=False)
    # A password that was made a minute ago, for a server on loopback.
    console.print(
        f"  log in as {login['MLFLOW_TRACKING_USERNAME']} with {login['MLFLOW_TRACKING_PASSWORD']}",
        highlight=False,
    )
    console.print("Ask the model yourself:", highlight=False)
    console.print(
        f"  curl -H 'x-api-key: {platform.api_key()}' -H 'content-type: application/json'"
        f" -d '{json.dumps(PETAL)}' {platform.invocation_url(ENDPOINT)}",
        highlight=False,
        soft_wrap=True,
    )
    console.print("Ctrl-C stops the platform, and with it what was logged to it.")
    try:
        platform.wait()
    except KeyboardInterrupt:
        console.print()


def run_program(command: list[str], environment: dict[str, str]) -> str:
    """Run a program to its end; what it printed.

    Parameters
    ----------
    command
        Program and arguments.
    environment
        Its whole environment.

    Raises
    ------
    OperationError
        Where it fails, with what it said last.
    """
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    if result.returncode:
        said = (result.stderr or result.stdout).strip().splitlines()
        raise OperationError(
            f"'{Path(command[0]).name}' ended with status {result.returncode}:"
            f" {' | '.join(said[-3:])}",
            "Mend what it says, and try again.",
        )
    return result.stdout
