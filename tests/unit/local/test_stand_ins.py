import tomllib
from pathlib import Path

import pytest

from local import stand_ins
from local.images import ProcessImage
from local.stand_ins import FOLDER, TAGS, aws_repository, find_stand_in
from operations.errors import OperationError
from tests.conftest import ROOT

XGBOOST = "354813040037.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-xgboost"


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        (f"{XGBOOST}:3.0-5", "sagemaker-xgboost"),
        (f"000000000000{XGBOOST[12:]}:3.0-5", None),
        ("000000000000.dkr.ecr.r.amazonaws.com/p/local/iris@sha256:0", None),
        ("iris", None),
    ],
)
def test_an_image_of_another_account_is_awss(reference: str, repository: str | None) -> None:
    assert aws_repository(reference, "000000000000") == repository


@pytest.mark.parametrize(
    ("repository", "tag"), [("sagemaker-xgboost", "1.7-1"), ("pytorch-inference", "2.6.0-cpu")]
)
def test_what_nothing_stands_for_is_refused(repository: str, tag: str) -> None:
    reference = f"354813040037.dkr.ecr.ap-northeast-1.amazonaws.com/{repository}:{tag}"
    with pytest.raises(OperationError, match=r"sagemaker-xgboost:3\.0-5 have a stand-in"):
        find_stand_in(reference, repository)


def test_is_installed_from_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = []

    def install(image: ProcessImage, source: Path) -> ProcessImage:
        sources.append(source)
        return image

    monkeypatch.setattr(stand_ins, "install", install)
    image = find_stand_in(f"{XGBOOST}:3.0-5", "sagemaker-xgboost")
    assert image.name == "sagemaker-xgboost"
    assert sources == [FOLDER / "sagemaker-xgboost"]


def test_each_has_a_serve_and_a_lock() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(TAGS)
    for name in TAGS:
        project = tomllib.loads((FOLDER / name / "pyproject.toml").read_text())["project"]
        assert set(project["scripts"]) == {"serve"}
        assert "--hash=sha256:" in (FOLDER / name / "requirements.lock").read_text()


def test_the_library_is_the_images_own() -> None:
    """The tag is that of XGBoost; and what trains here has the same."""
    (tag,) = TAGS["sagemaker-xgboost"]
    pin = f"xgboost-cpu=={tag.replace('-', '.')}"
    assert pin in (FOLDER / "sagemaker-xgboost" / "requirements.in").read_text().splitlines()
    assert pin in (ROOT / "requirements-dev.txt").read_text().splitlines()


def test_scikit_learn_is_the_one_that_trains() -> None:
    pins = (FOLDER / "sagemaker-sparkml-serving" / "requirements.in").read_text().splitlines()
    trains = (ROOT / "requirements-dev.txt").read_text().splitlines()
    for name in ("scikit-learn", "skops", "numpy", "pandas"):
        (pin,) = [line for line in pins if line.startswith(f"{name}==")]
        assert pin in trains
