"""What ECR says of images: there are those that are installed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from local.extensions.installed_images import InstalledImages
from local.images import ProcessImage, current_image

IMAGE = ProcessImage("tool", f"sha256:{'d' * 64}")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.images.STORE", tmp_path)
    IMAGE.folder.mkdir()
    (IMAGE.folder / "installed").touch()


def ask(*digests: str, repository: str = "tool") -> tuple[int, dict[str, Any]]:
    ids = [{"imageDigest": digest} for digest in digests]
    body = json.dumps({"repositoryName": f"mlops/local/{repository}", "imageIds": ids}).encode()
    status, _, answer = asyncio.run(InstalledImages().answer("POST", "/", {}, body, {}))
    return status, json.loads(answer)


def test_an_installed_image_is_there() -> None:
    status, answer = ask(IMAGE.digest)
    assert status == 200
    (detail,) = answer["imageDetails"]
    assert (detail["repositoryName"], detail["imageDigest"]) == ("mlops/local/tool", IMAGE.digest)


def test_another_is_not() -> None:
    status, answer = ask(IMAGE.digest, f"sha256:{'e' * 64}")
    assert status == 400
    assert answer["__type"] == "ImageNotFoundException"


def test_the_one_that_builds_run_in_is_this_checkout() -> None:
    digest = current_image("release").digest
    assert ask(digest, repository="release")[0] == 200
    assert ask(digest)[0] == 400
    assert ask(f"sha256:{'e' * 64}", repository="release")[0] == 400


def test_one_without_a_digest_is_refused() -> None:
    status, answer = ask("")
    assert status == 400
    assert "by its digest" in answer["message"]
