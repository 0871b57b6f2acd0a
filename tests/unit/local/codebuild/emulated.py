"""A host whose S3 and logs are kept in memory, and what the tests of builds ask of it."""

import io
import zipfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.host import Host
from local.state import StateFolder

SCOPE = ("000000000000", "eu-west-1")
ROLE = "arn:aws:iam::000000000000:role/build"


class S3:
    """Objects, of which every version is kept: ``v1``, ``v2``."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[bytes]] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self._versions.setdefault((Bucket, Key), []).append(Body)

    def get_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803
        kept = self._versions.get((Bucket, Key), [])
        version = VersionId or f"v{len(kept)}"
        found = {f"v{number}": body for number, body in enumerate(kept, start=1)}
        if version not in found:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
        return {"Body": io.BytesIO(found[version]), "VersionId": version, "ETag": '"tag"'}

    def head_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803
        return self.get_object(Bucket=Bucket, Key=Key, VersionId=VersionId)

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str]) -> None:  # noqa: N803
        self.put_object(Bucket, Key, self.get_object(**CopySource)["Body"].read())


class Logs:
    """A log stream."""

    class exceptions:  # noqa: N801
        class ResourceAlreadyExistsException(Exception):  # noqa: N818
            """As botocore makes it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def create_log_group(self, **_: str) -> None:
        raise self.exceptions.ResourceAlreadyExistsException

    def create_log_stream(self, **_: str) -> None:
        pass

    def put_log_events(self, logEvents: list[dict[str, Any]], **_: str) -> None:  # noqa: N803
        self.lines += [event["message"] for event in logEvents]


class Emulated(Host):
    """A host without an emulator."""

    def __init__(self, folder: Path) -> None:
        super().__init__(StateFolder(folder), "http://127.0.0.1:1")
        self.s3, self.logs = S3(), Logs()
        self.state.logs.mkdir(parents=True)

    def client(self, service: str, region: str) -> Any:
        assert region == SCOPE[1]
        return {"s3": self.s3, "logs": self.logs}[service]


def zipped(**files: str) -> bytes:
    """A zip of files, whose names have `_` for `/`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return packed.getvalue()


def unzipped(body: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def project(spec: str, **changes: Any) -> dict[str, Any]:
    """A project whose buildspec is in its template."""
    return {
        "name": "builder",
        "source": {"type": "NO_SOURCE", "buildspec": spec},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "ours",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        "serviceRole": ROLE,
        **changes,
    }
