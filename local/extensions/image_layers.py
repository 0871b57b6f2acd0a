"""Images that are pushed to ECR by its API: kept, checked against their digests, handed out.

The emulator answers these calls and keeps nothing. What is kept here is handed out by the
emulator's own registry.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from local.extensions import hooks
from local.extensions.json_service import JsonService, Operation, Record, RefusedError

PREFIX = "AmazonEC2ContainerRegistry_V20150921."
PART_SIZE = 10 * 2**20
"""Bytes of a part that are asked for, as ECR does."""
LEAST = 5 * 2**20
"""Bytes of any part but the last.
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CompleteLayerUpload.html
"""


class ImageLayers(JsonService):
    """Uploads of layers, and manifests that name them.

    Parameters
    ----------
    url
        Address of the emulator, which hands layers out.

    Attributes
    ----------
    operations : tuple of str
        What is answered.
    """

    def __init__(self, url: str) -> None:
        operations: Mapping[str, Operation] = {
            "BatchCheckLayerAvailability": self._available,
            "InitiateLayerUpload": self._begin,
            "UploadLayerPart": self._add,
            "CompleteLayerUpload": self._end,
            "GetDownloadUrlForLayer": self._link,
            "PutImage": self._put,
        }
        super().__init__("ecr", PREFIX, operations)
        self.operations = tuple(operations)
        self._url = url
        self._uploads: dict[str, list[bytes]] = {}

    def _available(self, request: Mapping[str, Any]) -> Record:
        kept = _layers(request)
        return {
            "layers": [
                {
                    "layerDigest": digest,
                    "layerAvailability": "AVAILABLE" if digest in kept else "UNAVAILABLE",
                    "layerSize": len(kept.get(digest, b"")),
                }
                for digest in request["layerDigests"]
            ],
            "failures": [],
        }

    def _begin(self, request: Mapping[str, Any]) -> Record:
        _layers(request)
        upload = str(uuid.uuid4())
        self._uploads[upload] = []
        return {"uploadId": upload, "partSize": PART_SIZE}

    def _add(self, request: Mapping[str, Any]) -> Record:
        parts = self._parts(request)
        part, first = base64.b64decode(request["layerPartBlob"]), sum(map(len, parts))
        last = first + len(part) - 1
        if (request["partFirstByte"], request["partLastByte"]) != (first, last):
            raise RefusedError("InvalidLayerPartException", f"The next byte is {first}.")
        parts.append(part)
        return {"lastByteReceived": last}

    def _end(self, request: Mapping[str, Any]) -> Record:
        parts, kept = self._parts(request), _layers(request)
        if any(len(part) < LEAST for part in parts[:-1]):
            raise RefusedError("LayerPartTooSmallException", "Parts are of 5 MiB at least.")
        content = b"".join(parts)
        digest = _digest(content)
        if request["layerDigests"] != [digest]:
            raise RefusedError("InvalidLayerException", f"The layer's digest is {digest}.")
        if digest in kept:
            raise RefusedError("LayerAlreadyExistsException", f"{digest} is there.")
        kept[digest] = content
        del self._uploads[request["uploadId"]]
        return {"layerDigest": digest}

    def _link(self, request: Mapping[str, Any]) -> Record:
        digest, repository = request["layerDigest"], request["repositoryName"]
        if digest not in _layers(request):
            raise RefusedError("LayersNotFoundException", f"{digest} is not there.")
        account, region = hooks.account_and_region()
        registry = f"{account}.dkr.ecr.{region}.amazonaws.com"
        link = f"{self._url}/v2/{repository}/blobs/{digest}?ns={registry}"
        return {"downloadUrl": link, "layerDigest": digest}

    def _put(self, request: Mapping[str, Any]) -> Record:
        manifest, repository = request["imageManifest"], request["repositoryName"]
        kept, content = _layers(request), json.loads(manifest)
        digest = _digest(manifest.encode())
        if request.get("imageDigest", digest) != digest:
            raise RefusedError("ImageDigestDoesNotMatchException", f"Its digest is {digest}.")
        layers = [*([content["config"]] if "config" in content else []), *content.get("layers", [])]
        missing = [it["digest"] for it in layers if it["digest"] not in kept]
        if missing:
            raise RefusedError("LayersNotFoundException", f"{missing} are not there.")
        listed = [it["digest"] for it in content.get("manifests", [])]
        if not all(hooks.pushed_image(repository, it) for it in listed):
            raise RefusedError("ReferencedImagesNotFoundException", f"{listed} are not all there.")
        tag, known = request.get("imageTag"), hooks.pushed_image(repository, digest)
        if known and (not tag or tag in known["imageTags"]):
            raise RefusedError("ImageAlreadyExistsException", f"{digest} is there.")
        return hooks.put_image(request)

    def _parts(self, request: Mapping[str, Any]) -> list[bytes]:
        parts = self._uploads.get(request["uploadId"])
        if parts is None:
            raise RefusedError("UploadNotFoundException", "There is no such upload.")
        return parts


def _layers(request: Mapping[str, Any]) -> dict[str, bytes]:
    repository = request["repositoryName"]
    kept = hooks.image_layers(repository)
    if kept is None:
        raise RefusedError(
            "RepositoryNotFoundException", f"The repository '{repository}' does not exist."
        )
    return kept


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
