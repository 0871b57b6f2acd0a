"""The synth of what a branch starts from, made in a work tree of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlops_constructs.faults import Fault, raise_faults

PINS = ("requirements.txt", "constraints.txt", "constructs/pyproject.toml", "package-lock.json")
"""What says which libraries a synth is made with."""


@contextmanager
def synthesized(root: Path, ref: str, environment: str, releases: str = "") -> Iterator[Path]:
    """The cloud assembly of an environment as another commit makes it.

    Where both commits pin the same libraries, this checkout's are used; otherwise the other
    commit's are installed beside it.

    Parameters
    ----------
    root
        The checkout.
    ref
        The commit: a branch, a tag or a hash.
    environment
        Name of the environment. Where the commit has none of that name, the assembly is empty.
    releases
        Folder of the releases, from the top of the checkout; the app's own if not given.

    Raises
    ------
    FaultsError
        Where there is no such commit, or its synth fails.
    """
    with TemporaryDirectory() as made:
        tree, output = Path(made) / "tree", Path(made) / "assembly"
        output.mkdir()
        _run(["git", "worktree", "add", "--quiet", "--detach", str(tree), ref], root, "git")
        try:
            if (tree / "environments" / f"{environment}.yaml").is_file():
                _synthesize(root, tree, environment, releases, output)
            yield output
        finally:
            _run(["git", "worktree", "remove", "--force", str(tree)], root, "git")


def _synthesize(root: Path, tree: Path, environment: str, releases: str, output: Path) -> None:
    # The base's own constructs come first: those of this checkout are installed.
    variables = {"PYTHONPATH": str(tree / "constructs"), "CDK_VALIDATION": "false"}
    path = [root, tree]
    if any(_pins(root / name) != _pins(tree / name) for name in PINS):
        _run(["make", "install"], tree, "make install")
        path.reverse()
    places = [str(each / folder) for each in path for folder in (".venv/bin", "node_modules/.bin")]
    variables["PATH"] = os.pathsep.join([*places, os.environ["PATH"]])
    command = ["cdk", "synth", "--quiet", "--output", str(output), "-c", f"env={environment}"]
    command += ["-c", f"releases={releases}"] if releases else []
    _run(command, tree, f"cdk synth of {environment}", variables)


def _pins(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


def _run(words: list[str], folder: Path, what: str, more: dict[str, str] | None = None) -> None:
    result = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = (result.stderr or result.stdout).strip()[-2000:]
        fix = "Run it yourself in a checkout of that commit, and see what it says."
        raise_faults("the base", [Fault(what, f"{' '.join(words)}: {said}", "success", fix)])
