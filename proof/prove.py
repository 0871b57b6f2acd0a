"""The proof: every question asked of one folder of templates."""

import json
from collections.abc import Callable
from pathlib import Path

from mlops_constructs.faults import Fault, raise_faults
from proof.model import Acknowledgment, Expectations, Finding, Proof, Right, Rule
from proof.reach import reach
from proof.services import services
from proof.system.system import System
from proof.system.templates import load_templates
from proof.ways import ways

Rights = Callable[[System], tuple[list[Rule], list[Finding], list[Right]]]


def prove(
    folder: Path,
    subject: str,
    expectations: Expectations | None = None,
    *,
    account: str = "",
    region: str = "",
    ours: bool = False,
    rights: Rights | None = None,
) -> Proof:
    """Ask every question of a folder of templates.

    Parameters
    ----------
    folder
        The folder.
    subject
        Name of the environment, or of the folder.
    expectations
        What is named on purpose; nothing if not given.
    account, region
        Where the templates are deployed; unknown if not given.
    ours
        Whether the templates claim to be closed, as an environment of this platform does:
        then a safeguard that is missing is a violation, and undecided otherwise.
    rights
        What answers the question about rights; not asked if not given.

    Raises
    ------
    FaultsError
        Where the folder holds no templates, or templates that cannot be read.

    Examples
    --------
    >>> prove(Path("build/cdk.out"), "prod", ours=True).violations  # doctest: +SKIP
    ()
    """
    named = expectations or Expectations()
    system = System(load_templates(folder), named, account=account, region=region, ours=ours)
    rules, findings = ways.examine(system)
    reached = reach.examine(system)
    used = services.examine(system, reached)
    rules += [*reached.rules, *used.rules]
    findings += [*reached.findings, *used.findings]
    held: list[Right] = []
    if rights:
        more_rules, more_findings, held = rights(system)
        rules += more_rules
        findings += more_findings
    return Proof(
        subject=subject,
        templates=tuple(template.file for template in system.templates),
        rules=tuple(sorted(rules)),
        findings=tuple(sorted(findings)),
        components=tuple(sorted(reached.components)),
        reaches=tuple(sorted(reached.reaches)),
        rights=tuple(sorted(held)),
        services=tuple(sorted(used.services)),
        acknowledgments=tuple(sorted(acknowledgments(folder))),
        expectations=named,
    )


def acknowledgments(folder: Path) -> list[Acknowledgment]:
    """What the rule packs found at synth and was accepted, from an assembly's report.

    Parameters
    ----------
    folder
        The cloud assembly.

    Raises
    ------
    FaultsError
        Where the report cannot be read.
    """
    report = folder / "validation-report.json"
    if not report.is_file():
        return []
    try:
        plugins = json.loads(report.read_text(encoding="utf-8")).get("pluginReports", [])
        return sorted(
            {
                Acknowledgment(
                    found.get("acknowledgedId") or found["ruleName"],
                    found.get("acknowledgedAt") or place["constructPath"],
                    found.get("reason", ""),
                )
                for plugin in plugins
                for found in plugin.get("suppressedViolations", [])
                for place in found.get("violatingConstructs", [{"constructPath": ""}])
            }
        )
    except (ValueError, AttributeError, KeyError, TypeError):
        fault = Fault(str(report), "another form", "the report of a synth", "Synthesize anew.")
        raise_faults("validation report", [fault])
        raise
