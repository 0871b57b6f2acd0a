"""Proposing a checkout: what the platform of an environment is to be."""

import subprocess
from pathlib import Path
from typing import Any

from diffing.naming import from_options, from_text, together
from mlops_constructs.faults import Fault, raise_faults
from operations.errors import OperationError
from operations.source import PROPOSED, source_zip
from releasing.platform_change import LONGEST_REASON, PROPOSAL, Proposal
from stacks.config import Environment


def propose(
    environment: Environment,
    root: Path,
    s3: Any,
    by: str,
    reason: str,
    request: Path | None,
    allow: list[str],
) -> Proposal:
    """Put a checkout where the pipeline of the platform takes it, and say what it is.

    Parameters
    ----------
    environment
        The environment, whose Data stack is deployed.
    root
        The checkout.
    s3
        A client of S3 that may write this one object.
    by, reason
        Who proposes it, and why.
    request
        A file with the text of a pull request, of which lines name destructive changes; none if not
        given.
    allow
        More of those, each as ``<path>=<reason>``.

    Returns
    -------
    Proposal
        What is proposed.

    Raises
    ------
    OperationError
        Where it is no checkout with a commit.
    FaultsError
        Where what is named cannot be read, or the reason is too long.
    """
    if len(reason) > LONGEST_REASON:
        allowed = f"at most {LONGEST_REASON} letters"
        fault = Fault("reason", f"{len(reason)} letters", allowed, "Say it in a sentence.")
        raise_faults("what is proposed", [fault])
    proposal = Proposal(
        commit=_git(root, "rev-parse", "HEAD"),
        changed=bool(_git(root, "status", "--porcelain")),
        by=by,
        reason=reason,
        request=_named(request, allow),
    )
    text = proposal.model_dump_json(indent=2) + "\n"
    s3.put_object(
        Bucket=environment.naming.release_bucket(environment.account),
        Key=PROPOSED,
        Body=source_zip(root, {PROPOSAL: text.encode()}),
    )
    return proposal


def _named(request: Path | None, allow: list[str]) -> str:
    """The lines that name destructive changes; of a request's text nothing else is of use there."""
    if request and not request.is_file():
        fault = Fault("request", str(request), "a file of text", "Write the request's text there.")
        raise_faults("what is named", [fault])
    text = request.read_text(encoding="utf-8") if request else ""
    named = together(from_text(text), from_options(allow))
    return "\n".join(f"allow-destroy: {path}: {why}" for path, why in named.reasons.items())


def _git(root: Path, *words: str) -> str:
    result = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    if result.returncode:
        raise OperationError(
            f"'git {' '.join(words)}' fails in {root}: {result.stderr.strip()}",
            "What is proposed is named by its commit: use a clone of the repository.",
        )
    return result.stdout.strip()
