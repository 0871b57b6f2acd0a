"""The cdk CLI, as releases need it: an assembly, and the deployment of some stacks of it."""

import subprocess
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from operations.errors import OperationError


class Cdk(Protocol):
    """What makes assemblies and deploys them."""

    def synth(self, releases: Path, assembly: Path, *, only: str = "") -> None:
        """Write the assembly of the environment, or of one endpoint alone."""
        ...

    def deploy(self, assembly: Path, *stacks: str) -> None:
        """Deploy some stacks side by side, and no other, as an assembly says.

        Where one fails, those that were begun come to their end before that is said.
        """
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

    def deploy(self, assembly: Path, *stacks: str) -> None:
        """Deploy some stacks side by side, and no other, as an assembly says.

        Where one fails, those that were begun come to their end before that is said.
        """
        never = ("--require-approval", "never", "--progress", "events")
        # https://docs.aws.amazon.com/cdk/v2/guide/ref-cli-cmd-deploy.html
        beside = ("--concurrency", str(len(stacks)))
        # A log group whose name a service decides may be there already: adopt it.
        self._run("deploy", *stacks, *_of(assembly), *never, *beside, "--import-existing-resources")

    def destroy(self, stack: str, assembly: Path) -> None:
        """Delete a stack."""
        self._run("destroy", stack, *_of(assembly), "--force")

    def _run(self, *words: str) -> None:
        _note(f"cdk {words[0]} begins")
        result = subprocess.run(["cdk", *words], cwd=self._root)
        _note(f"cdk {words[0]} ended")
        if result.returncode:
            named = takewhile(lambda word: not word.startswith("-"), words)
            raise OperationError(
                f"'cdk {' '.join(named)}' ended with status {result.returncode}.",
                "Its output is above, in the log of the build.",
            )


def _note(what: str) -> None:
    """Say when, before what the CLI itself says: most of a release's time is its."""
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {what}", flush=True)


def _of(assembly: Path) -> tuple[str, ...]:
    return ("--app", str(assembly), "--exclusively")
