"""The checks of the folder `mlflow`, each file in a process of the image's own Python."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from local.images import ProcessImage, install_image
from tests.conftest import ROOT

CHECKS = sorted((Path(__file__).parent / "mlflow").glob("check_*.py"))

# What pytest needs stands behind what the image holds, and takes the place of none of it.
RUN = "import sys; sys.path += sys.argv[1:3]; import pytest; sys.exit(pytest.main(sys.argv[3:]))"


@pytest.fixture(scope="module")
def image() -> ProcessImage:
    return install_image("mlflow")


@pytest.mark.parametrize("checks", CHECKS, ids=[path.stem for path in CHECKS])
def test_in_the_image(checks: Path, image: ProcessImage) -> None:
    program = image.command(["python", "-c", RUN, str(ROOT), sysconfig.get_path("purelib")])
    result = subprocess.run(
        [*program, "-q", "-W", "ignore", "-o", f"python_files={checks.name}", str(checks)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
