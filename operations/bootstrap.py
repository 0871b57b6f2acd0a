"""Install everything into the checkout: .venv, Node with it, and the cdk CLI.

Runs before anything is installed, so it uses the standard library alone, and must read on any
Python 3 to be able to say which one it wants.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
INPUTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "constraints.txt",
    "constructs/pyproject.toml",
    "package-lock.json",
    "operations/bootstrap.py",
)
UV = "uv==0.13.8"


def main() -> None:
    """Bring .venv and node_modules to what the pinned files say; do nothing where they are."""
    if sys.version_info < (3, 11):
        stop(
            "This is Python %d.%d; Python 3.11 or later is needed." % sys.version_info[:2],
            "Run make with PYTHON=<path of a newer one>.",
        )
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    say("Installing into .venv and node_modules (only when what is pinned changes)")
    if not (VENV / "bin" / "python").exists():
        make_venv()
    run(VENV / "bin" / "python", "-m", "pip", "install", "-q", UV)
    say("  Python packages")
    run(
        *(VENV / "bin" / "uv", "pip", "install", "-q", "--python", VENV, "--compile-bytecode"),
        *("-r", "requirements.txt", "-r", "requirements-dev.txt", "-c", "constraints.txt"),
        env=uv_environment(),
    )
    say("  cdk CLI")
    run(
        *("npm", "ci", "--silent", "--no-audit", "--no-fund"),
        env=dict(os.environ, PATH="%s%s%s" % (VENV / "bin", os.pathsep, os.environ["PATH"])),
    )
    STAMP.write_text(wanted)


def fingerprint() -> str:
    """What is pinned, as one digest."""
    digest = hashlib.sha256(str(sys.version_info[:2]).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def make_venv() -> None:
    """Create .venv; on Debian, install what its python3 lacks for that first."""
    attempt = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if attempt.returncode == 0:
        return
    package = "python3.%d-venv" % sys.version_info[1]
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    if shutil.which("apt-get") and os.geteuid() == 0:
        say("  %s, which Debian keeps apart from python3" % package)
        run("apt-get", "update", "-q", quiet=True)
        run(*install, quiet=True)
        run(sys.executable, "-m", "venv", "--clear", VENV)
        return
    stop(
        "%s cannot make a virtual environment: %s"
        % (sys.executable, " ".join((attempt.stderr or attempt.stdout).split("\n\n")[0].split())),
        "Install it, then run make again: sudo %s" % " ".join(install),
    )


def uv_environment() -> "dict[str, str]":
    """Uv's settings, taken from pip's where only those are set, as for a mirror of PyPI."""
    env = dict(os.environ)
    for pip_name, uv_name in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")):
        if pip_name in env:
            env.setdefault(uv_name, env[pip_name])
    return env


def run(*command: object, env: "dict[str, str] | None" = None, quiet: bool = False) -> None:
    """Run a command of the installation; stop with its output where it fails."""
    words = [str(word) for word in command]
    result = subprocess.run(
        words,
        cwd=str(ROOT),
        env=env,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
    )
    if result.returncode != 0:
        stop(
            "%s\n'%s' ended with status %d."
            % (result.stdout or "", " ".join(words), result.returncode),
            "Mend what it says above, then run make again: the installation goes on from there.",
        )


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)


def stop(what: str, fix: str) -> NoReturn:
    """End with what happened and what to do."""
    print("\n%s\n%s" % (what.strip(), fix), file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
