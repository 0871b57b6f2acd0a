"""What speaks against templates before anybody is asked: the proof, and cfn-lint.

The rule packs have spoken by then: a finding of theirs ends the synth.
"""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from proof.environment import prove_environment
from stacks.config import Environment

EXPECTED: Mapping[str, str] = {
    "W3005": "the CDK writes dependencies that a reference implies already; they do no harm",
    "W6001": "a stack says all that whoever uses it is to be told, of other stacks too",
}
"""What cfn-lint finds although it is right here, with the reason."""


def check_templates(
    environment: Environment, folder: Path, templates: Iterable[Path], environments: Path
) -> list[str]:
    """What speaks against templates.

    Parameters
    ----------
    environment
        The environment.
    folder
        The folder of all that is proved together: an assembly, or templates alone.
    templates
        The templates that cfn-lint looks at.
    environments
        Folder of the environments.
    """
    proof = prove_environment(environment.name, folder, environments)
    against = (*proof.violations, *proof.undecided)
    found = [f"proof: {it.rule} at {it.logical_id}: {it.says} {it.mend}" for it in against]
    return found + [it for each in templates for it in _lint(each, environment.region)]


def _lint(template: Path, region: str) -> list[str]:
    options = ("--format", "parseable", "--regions", region, "--ignore-checks", *EXPECTED)
    result = subprocess.run(
        ["cfn-lint", *options, "--", str(template)], capture_output=True, text=True
    )
    said = (result.stdout + result.stderr).strip()
    return [f"cfn-lint: {line}" for line in said.splitlines()] if result.returncode else []
