"""The summary of a change: ``python -m diffing --help``."""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from diffing import terminal
from diffing.base import synthesized
from diffing.deployed import fetch
from diffing.model import Naming
from diffing.naming import from_options, from_text, together
from diffing.prices import prices_of
from diffing.summary import Summary, summarize
from mlops_constructs.faults import Fault, FaultsError, raise_faults
from proof.environment import expectations_of
from stacks.config import load_environment

ROOT = Path(__file__).resolve().parent.parent
WRONG_INPUT, REFUSED = 2, 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Say what a change of the templates comes to. Exit status: 0 where nothing changes or"
    " nothing has to be named, 3 with a destructive change that is not named, 2 for wrong input.",
)
After = Annotated[Path, typer.Argument(help="The cloud assembly, or folder of templates.")]
Output = Annotated[Path, typer.Option(help="Folder of summary.md and summary.json.")]
Env = Annotated[
    str, typer.Option("--env", help="The environment: its prices, and what it names on purpose.")
]
Environments = Annotated[Path, typer.Option(help="Folder of the environments.")]
Allow = Annotated[
    list[str], typer.Option("--allow", help="A destructive change that is meant: <path>=<reason>.")
]
Request = Annotated[
    Path | None,
    typer.Option(help="File of the pull request's text, with its allow-destroy lines."),
]
OUTPUT, ENVIRONMENTS = Path("build/diff"), ROOT / "environments"


@app.command()
def templates(
    before: Annotated[Path, typer.Argument(help="What there was; an empty folder for nothing.")],
    after: After,
    output: Output = OUTPUT,
    env: Env = "",
    environments: Environments = ENVIRONMENTS,
    allow: Allow = [],  # noqa: B006 - typer copies it
    request: Request = None,
) -> None:
    """Compare two folders of templates; nobody is asked."""
    _end(lambda: _summary(before, after, _naming(allow, request), env, environments), output)


@app.command()
def base(
    ref: Annotated[str, typer.Argument(help="What the branch starts from: a branch or a commit.")],
    after: After,
    env: Annotated[str, typer.Option("--env", help="The environment that is compared.")],
    output: Output = OUTPUT,
    environments: Environments = ENVIRONMENTS,
    releases: Annotated[str, typer.Option(help="Folder of the releases; the app's own.")] = "",
    allow: Allow = [],  # noqa: B006
    request: Request = None,
) -> None:
    """Compare an environment's synth with that of another commit, which is made for it."""

    def work() -> Summary:
        naming = _naming(allow, request)
        with synthesized(ROOT, ref, env, releases) as before:
            return _summary(before, after, naming, env, environments)

    _end(work, output)


@app.command()
def deployed(
    after: After,
    output: Output = OUTPUT,
    env: Env = "",
    environments: Environments = ENVIRONMENTS,
    allow: Allow = [],  # noqa: B006
    request: Request = None,
) -> None:
    """Compare a cloud assembly with what CloudFormation has deployed of its stacks."""

    def work() -> Summary:
        naming = _naming(allow, request)
        with TemporaryDirectory() as folder:
            fetch(after, Path(folder))
            return _summary(Path(folder), after, naming, env, environments)

    _end(work, output)


def _summary(before: Path, after: Path, naming: Naming, env: str, environments: Path) -> Summary:
    named = expectations_of(load_environment(env, environments)) if env else None
    prices = prices_of(env, environments)
    return summarize(before, after, naming=naming, prices=prices, named=named)


def _naming(allow: list[str], request: Path | None) -> Naming:
    if request and not request.is_file():
        fault = Fault(
            "--request", str(request), "a file of text", "Write the request's text there."
        )
        raise_faults("what is named", [fault])
    said = from_text(request.read_text(encoding="utf-8")) if request else Naming()
    return together(from_options(allow), said)


def _end(work: Callable[[], Summary], output: Path) -> None:
    """Do the work, show and write what was found, and end with its exit status."""
    try:
        summary = work()
    except FaultsError as error:
        Console(stderr=True, highlight=False).print(f"✗ {error}", markup=False, soft_wrap=True)
        raise typer.Exit(WRONG_INPUT) from None
    Console(highlight=False).print(terminal.text(summary), soft_wrap=True)
    output.mkdir(parents=True, exist_ok=True)
    (output / "summary.md").write_text(summary.markdown(), encoding="utf-8")
    (output / "summary.json").write_text(summary.json() + "\n", encoding="utf-8")
    if summary.refused:
        raise typer.Exit(REFUSED)


if __name__ == "__main__":
    sys.exit(app())
