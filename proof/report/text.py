"""A proof as Markdown, for reviews that happen where code is reviewed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from proof.model import Proof, Question
from proof.report.bill import bill, monthly
from proof.report.content import Section, accepted, clean, grants, named, sections, verdict


def text(proof: Proof) -> str:
    """The proof as Markdown.

    Parameters
    ----------
    proof
        The proof.
    """
    return "\n".join(_lines(proof)) + "\n"


def _lines(proof: Proof) -> Iterator[str]:
    yield f"# Privacy proof: {plain(proof.subject)}"
    yield ""
    yield f"**{verdict(proof)}.** {len(proof.rules)} rules, {len(proof.templates)} templates."
    for section in sections(proof):
        yield from _section(section)
        if section.question is Question.REACH:
            yield from _table(
                ("From", "To", "Port", "As", "Allowed by"),
                (
                    (each.source, each.target, each.port, each.identity, ", ".join(each.evidence))
                    for each in sorted(proof.reaches)
                ),
            )
        if section.question is Question.RIGHTS:
            yield from _table(
                ("Role", "Assumed by", "Actions", "Resources", "Conditions", "Policy"),
                (
                    (
                        role,
                        ", ".join(trusted),
                        ", ".join(each.actions),
                        ", ".join(each.resources),
                        "; ".join(each.conditions),
                        each.evidence,
                    )
                    for role, trusted, held in grants(proof.rights)
                    for each in held
                ),
            )
        if section.question is Question.SERVICES:
            yield from _services(proof)
    yield from ("", "## Named on purpose", "")
    yield from [f"- {plain(what)}: {plain(value)}" for what, value in named(proof)] or ["Nothing."]
    yield from ("", "## Accepted findings of rule packs")
    yield from _table(
        ("Rules", "Why", "Constructs"),
        (
            (", ".join(rules), reason, ", ".join(constructs))
            for reason, rules, constructs in accepted(proof.acknowledgments)
        ),
    )
    yield from ("", "## Templates", "")
    yield from (f"- {plain(each)}" for each in proof.templates)


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.question.value}", "", f"**{section.verdict.capitalize()}.**", "")
    for each in section.findings:
        yield f"- **{each.verdict}** {plain(each.rule)}: {plain(each.says)}"
        yield f"  - where: {plain(each.template)}, {plain(each.logical_id)}"
        yield f"  - path: {' → '.join(plain(step) for step in each.path)}"
        yield f"  - mend: {plain(each.mend)}"
    yield from _table(
        ("Rule", "What holds", "Examined", "Violations", "Undecided"),
        (
            (rule.id, rule.says, str(rule.examined), str(violations), str(undecided))
            for rule, violations, undecided in section.rules
        ),
    )


def _services(proof: Proof) -> Iterator[str]:
    price = proof.expectations.price
    yield from _table(
        ("Service", "Endpoint", "Kind", "Zones", "Month", "Called by"),
        (
            (
                each.service,
                each.endpoint or "none",
                each.kind,
                str(each.zones),
                monthly(each.zones, price) if each.kind == "interface" else "",
                ", ".join(each.callers),
            )
            for each in sorted(proof.services)
        ),
    )
    yield ""
    yield from (plain(line) for line in bill(proof).lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    listed = list(rows)
    yield ""
    if not listed:
        yield "None."
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in listed:
        yield f"| {' | '.join(plain(cell) for cell in row)} |"


def plain(value: str) -> str:
    """Text that Markdown takes for nothing but text, on one line."""
    line = escape(" ".join(str(clean(value)).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]|~])", r"\\\1", line)
