"""ECR, as far as images are copied: it keeps what is uploaded, and refuses what does not fit."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import ClientError

IMAGE_KIND = "application/vnd.oci.image.manifest.v1+json"
INDEX_KIND = "application/vnd.oci.image.index.v1+json"


class Process(Protocol):
    """Whose process it is that changes something: see `world.Boundaries`."""

    boundaries: Any


@dataclass
class FakeImage:
    manifest: str
    kind: str
    tags: list[str] = field(default_factory=list)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "call")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class FakeEcr:
    """The images and layers of an account, by repository and digest.

    Parameters
    ----------
    process
        Where whoever changes something may be killed.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self.images: dict[tuple[str, str], FakeImage] = {}
        self.layers: dict[tuple[str, str], bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.sent: list[int] = []
        self.part_size = 16
        self.changed: dict[str, bytes] = {}
        self.unreachable = False

    # What others have pushed.

    def push(self, repository: str, *layers: bytes, tag: str = "") -> str:
        """An image of an engine's; its digest."""
        parts = [b'{"architecture": "amd64"}', *layers]
        for part in parts:
            self.layers[repository, digest_of(part)] = part
        config, *others = [{"digest": digest_of(it), "size": len(it)} for it in parts]
        return self._keep(repository, {"config": config, "layers": others}, IMAGE_KIND, tag)

    def push_index(self, repository: str, *images: str, tag: str = "") -> str:
        """A list of images; its digest."""
        content = {"manifests": [{"digest": it} for it in images]}
        return self._keep(repository, content, INDEX_KIND, tag)

    def keep(self, repository: str, digest: str) -> None:
        """An image of which nothing is known but that it is there."""
        self.images[repository, digest] = FakeImage("{}", IMAGE_KIND)

    def _keep(self, repository: str, content: dict[str, Any], kind: str, tag: str) -> str:
        # No JSON that a program would write once more: it is to arrive byte for byte.
        manifest = json.dumps({"mediaType": kind, **content}, indent=3) + "\n"
        digest = digest_of(manifest.encode())
        self.images[repository, digest] = FakeImage(manifest, kind, [tag] if tag else [])
        return digest

    # What the service answers.

    def describe_images(
        self,
        repositoryName: str,  # noqa: N803
        imageIds: list[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        described = []
        for wanted in imageIds:
            found = self.images.get((repositoryName, wanted["imageDigest"]))
            if found is None:
                raise refused("ImageNotFoundException")
            described.append({**wanted, **({"imageTags": found.tags} if found.tags else {})})
        return {"imageDetails": described}

    def batch_get_image(
        self,
        repositoryName: str,  # noqa: N803
        imageIds: list[dict[str, str]],  # noqa: N803
        acceptedMediaTypes: list[str],  # noqa: N803
    ) -> dict[str, Any]:
        (wanted,) = imageIds
        found = self.images.get((repositoryName, wanted["imageDigest"]))
        if found is None:
            failure = {"imageId": wanted, "failureReason": "Requested image not found"}
            return {"images": [], "failures": [failure]}
        kind = found.kind
        assert kind in acceptedMediaTypes or "v1+prettyjws" in kind
        image = {"imageManifest": found.manifest, "imageManifestMediaType": kind}
        return {"images": [image], "failures": []}

    def get_download_url_for_layer(
        self,
        repositoryName: str,  # noqa: N803
        layerDigest: str,  # noqa: N803
    ) -> dict[str, str]:
        if self.unreachable:
            return {"downloadUrl": "file:///there/is/no/way"}
        kept = self.layers[repositoryName, layerDigest]
        content = base64.b64encode(self.changed.get(layerDigest, kept)).decode()
        return {"downloadUrl": f"data:application/octet-stream;base64,{content}"}

    def batch_check_layer_availability(
        self,
        repositoryName: str,  # noqa: N803
        layerDigests: list[str],  # noqa: N803
    ) -> dict[str, Any]:
        assert 1 <= len(layerDigests) <= 100
        answers = {True: "AVAILABLE", False: "UNAVAILABLE"}
        return {
            "layers": [
                {
                    "layerDigest": it,
                    "layerAvailability": answers[(repositoryName, it) in self.layers],
                }
                for it in layerDigests
            ]
        }

    def initiate_layer_upload(self, repositoryName: str) -> dict[str, Any]:  # noqa: N803
        with self._process.boundaries.effect("beginning of an upload"):
            name = f"upload-{len(self.uploads)}"
            self.uploads[name] = b""
            return {"uploadId": name, "partSize": self.part_size}

    def upload_layer_part(
        self,
        repositoryName: str,  # noqa: N803
        uploadId: str,  # noqa: N803
        partFirstByte: int,  # noqa: N803
        partLastByte: int,  # noqa: N803
        layerPartBlob: bytes,  # noqa: N803
    ) -> None:
        with self._process.boundaries.effect("part of a layer"):
            known = self.uploads[uploadId]
            last = partFirstByte + len(layerPartBlob) - 1
            if (partFirstByte, partLastByte) != (len(known), last):
                raise refused("InvalidLayerPartException")
            self.uploads[uploadId] = known + layerPartBlob
            self.sent.append(len(layerPartBlob))

    def complete_layer_upload(
        self,
        repositoryName: str,  # noqa: N803
        uploadId: str,  # noqa: N803
        layerDigests: list[str],  # noqa: N803
    ) -> None:
        with self._process.boundaries.effect("end of an upload"):
            content = self.uploads.pop(uploadId)
            if layerDigests != [digest_of(content)]:
                raise refused("InvalidLayerException")
            if (repositoryName, layerDigests[0]) in self.layers:
                raise refused("LayerAlreadyExistsException")
            self.layers[repositoryName, layerDigests[0]] = content

    def put_image(
        self,
        repositoryName: str,  # noqa: N803
        imageManifest: str,  # noqa: N803
        imageManifestMediaType: str,  # noqa: N803
        imageDigest: str,  # noqa: N803
        imageTag: str = "",  # noqa: N803
    ) -> None:
        with self._process.boundaries.effect("manifest"):
            content = json.loads(imageManifest)
            if imageDigest != digest_of(imageManifest.encode()):
                raise refused("ImageDigestDoesNotMatchException")
            parts = [content["config"], *content["layers"]] if "config" in content else []
            if any((repositoryName, it["digest"]) not in self.layers for it in parts):
                raise refused("LayersNotFoundException")
            listed = content.get("manifests", [])
            if any((repositoryName, it["digest"]) not in self.images for it in listed):
                raise refused("ReferencedImagesNotFoundException")
            there = self.images.get((repositoryName, imageDigest))
            if there and (not imageTag or imageTag in there.tags):
                raise refused("ImageAlreadyExistsException")
            taken = [it.tags for (name, _), it in self.images.items() if name == repositoryName]
            if any(imageTag in tags for tags in taken):
                raise refused("ImageTagAlreadyExistsException")
            made = there or FakeImage(imageManifest, imageManifestMediaType)
            made.tags += [imageTag] if imageTag else []
            self.images[repositoryName, imageDigest] = made
