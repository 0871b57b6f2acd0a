"""ECR keeps what is pushed to it by its API, and refuses what does not fit."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import ecr

from local.extensions import image_layers
from local.extensions.image_layers import ImageLayers
from local.extensions.installed_images import InstalledImages

REPOSITORY = "mlops/local/tool"
CONFIG, LAYER = b"{}", b"a layer in two parts"
KIND = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageLayers]:
    monkeypatch.setattr(image_layers, "PART_SIZE", 12)
    monkeypatch.setattr(image_layers, "LEAST", 6)
    ecr._create_repository({"repositoryName": REPOSITORY, "imageTagMutability": "IMMUTABLE"})
    yield ImageLayers("http://127.0.0.1:1")
    ecr.reset()


def ask(layers: ImageLayers, operation: str, **asked: Any) -> dict[str, Any]:
    headers = {"x-amz-target": f"AmazonEC2ContainerRegistry_V20150921.{operation}"}
    body = json.dumps({"repositoryName": REPOSITORY, **asked}).encode()
    _, _, answer = asyncio.run(layers.answer("POST", "/", headers, body, {}))
    found: dict[str, Any] = json.loads(answer)
    return found


def upload(layers: ImageLayers, content: bytes, *sizes: int, digest: str = "") -> dict[str, Any]:
    begun = ask(layers, "InitiateLayerUpload")
    assert begun["partSize"] == 12
    first = 0
    for size in sizes or (len(content),):
        part = content[first : first + size]
        said = ask(
            layers,
            "UploadLayerPart",
            uploadId=begun["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=base64.b64encode(part).decode(),
        )
        first += len(part)
        assert said == {"lastByteReceived": first - 1}
    wanted = [digest or digest_of(content)]
    return ask(layers, "CompleteLayerUpload", uploadId=begun["uploadId"], layerDigests=wanted)


def manifest(*layers: bytes) -> str:
    config, *others = [{"digest": digest_of(it), "size": len(it)} for it in layers]
    return json.dumps({"mediaType": KIND, "config": config, "layers": others})


def put(layers: ImageLayers, text: str, **more: str) -> dict[str, Any]:
    given = {"imageManifest": text, "imageManifestMediaType": KIND, **more}
    return ask(layers, "PutImage", **given)


def test_an_image_is_pushed_and_described(layers: ImageLayers) -> None:
    upload(layers, CONFIG)
    upload(layers, LAYER, 12, 8)
    text = manifest(CONFIG, LAYER)
    digest = digest_of(text.encode())
    answer = put(layers, text, imageDigest=digest, imageTag="one")
    assert answer["image"]["imageId"] == {"imageDigest": digest, "imageTag": "one"}
    body = json.dumps({"repositoryName": REPOSITORY, "imageIds": [{"imageDigest": digest}]})
    _, _, described = asyncio.run(InstalledImages().answer("POST", "/", {}, body.encode(), {}))
    (detail,) = json.loads(described)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["one"])


def test_a_layer_is_there_once_it_is_complete(layers: ImageLayers) -> None:
    digest = digest_of(LAYER)
    for state in ("UNAVAILABLE", "AVAILABLE"):
        (found,) = ask(layers, "BatchCheckLayerAvailability", layerDigests=[digest])["layers"]
        assert (found["layerDigest"], found["layerAvailability"]) == (digest, state)
        upload(layers, LAYER, 12, 8)


def test_the_link_is_the_registrys_own_of_this_account(layers: ImageLayers) -> None:
    upload(layers, LAYER)
    link = ask(layers, "GetDownloadUrlForLayer", layerDigest=digest_of(LAYER))["downloadUrl"]
    assert link.startswith(f"http://127.0.0.1:1/v2/{REPOSITORY}/blobs/{digest_of(LAYER)}?ns=0000")


class TestRefused:
    def error(self, answer: dict[str, Any]) -> str:
        return str(answer["__type"])

    def test_a_repository_that_is_not_there(self, layers: ImageLayers) -> None:
        answer = ask(layers, "InitiateLayerUpload", repositoryName="other")
        assert self.error(answer) == "RepositoryNotFoundException"

    def test_parts_that_are_too_small(self, layers: ImageLayers) -> None:
        assert self.error(upload(layers, LAYER, 3, 17)) == "LayerPartTooSmallException"

    def test_a_part_that_leaves_a_gap(self, layers: ImageLayers) -> None:
        begun = ask(layers, "InitiateLayerUpload")["uploadId"]
        part = {"partFirstByte": 4, "partLastByte": 5, "layerPartBlob": "AAA="}
        answer = ask(layers, "UploadLayerPart", uploadId=begun, **part)
        assert self.error(answer) == "InvalidLayerPartException"

    def test_an_upload_that_was_never_begun(self, layers: ImageLayers) -> None:
        answer = ask(layers, "CompleteLayerUpload", uploadId="none", layerDigests=["sha256:0"])
        assert self.error(answer) == "UploadNotFoundException"

    def test_another_digest(self, layers: ImageLayers) -> None:
        answer = upload(layers, LAYER, digest=digest_of(b"another"))
        assert self.error(answer) == "InvalidLayerException"

    def test_a_layer_that_is_there(self, layers: ImageLayers) -> None:
        upload(layers, LAYER)
        assert self.error(upload(layers, LAYER)) == "LayerAlreadyExistsException"

    def test_the_link_of_a_layer_that_is_not_there(self, layers: ImageLayers) -> None:
        answer = ask(layers, "GetDownloadUrlForLayer", layerDigest=digest_of(LAYER))
        assert self.error(answer) == "LayersNotFoundException"

    def test_manifests_that_do_not_fit(self, layers: ImageLayers) -> None:
        upload(layers, CONFIG)
        text = manifest(CONFIG)
        other = digest_of(b"another")
        index = json.dumps({"manifests": [{"digest": other}]})
        given: list[tuple[str, dict[str, str], str]] = [
            (manifest(CONFIG, LAYER), {}, "LayersNotFoundException"),
            (text, {"imageDigest": other}, "ImageDigestDoesNotMatchException"),
            (index, {}, "ReferencedImagesNotFoundException"),
        ]
        for content, more, error in given:
            assert self.error(put(layers, content, **more)) == error
        assert "image" in put(layers, text, imageTag="one")
        assert self.error(put(layers, text, imageTag="one")) == "ImageAlreadyExistsException"
        assert self.error(put(layers, text)) == "ImageAlreadyExistsException"
        changed = f"{text} "
        assert self.error(put(layers, changed, imageTag="one")) == "ImageTagAlreadyExistsException"
