"""The commands of the local platform: ``python -m local --help``."""

import shutil
import signal
import sys
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


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option(help="Leave the platform up until Ctrl-C, or end by itself.")
    ] = True,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the embedded AWS; 0 finds a free one.")
    ] = 0,
    state: Annotated[Path, typer.Option(help="Folder that everything is kept in.")] = ROOT
    / ".local",
    minute: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds that a minute of deployments, alarms and cooldowns takes."
        ),
    ] = MINUTE,
) -> None:
    """Deploy the platform, train and register a model, serve it, and ask it."""
    # Where nobody watches, lines may be as long as they like.
    width = None if sys.stdout.isatty() else 140
    console = Console(highlight=False, width=width)
    errors = Console(stderr=True, highlight=False)
    # The end of a terminal, or of the job that runs this, ends the platform as Ctrl-C does; and
    # Ctrl-C does so even where a shell started this in the background, which ignores it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if not shutil.which("node") or not shutil.which("cdk"):
        errors.print(
            "Node or the cdk CLI is not on the PATH, and nothing can be deployed without them.\n"
            "Run 'make demo', which installs both into the checkout and finds them there."
        )
        raise typer.Exit(1)
    # Imported late: --help and a wrong option need none of it.
    from local.demo import demo as run_demo

    try:
        run_demo(StateFolder(state), port, keep, console, Pace(minute))
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
