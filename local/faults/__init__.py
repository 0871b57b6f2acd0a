"""Faults that are injected on purpose, to show what comes of them."""

import shutil
from pathlib import Path

from ruamel.yaml import YAML

CODE = Path(__file__).with_name("fragile.py")


def fragile_copy(model: Path, target: Path) -> None:
    """Copy an iris model's folder, so that the model answers large petals with an error.

    Parameters
    ----------
    model
        The folder of a good one.
    target
        Where the copy goes.
    """
    shutil.copytree(model, target)
    (target / "code").mkdir()
    shutil.copy(CODE, target / "code" / "fragile.py")
    description = target / "MLmodel"
    yaml = YAML()
    content = yaml.load(description.read_text(encoding="utf-8"))
    content["flavors"]["python_function"] |= {"loader_module": "fragile", "code": "code"}
    with description.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
