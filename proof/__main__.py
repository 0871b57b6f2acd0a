"""The privacy proof: ``python -m proof --help``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mlops_constructs.faults import FaultsError
from proof.environment import prove_environment
from proof.model import Proof
from proof.prove import prove
from proof.report.report import summary, write
from proof.rights.role_policies import examine_rights

ROOT = Path(__file__).resolve().parent.parent
WRONG_INPUT, VIOLATED, UNDECIDED = 2, 1, 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Prove from synthesized templates that a network is closed."
    " Exit status: 0 where everything holds, 1 with a violation, 3 with something undecided,"
    " 2 for wrong input.",
)
Output = Annotated[Path, typer.Option(help="Folder of the reports.")]
Account = Annotated[str, typer.Option(help="The account that the templates are deployed to.")]
Region = Annotated[str, typer.Option(help="The region that they are deployed to.")]


@app.command()
def environment(
    name: Annotated[str, typer.Argument(help="Name of the environment.")],
    assembly: Annotated[Path, typer.Option(help="Its cloud assembly, made by cdk synth.")],
    output: Output = Path("build/proof"),
    environments: Annotated[Path, typer.Option(help="Folder of the environments.")] = ROOT
    / "environments",
) -> None:
    """Prove an environment of ours, which claims to be closed."""
    _end(lambda: prove_environment(name, assembly, environments), output)


@app.command()
def templates(
    folder: Annotated[Path, typer.Argument(help="Folder of CloudFormation templates.")],
    output: Output = Path("build/proof"),
    account: Account = "",
    region: Region = "",
) -> None:
    """Prove any folder of CloudFormation templates, as one system."""
    subject = folder.resolve().name or "templates"
    work = lambda: prove(  # noqa: E731
        folder, subject, account=account, region=region, rights=examine_rights
    )
    _end(work, output)


def _end(work: Callable[[], Proof], output: Path) -> None:
    """Do the work, say what was found, and end with its exit status."""
    try:
        proof = work()
    except FaultsError as error:
        Console(stderr=True, highlight=False).print(f"✗ {error}", markup=False, soft_wrap=True)
        raise typer.Exit(WRONG_INPUT) from None
    console = Console(highlight=False)
    console.print(summary(proof))
    for path in write(proof, output):
        console.print(f"Written: {path}", markup=False, soft_wrap=True)
    if proof.violations:
        raise typer.Exit(VIOLATED)
    if proof.undecided:
        raise typer.Exit(UNDECIDED)


if __name__ == "__main__":
    sys.exit(app())
