"""Reports of a proof: a page for people, Markdown for reviews, JSON for programs."""

import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proof.model import Proof
from proof.report.bill import bill, monthly
from proof.report.content import accepted, clean, grants, named, sections, state, verdict
from proof.report.text import text

FOLDER = Path(__file__).parent
STYLES = {
    "violation": "bold red",
    "undecided": "bold yellow",
    "warning": "bold",
    "holds": "bold green",
}


def write(proof: Proof, folder: Path) -> list[Path]:
    """Write the reports; each file as a whole or not at all.

    Parameters
    ----------
    proof
        The proof. Equal proofs give equal bytes.
    folder
        Where they go; it is made where it is missing.

    Returns
    -------
    list of pathlib.Path
        The page, the Markdown and the JSON, called after the proof's subject.
    """
    name = re.sub(r"[^\w.-]+", "-", proof.subject).strip(".-") or "proof"
    folder.mkdir(parents=True, exist_ok=True)
    contents = {".html": page(proof), ".md": text(proof), ".json": data(proof)}
    return [_write(folder / f"{name}{ending}", each) for ending, each in contents.items()]


def page(proof: Proof) -> str:
    """The proof as one HTML page that needs nothing else.

    Parameters
    ----------
    proof
        The proof.
    """
    from proof.report.picture import draw

    return str(
        _template().render(
            proof=proof,
            verdict=verdict(proof),
            state=state(proof),
            sections=sections(proof),
            picture=draw(proof.components, proof.reaches),
            labels={each.id: each.label for each in proof.components},
            grants=grants(proof.rights),
            bill=bill(proof),
            monthly=monthly,
            named=named(proof),
            accepted=accepted(proof.acknowledgments),
        )
    )


def data(proof: Proof) -> str:
    """The proof as JSON, with the verdict and the bill.

    Parameters
    ----------
    proof
        The proof.
    """
    bills = bill(proof)
    content = asdict(proof) | {
        "verdict": verdict(proof),
        "holds": state(proof) == "holds",
        "bill": asdict(bills) | {"month": round(bills.month, 2)},
    }
    return json.dumps(content, sort_keys=True, indent=2, default=sorted) + "\n"


def summary(proof: Proof) -> RenderableType:
    """What a terminal shows: the verdict, the findings by question, and the bill.

    Parameters
    ----------
    proof
        The proof.
    """
    shown: list[RenderableType] = []
    for section in sections(proof):
        table = Table(
            title=_styled(f"{section.question.value} {section.verdict}", section.verdict),
            title_justify="left",
            show_header=False,
            box=None,
            padding=(0, 2, 0, 0),
            expand=True,
        )
        table.add_column(ratio=1)
        for each in section.findings:
            parts = (
                (f"{each.verdict.value} {each.rule} ", STYLES[each.verdict.value]),
                (f"{each.template} {each.logical_id}\n", "bold"),
                (f"  {each.says}\n", ""),
                (f"  path: {' → '.join(each.path)}\n", "dim"),
                (f"  mend: {each.mend}", ""),
            )
            table.add_row(Text.assemble(*((str(clean(words)), style) for words, style in parts)))
        shown += [table, Text()]
    shown += [Text(line) for line in bill(proof).lines]
    if proof.acknowledgments:
        count = len(proof.acknowledgments)
        shown.append(
            Text(f"{count} findings of the rule packs are acknowledged: the report lists them.")
        )
    shown.append(_styled(f"{proof.subject}: {verdict(proof)}.", state(proof)))
    return Group(*shown)


def _styled(words: str, kind: str) -> Text:
    return Text(str(clean(words)), style=STYLES.get(kind, "bold"))


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _write(path: Path, content: str) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(content, encoding="utf-8", newline="\n")
    partial.replace(path)
    return path
