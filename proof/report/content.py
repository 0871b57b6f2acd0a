"""What the reports of a proof say, in which order: shared by the page, the text and the console."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from proof.model import Acknowledgment, Finding, Proof, Question, Right, Rule, Verdict

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What XML and terminals cannot show."""


@dataclass(frozen=True)
class Section:
    """One of the four questions.

    Parameters
    ----------
    question
        The question.
    rules
        Each rule, how many violations it has, and how many undecided.
    findings
        What was found, violations first and warnings last.
    """

    question: Question
    rules: tuple[tuple[Rule, int, int], ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """``violation``, ``undecided``, ``holds``, or ``nothing examined``."""
        kinds = {each.verdict for each in self.findings}
        for kind in (Verdict.VIOLATION, Verdict.UNDECIDED):
            if kind in kinds:
                return kind.value
        return "holds" if self.rules else "nothing examined"


def verdict(proof: Proof) -> str:
    """The answer in one line.

    Parameters
    ----------
    proof
        The proof.
    """
    if not proof.rules:
        return "Nothing was examined"
    counts = list(_counts(len(proof.violations), len(proof.undecided), len(proof.warnings)))
    if not proof.violations and not proof.undecided:
        counts.insert(0, "Everything holds")
    return ", ".join(counts)


def state(proof: Proof) -> str:
    """``violation``, ``undecided`` or ``holds``, as nothing is fine that nobody looked at.

    Parameters
    ----------
    proof
        The proof.
    """
    if proof.violations:
        return Verdict.VIOLATION.value
    return "holds" if proof.rules and not proof.undecided else Verdict.UNDECIDED.value


def sections(proof: Proof) -> tuple[Section, ...]:
    """The four questions with their rules and findings.

    Parameters
    ----------
    proof
        The proof.
    """
    return tuple(_section(proof, question) for question in Question)


def grants(rights: Iterable[Right]) -> list[tuple[str, tuple[str, ...], list[Right]]]:
    """The rights of each role: its id, whom it trusts, and its statements.

    Parameters
    ----------
    rights
        The rights of all roles.
    """
    by_role: dict[str, list[Right]] = defaultdict(list)
    for each in sorted(rights):
        by_role[each.role].append(each)
    return [(role, held[0].trusted, held) for role, held in by_role.items()]


def accepted(
    acknowledgments: Iterable[Acknowledgment],
) -> list[tuple[str, list[str], list[str]]]:
    """Accepted findings by reason: the reason, its rules, its constructs.

    Parameters
    ----------
    acknowledgments
        All of them.
    """
    by_reason: dict[str, list[Acknowledgment]] = defaultdict(list)
    for each in acknowledgments:
        by_reason[each.reason].append(each)
    return [
        (reason, sorted({e.rule for e in held}), sorted({e.construct for e in held}))
        for reason, held in sorted(by_reason.items())
    ]


def named(proof: Proof) -> list[tuple[str, str]]:
    """What the configuration names on purpose: what it is, and its value.

    Parameters
    ----------
    proof
        The proof.
    """
    expected = proof.expectations
    return [
        *(("Network attachment", each) for each in sorted(expected.attachments)),
        *(("Account", each) for each in sorted(expected.accounts)),
        *(("Organization", each) for each in [expected.organization] if each),
        *(
            (f"Shared endpoint for {name}", each)
            for name, each in sorted(expected.shared_endpoints)
        ),
        *((f"Reason for {key}", reason) for key, reason in sorted(expected.reasons)),
    ]


def clean(value: object) -> object:
    """Text that can be shown anywhere; markup, and what is no text, stays as it is.

    Parameters
    ----------
    value
        What is shown.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return UNPRINTABLE.sub("\ufffd", value)


def _counts(violations: int, undecided: int, warnings: int) -> Iterable[str]:
    if violations:
        yield f"{violations} violation{'s' if violations > 1 else ''}"
    if undecided:
        yield f"{undecided} undecided"
    if warnings:
        yield f"{warnings} warning{'s' if warnings > 1 else ''}"


def _section(proof: Proof, question: Question) -> Section:
    findings = sorted(each for each in proof.findings if each.question is question)
    ordered = sorted(findings, key=lambda each: list(Verdict).index(each.verdict))

    def count(rule: Rule, verdict: Verdict) -> int:
        return sum(each.rule == rule.id and each.verdict is verdict for each in findings)

    counted = [
        (each, count(each, Verdict.VIOLATION), count(each, Verdict.UNDECIDED))
        for each in proof.rules
        if each.question is question
    ]
    # What is broken first, and last what nothing of the templates was examined for.
    rules = sorted(counted, key=lambda each: (not any(each[1:]), not each[0].examined, each[0]))
    return Section(question, tuple(rules), tuple(ordered))
