"""The cdk CLI, as releases need it: an assembly, and the deployment of one stack of it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from operations.errors import OperationError


class Cdk(Protocol):
    """What makes assemblies and deploys them."""

    def synth(self, releases: Path, assembly: Path, *, only: str = "") -> None:
        """Write the assembly of the environment, or of one endpoint alone."""
        ...

    def deploy(self, stack: str, assembly: Path) -> None:
        """Deploy a stack, and no other, as an assembly says."""
        ...

    def destroy(self, stack: str, assembly: Path) -> None:
        """Delete a stack."""
        ...


class CdkCli:
    """The cdk CLI, with its output on the terminal.

    Parameters
    ----------
    environment
        Name of the environment.
    root
        Folder of the app.
    """

    def __init__(self, environment: str, root: Path) -> None:
        self._environment = environment
        self._root = root

    def synth(self, releases: Path, assembly: Path, *, only: str = "") -> None:
        """Write the assembly of the environment, or of one endpoint alone."""
        context = [f"env={self._environment}", f"releases={releases}"]
        context += [f"only={only}"] if only else []
        options = [word for text in context for word in ("-c", text)]
        # The checks have cfn-lint look at the template, with the rules of the CDK's own validation.
        self._run("synth", "--quiet", "--no-validation", "--output", str(assembly), *options)

    def deploy(self, stack: str, assembly: Path) -> None:
        """Deploy a stack, and no other, as an assembly says."""
        never = ("--require-approval", "never", "--progress", "events")
        # A log group whose name a service decides may be there already: adopt it.
        self._run("deploy", *_stack(stack, assembly), *never, "--import-existing-resources")

    def destroy(self, stack: str, assembly: Path) -> None:
        """Delete a stack."""
        self._run("destroy", *_stack(stack, assembly), "--force")

    def _run(self, *words: str) -> None:
        _note(f"cdk {words[0]} begins")
        result = subprocess.run(["cdk", *words], cwd=self._root)
        _note(f"cdk {words[0]} ended")
        if result.returncode:
            raise OperationError(
                f"'cdk {' '.join(words[:2])}' ended with status {result.returncode}.",
                "Its output is above, in the log of the build.",
            )


def _note(what: str) -> None:
    """Say when, before what the CLI itself says: most of a release's time is its."""
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {what}", flush=True)


def _stack(stack: str, assembly: Path) -> tuple[str, ...]:
    return (stack, "--app", str(assembly), "--exclusively")
