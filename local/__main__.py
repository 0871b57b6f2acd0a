"""The commands of the local platform: ``python -m local --help``."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local.pace import MINUTE, Pace
from local.state import ROOT, StateFolder
from mlops_constructs.faults import FaultsError
from operations.errors import OperationError

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)
INTERRUPTED = 130


@app.callback()
def main() -> None:
    """The same platform on this machine, without an account."""


Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the embedded AWS; 0 finds a free one.")
]
State = Annotated[Path, typer.Option(help="Folder that everything is kept in.")]

Keep = Annotated[bool, typer.Option(help="Leave the platform up until Ctrl-C, or end by itself.")]
Minute = Annotated[
    float,
    typer.Option(min=0.1, help="Seconds that a minute of deployments, alarms and cooldowns takes."),
]


@app.command()
def demo(
    keep: Keep = True, port: Port = 0, state: State = ROOT / ".local", minute: Minute = MINUTE
) -> None:
    """Deploy the platform, train and register a model, serve it, and ask it."""
    with _platform_command() as console:
        # Imported late: --help and a wrong option need none of it.
        from local.demo import demo as run_demo

        run_demo(StateFolder(state), port, keep, console, Pace(minute))


@app.command(name="demo-release")
def demo_release(
    keep: Keep = True, port: Port = 0, state: State = ROOT / ".local", minute: Minute = MINUTE
) -> None:
    """Deploy the platform, move an alias, and watch the platform follow; or say why it did not."""
    with _platform_command() as console:
        from local.demo_release import demo_release as run_demo_release

        run_demo_release(StateFolder(state), port, keep, console, Pace(minute))


@app.command()
def examples(port: Port = 0, state: State = ROOT / ".local") -> None:
    """Deploy the platform, and take diabetes and abalone from training to the API."""
    with _platform_command() as console:
        from local.examples import examples as run_examples

        run_examples(StateFolder(state), port, console)


@app.command()
def contract(
    endpoint: Annotated[str, typer.Option(help="Name of the endpoint.")],
    models: Annotated[
        Path, typer.Option(help="Folder that holds the files of each container, by its name.")
    ],
    sample: Annotated[Path, typer.Option(help="What a client sends: .csv, .json or .jsonl.")],
    env: Annotated[str, typer.Option(help="Name of the environment.")] = "local",
) -> None:
    """Start the containers of an endpoint, and see whether each accepts what the last emits."""
    with _command() as console:
        from local.contract import check
        from stacks.config import load_environment

        environment = load_environment(env, ROOT / "environments")
        for exchange in check(environment, endpoint, models, sample):
            console.print(f"✓ {exchange}", markup=False, soft_wrap=True)


@contextmanager
def _platform_command() -> Iterator[Console]:
    """A command that deploys."""
    if not shutil.which("node") or not shutil.which("cdk"):
        Console(stderr=True, highlight=False).print(
            "Node or the cdk CLI is not on the PATH, and nothing can be deployed without them.\n"
            "Run 'make demo', which installs both into the checkout and finds them there."
        )
        raise typer.Exit(1)
    with _command() as console:
        yield console


@contextmanager
def _command() -> Iterator[Console]:
    """A command that starts programs; it ends with what happened and what to do."""
    # Where nobody watches, lines may be as long as they like.
    width = None if sys.stdout.isatty() else 140
    errors = Console(stderr=True, highlight=False)
    # The end of a terminal, or of the job that runs this, ends the platform as Ctrl-C does; and
    # Ctrl-C does so even where a shell started this in the background, which ignores it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield Console(highlight=False, width=width)
    except (OperationError, FaultsError) as error:
        errors.print(f"\n[red]✗[/red] {_escaped(error)}", soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("\nInterrupted. Nothing is left running.")
        raise typer.Exit(INTERRUPTED) from None


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _escaped(error: Exception) -> str:
    """An error's text, with nothing that would be read as markup."""
    text = f"{error.what}\n{error.fix}" if isinstance(error, OperationError) else str(error)
    return text.replace("[", r"\[")


if __name__ == "__main__":
    sys.exit(app())
