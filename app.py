"""The CDK app: load one environment, build its stacks, attach the checks.

Run by `cdk -c env=<name>`. Two more keys, `-c environments=<folder>` and `-c releases=<folder>`,
say where the configuration and the releases stand, if not here. `-c only=<endpoint>` has the stack
of one endpoint synthesized and no other: what it stands on is deployed.
"""

import gc
import os
import shutil
import sys
from pathlib import Path

from mlops_constructs.faults import FaultsError

ROOT = Path(__file__).parent


def main() -> int:
    """Synthesize one environment.

    Returns
    -------
    int
        Exit status: 0, or 1 where the configuration is at fault.
    """
    if not shutil.which("node"):
        print(
            "Node is not on the PATH, and the CDK needs it. 'make install' installs it into .venv;"
            " then run cdk through make, or put .venv/bin on the PATH.",
            file=sys.stderr,
        )
        return 1
    # A synth makes a million objects and ends: looking for those to free costs a twentieth of it
    # in Python, and a tenth in Node, which looks whenever so many megabytes are made.
    gc.disable()
    os.environ["NODE_OPTIONS"] = f"{os.environ.get('NODE_OPTIONS', '')} --max-semi-space-size=64"
    # Imported after the check: the import itself starts Node.
    from aws_cdk import App

    from stacks.config import load_environment
    from stacks.packs import attach_packs

    app = App()
    name = app.node.try_get_context("env") or ""
    environments = Path(app.node.try_get_context("environments") or ROOT / "environments")
    releases = Path(app.node.try_get_context("releases") or ROOT / "releases")
    try:
        environment = load_environment(name, environments)
        only = app.node.try_get_context("only")
        if only:
            from stacks.one_endpoint import build_endpoint

            left_out = build_endpoint(app, environment, releases, only)
        else:
            from stacks.platform import build_platform

            left_out = build_platform(app, environment, releases)
        for note in left_out:
            print(note, file=sys.stderr)
    except FaultsError as error:
        print(error, file=sys.stderr)
        return 1
    attach_packs(app, environment.packs)
    app.synth()
    # Python looks once more as it ends, even so: not at what is frozen.
    gc.freeze()
    return 0


if __name__ == "__main__":
    sys.exit(main())
