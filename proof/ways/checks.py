"""How a rule is written, and how what it sees becomes findings.

A rule judges one resource in one branch and yields what is wrong with it:

- ``broken``: a way is open. A violation, whoever wrote the templates.
- ``lacking``: a safeguard is missing that AWS's published private networks do without, such as
  an endpoint policy or a DNS firewall. A violation for an environment of ours, which claims to
  have it; undecided elsewhere, since other layers may hold.
- ``unsure``: the templates do not say. Always undecided.
- ``weak``: nothing is open, and it could be closed better. Always a warning.

What only opens where somebody overrides a parameter's default is undecided too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from proof.model import Finding, Question, Rule, Verdict
from proof.system.system import System, View


class Grade(Enum):
    """How sure a rule is of what it saw."""

    BROKEN = "broken"
    LACKING = "lacking"
    UNSURE = "unsure"
    WEAK = "weak"


@dataclass(frozen=True)
class Sight:
    """What a rule saw on a resource.

    Parameters
    ----------
    grade
        How sure it is.
    says
        What is there, in one sentence.
    path
        The evidence after the resource itself.
    """

    grade: Grade
    says: str
    path: tuple[str, ...] = ()


def broken(says: str, *path: str) -> Sight:
    """A way that is open."""
    return Sight(Grade.BROKEN, says, path)


def lacking(says: str, *path: str) -> Sight:
    """A safeguard that is missing."""
    return Sight(Grade.LACKING, says, path)


def unsure(says: str, *path: str) -> Sight:
    """Something that the templates do not say."""
    return Sight(Grade.UNSURE, says, path)


def weak(says: str, *path: str) -> Sight:
    """Something that is closed, and could be closed better."""
    return Sight(Grade.WEAK, says, path)


Judge = Callable[[View, System], Iterable[Sight]]


@dataclass(frozen=True)
class Check:
    """A rule.

    Parameters
    ----------
    id
        Its id: ``way.internet-gateway``.
    says
        What holds where nothing is found.
    mend
        What to do about a finding.
    types
        The types of resources that it judges.
    judge
        The judgement of one resource in one branch.
    question
        The question that it belongs to.
    """

    id: str
    says: str
    mend: str
    types: tuple[str, ...]
    judge: Judge
    question: Question = Question.WAYS

    def run(self, system: System) -> tuple[Rule, list[Finding]]:
        """Judge every resource of a system."""
        findings: list[Finding] = []
        resources = system.of(*self.types)
        for resource in resources:
            views = system.branches(resource)
            seen: dict[Sight, list[View]] = defaultdict(list)
            for view in views:
                for sight in dict.fromkeys(self.judge(view, system)):
                    seen[sight].append(view)
            findings += [
                self._finding(sight, where, len(views), system) for sight, where in seen.items()
            ]
        return Rule(self.question, self.id, self.says, len(resources)), findings

    def _finding(self, sight: Sight, where: list[View], views: int, system: System) -> Finding:
        resource = where[0].resource
        assumed = all(view.assumed for view in where)
        verdict = Verdict.VIOLATION
        if sight.grade is Grade.WEAK:
            verdict = Verdict.WARNING
        elif (
            assumed
            or sight.grade is Grade.UNSURE
            or (sight.grade is Grade.LACKING and not system.ours)
        ):
            verdict = Verdict.UNDECIDED
        branch = "" if len(where) == views else f" Where {' and '.join(where[0].branch)}."
        return Finding(
            self.question,
            self.id,
            resource.template.file,
            resource.logical_id,
            verdict,
            sight.says + branch,
            (resource.id, *sight.path),
            self.mend,
        )


class Register:
    """The rules of a question, in the order in which they are written."""

    def __init__(self, question: Question) -> None:
        self.checks: list[Check] = []
        self._question = question

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def rule(self, identity: str, *types: str, says: str, mend: str) -> Callable[[Judge], Judge]:
        """Make a function a rule over some types of resources."""

        def add(judge: Judge) -> Judge:
            self.checks.append(Check(identity, says, mend, types, judge, self._question))
            return judge

        return add
