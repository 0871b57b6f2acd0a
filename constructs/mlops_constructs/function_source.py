"""What a function's asset holds: its own code, and the packages that its runtime lacks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from aws_cdk import aws_lambda as lambda_

from mlops_constructs.faults import Fault, raise_faults

LEFT_OUT = ("__pycache__", "*.pyc")
"""What differs from one machine to another, and nothing reads."""


@contextmanager
def with_packages(source: Path, *packages: str) -> Iterator[lambda_.Code]:
    """The code of `source` with packages of this Python beside it.

    They are copied as they are installed here, so that nothing is downloaded, and the pin in
    requirements.txt decides on the asset's content. Nothing but Python code will do: the function
    runs on another processor and another version. What an installer notes about a package stays
    out, as it names this machine.

    Parameters
    ----------
    source
        Folder of the function's code.
    packages
        Names that the function imports.

    Yields
    ------
    aws_cdk.aws_lambda.Code
        The code. The function has to be made before the end of the context.

    Raises
    ------
    FaultsError
        With every package that is not installed, or not written in Python alone.

    Examples
    --------
    >>> with with_packages(Path("lambda/rotator"), "pymysql") as code:  # doctest: +SKIP
    ...     lambda_.Function(self, "Function", code=code, ...)
    """
    found = {name: _folder(name) for name in packages}
    raise_faults(
        str(source),
        [
            Fault(
                name,
                "no package of Python code alone",
                "a package that is installed",
                "Pin it in requirements.txt, and run 'make install'.",
            )
            for name, folder in found.items()
            if folder is None
        ],
    )
    with tempfile.TemporaryDirectory() as temporary:
        for folder in (source, *filter(None, found.values())):
            target = Path(temporary) if folder == source else Path(temporary) / folder.name
            shutil.copytree(
                folder, target, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True
            )
        yield lambda_.Code.from_asset(temporary)


def _folder(package: str) -> Path | None:
    """Where a package is installed, if it is one of Python code alone."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    compiled = [path for path in folder.rglob("*") if path.suffix in (".so", ".pyd", ".dylib")]
    return None if compiled else folder
