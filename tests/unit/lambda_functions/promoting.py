"""What the promoter speaks to, in memory: S3 with conditions, MLflow's registry, its webhooks."""

# ruff: noqa: N803 - the fake takes what boto3 does

import hashlib
import io
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from promoter.errors import LookError
from promoter.hearing import Hearing
from promoter.looking import Promoter
from promoter.messages import DELIVERY, SIGNATURE, TIMESTAMP
from promoter.registry import Promoted
from promoter.secrets import Secret
from promoter.settings import Alias
from promoter.signing import sign
from promoter.store import Store, promotion_key

BUCKET = "mlops-blue-releases-111111111111"
WEBHOOK, LOGIN = "arn:webhook", "arn:login"
SECRET = "the-webhooks-secret"
IRIS = Alias("iris", "champion")
FOLLOWED = {"iris": {"model": IRIS}}
START = 1_800_000_000.0

AGAIN = (429, 500, 502, 503, 504)
BACKOFF = (0, 1, 2, 4, 8, 16)
"""What MLflow tries again, and after how many seconds, as our server sets it."""

Turn = Callable[[], AbstractContextManager[None]]


def no_turns() -> AbstractContextManager[None]:
    """Everybody does as they come."""
    return nullcontext()


class Clock:
    """Seconds since 1970, which pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds


def client_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@dataclass(frozen=True)
class Version:
    """A version of an object."""

    id: str
    body: bytes
    at: datetime

    @property
    def etag(self) -> str:
        """Of what it holds alone, as S3 makes it where no key of KMS does."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class FakeS3:
    """A versioned bucket with conditional writes, whose every call is one step."""

    def __init__(self, clock: Clock, turn: Turn = no_turns) -> None:
        self.versions: dict[str, list[Version]] = {}
        self.down = False
        self.calls: dict[str, int] = {}
        self._clock = clock
        self._turn = turn
        self._lock = threading.Lock()

    def put_object(
        self,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        IfMatch: str = "",
        IfNoneMatch: str = "",
    ) -> dict[str, str]:
        with self._turn(), self._lock:
            self._count("put", Key)
            versions = self.versions.setdefault(Key, [])
            if IfNoneMatch == "*" and versions:
                raise client_error("PreconditionFailed", "PutObject")
            if IfMatch and not versions:
                raise client_error("NoSuchKey", "PutObject")
            if IfMatch and versions[-1].etag != IfMatch:
                raise client_error("PreconditionFailed", "PutObject")
            now = datetime.fromtimestamp(self._clock(), UTC)
            versions.append(Version(f"v{uuid.uuid4().hex}", Body, now))
            return {"ETag": versions[-1].etag, "VersionId": versions[-1].id}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        with self._turn(), self._lock:
            self._count("get", Key)
            found = self._latest(Key, "NoSuchKey", "GetObject")
            return {
                "Body": io.BytesIO(found.body),
                "ETag": found.etag,
                "VersionId": found.id,
                "LastModified": found.at,
            }

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        with self._turn(), self._lock:
            self._count("head", Key)
            return {"ETag": self._latest(Key, "404", "HeadObject").etag}

    def promotions(self, endpoint: str = "iris") -> list[dict[str, Any]]:
        """Every promotion that was written, in order."""
        return [json.loads(it.body) for it in self.versions.get(promotion_key(endpoint), ())]

    def promoted(self, endpoint: str = "iris") -> list[int]:
        """The version of the model in each."""
        return [it["models"]["model"]["version"] for it in self.promotions(endpoint)]

    def attempt(
        self, *promotions: str, endpoint: str = "iris", closed: tuple[str, ...] = ()
    ) -> None:
        """What the pipeline notes when it begins."""
        latest, *earlier = [{"promotion": {"version": each}} for each in promotions]
        journal = json.dumps({**latest, "earlier": earlier, "closed": closed})
        now = datetime.fromtimestamp(self._clock(), UTC)
        self.versions["attempts/iris.json"] = [Version("a", journal.encode(), now)]

    def _latest(self, key: str, code: str, operation: str) -> Version:
        if not self.versions.get(key):
            raise client_error(code, operation)
        return self.versions[key][-1]

    def _count(self, call: str, key: str) -> None:
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://s3")
        name = f"{call} {key.partition('/')[0]}"
        self.calls[name] = self.calls.get(name, 0) + 1


