"""`finish-image`: the one thing that MLflow's own files need before the image can be used.

The first revision of MLflow's access tables gives two foreign keys one name, which MySQL takes
once in a database. https://github.com/mlflow/mlflow/issues/9642 and 10964 and 15108. The second is
given another name here, for as long as that is so.
"""

import ast
import py_compile
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

REVISION = "server/auth/db/migrations/versions/8606fa83a998_initial_migration.py"
NAME, OTHER = "fk_user_id", "fk_registered_model_user_id"


class MendError(Exception):
    """Why the file can be neither mended nor left as it is."""


def mend(path: Path) -> bool:
    """Give the second of two foreign keys a name of its own, where both have the same.

    Parameters
    ----------
    path
        The revision.

    Returns
    -------
    bool
        Whether it was mended; it needs nothing where no name stands twice.

    Raises
    ------
    MendError
        Where the file is neither as it was known nor in order.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MendError(f"there is no {path.name} any more: {error.strerror}") from error
    names = foreign_keys(text)
    if len(names) < 2:
        raise MendError(f"{path.name} makes {len(names)} foreign keys, where two were known")
    twice = [name for name, times in Counter(names).items() if name and times > 1]
    if not twice:
        return False
    before, quoted, after = text.rpartition(f'"{NAME}"')
    mended = f'{before}"{OTHER}"{after}'
    if not quoted or sorted(map(str, foreign_keys(mended))) != sorted((NAME, OTHER)):
        raise MendError(f"{path.name} names foreign keys {names}, which is not the known fault")
    # A file of its own: what an installer linked to its cache stays as it is there.
    beside = path.with_suffix(".mended")
    beside.write_text(mended, encoding="utf-8")
    beside.replace(path)
    py_compile.compile(str(path), doraise=True)
    return True


def foreign_keys(text: str) -> list[str | None]:
    """The names of the foreign keys that a revision makes; nothing for one without a name.

    Parameters
    ----------
    text
        The revision's source.
    """
    return [
        next((ast.literal_eval(word.value) for word in call.keywords if word.arg == "name"), None)
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "ForeignKeyConstraint"
    ]


def main() -> int:
    """Mend what is installed beside this package, and say what was done; 1 where it cannot be."""
    mlflow = find_spec("mlflow")
    if mlflow is None or mlflow.origin is None:
        print("finish-image: there is no MLflow beside it", file=sys.stderr)
        return 1
    path = Path(mlflow.origin).parent / REVISION
    try:
        mended = mend(path)
    except MendError as error:
        print(
            f"finish-image: {error}. See what MLflow made of its access tables, and mend or remove"
            " tracking_server/mend.py.",
            file=sys.stderr,
        )
        return 1
    if mended:
        print(f"finish-image: {path.name}: the second '{NAME}' is '{OTHER}' now")
    else:
        print(f"finish-image: {path.name} has no name twice; nothing to mend any more")
    return 0