class FakeRegistry:
    """Aliases, and what each meant in the course of time."""

    def __init__(self, turn: Turn = no_turns) -> None:
        self.meant: dict[Alias, list[Promoted | None]] = {}
        self.down = False
        self.asked = 0
        self._turn = turn

    def move(self, version: int, alias: Alias = IRIS, by: str = "ana") -> None:
        self.meant.setdefault(alias, []).append(Promoted(version, by, f"better than {version - 1}"))

    def remove(self, alias: Alias = IRIS) -> None:
        self.meant.setdefault(alias, []).append(None)

    def meaning(self, alias: Alias) -> Promoted | None:
        with self._turn():
            self.asked += 1
            if self.down:
                raise LookError("MLflow cannot be asked.")
            return self.meant.get(alias, [None])[-1]

    @property
    def moves(self) -> list[int]:
        """The versions that the alias of iris meant, one after the other."""
        versions = [it.version for it in self.meant.get(IRIS, ()) if it]
        return [it for i, it in enumerate(versions) if i == 0 or versions[i - 1] != it]


class FakeManager:
    """Secrets Manager."""

    def __init__(self) -> None:
        login = {"username": "release", "password": "of-release"}
        self.values = {WEBHOOK: SECRET, LOGIN: json.dumps(login)}
        self.read = 0
        self.down = False

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        self.read += 1
        if self.down:
            raise client_error("AccessDeniedException", "GetSecretValue")
        return {"SecretString": self.values[SecretId]}


@dataclass
class World:
    """The function in the middle of all it speaks to."""

    clock: Clock
    s3: FakeS3
    registry: FakeRegistry
    manager: FakeManager
    promoter: Promoter
    hearing: Hearing

    def hear(self, event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and words of the answer to a webhook."""
        answered = self.hearing.hear(event)
        return answered["statusCode"], json.loads(answered["body"])

    def tell(self, event: Mapping[str, Any], reachable: Callable[[], bool] = lambda: True) -> int:
        """Send a webhook as MLflow does, with its retries; the last status, 0 for no answer."""
        status = 0
        for seconds in BACKOFF:
            self.clock.pass_(seconds)
            status = self.hear(event)[0] if reachable() else 0
            if status and status not in AGAIN:
                break
        return status

    def alias_event(self, version: int, **more: Any) -> dict[str, Any]:
        """What MLflow sends when the alias of iris is set now."""
        return signed_event(alias_body(IRIS, version), at=self.clock(), **more)


def world(
    followed: Mapping[str, Mapping[str, Alias]] = FOLLOWED,
    *,
    turn: Turn = no_turns,
    s3: Any = None,
) -> World:
    clock = Clock()
    fake, registry, manager = FakeS3(clock, turn), FakeRegistry(turn), FakeManager()
    store = Store(s3 or fake, BUCKET)
    promoter = Promoter(followed, registry, store, clock)
    hearing = Hearing(promoter, store, Secret(manager, WEBHOOK, clock), clock)
    return World(clock, fake, registry, manager, promoter, hearing)


def alias_body(alias: Alias, version: int) -> bytes:
    """What MLflow 3.17 says of an alias: see `mlflow.webhooks.delivery`."""
    data = {"name": alias.model, "alias": alias.name, "version": str(version)}
    said = {"entity": "model_version_alias", "action": "created", "timestamp": "", "data": data}
    return json.dumps(said).encode()


def signed_event(
    body: bytes, *, at: float = START, delivery: str = "", secret: str = SECRET, **changes: Any
) -> dict[str, Any]:
    """A webhook as API Gateway passes it on."""
    delivery, timestamp = delivery or str(uuid.uuid4()), str(int(at))
    signature = sign(secret, b".".join((delivery.encode(), timestamp.encode(), body)))
    return {
        "httpMethod": "POST",
        "path": "/promotions",
        "headers": {
            "Content-Type": "application/json",
            SIGNATURE: signature,
            DELIVERY: delivery,
            TIMESTAMP: timestamp,
        },
        "body": body.decode(),
        "isBase64Encoded": False,
        "requestContext": {"requestId": "r1"},
        **changes,
    }
