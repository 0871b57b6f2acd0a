"""What stands for processes and for time in the tests of the local SageMaker."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2
from botocore.exceptions import ClientError

from local.extensions.sagemaker.containers import Instance
from local.extensions.sagemaker.errors import StartError

ACCOUNT = "000000000000"


class FakeContainer:
    """A container that listens nowhere, and is stopped once."""

    def __init__(self, image: str, port: int) -> None:
        self.image = image
        self.port: int | None = port
        self.pid = port
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        self.port = None


class FakeLauncher:
    """Starts containers that answer through `Answers`.

    Attributes
    ----------
    containers : list of FakeContainer
        Every one that was started.
    failures : dict of str to str
        Why an image does not start.
    on_start : callable
        Called before a container is started.
    """

    def __init__(self) -> None:
        self.containers: list[FakeContainer] = []
        self.failures: dict[str, str] = {}
        self.on_start: Callable[[], None] = lambda: None

    def prepare(
        self, name: str, region: str, containers: Sequence[Mapping[str, Any]]
    ) -> Callable[[], Instance]:
        def start() -> Instance:
            self.on_start()
            started = []
            for container in containers:
                image = container["Image"]
                if image in self.failures:
                    raise StartError(self.failures[image])
                started.append(FakeContainer(image, 1000 + len(self.containers)))
                self.containers.append(started[-1])
            return Instance(started)

        return start

    def running(self, image: str) -> list[FakeContainer]:
        """The containers of an image that have not been stopped."""
        return [each for each in self.containers if each.image == image and not each.stopped]

    def image_at(self, port: int) -> str:
        """What listens on a port."""
        return next(each.image for each in self.containers if each.port == port)


class Answers:
    """What containers answer, by their image.

    Attributes
    ----------
    asked : list
        The image and the request of everything that was asked.
    by_image : dict
        What an image answers, where it is not what it was given with its name before it.
    """

    def __init__(self, launcher: FakeLauncher) -> None:
        self._launcher = launcher
        self.asked: list[tuple[str, httpx2.Request]] = []
        self.by_image: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {}
        self.connect = lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def counts(self) -> Counter[str]:
        """How often which image was asked."""
        return Counter(image for image, _ in self.asked)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        # Those that were asked at the same time are at work at the same time.
        await asyncio.sleep(0)
        assert request.url.port is not None
        image = self._launcher.image_at(request.url.port)
        self.asked.append((image, request))
        answer = self.by_image.get(image)
        if answer:
            return answer(request)
        return httpx2.Response(
            200, content=f"{image}({request.content.decode()})", headers={"content-type": image}
        )


def failing(status: int, text: str) -> Callable[[httpx2.Request], httpx2.Response]:
    """What answers with an error."""
    return lambda request: httpx2.Response(status, text=text)


class FakeClock:
    """Time that passes only when it is waited for.

    Attributes
    ----------
    time : float
        Now.
    at : dict
        What happens at a time.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self.at: dict[float, Callable[[], None]] = {}

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, until: Callable[[], bool]) -> bool:
        end = self.time + max(0.0, seconds)
        while not until():
            due = sorted(moment for moment in self.at if moment <= end)
            if not due:
                self.time = end
                return until()
            self.time = max(self.time, due[0])
            self.at.pop(due[0])()
        return True


class Measured:
    """What metrics were published, summed up."""

    def __init__(self) -> None:
        self.sums: Counter[tuple[str, str]] = Counter()

    def __call__(
        self,
        scope: tuple[str, str],
        namespace: str,
        name: str,
        unit: str,
        dimensions: Mapping[str, str],
        counts: Mapping[float, int],
    ) -> None:
        total = sum(value * count for value, count in counts.items())
        self.sums[name, json.dumps(dimensions, sort_keys=True)] += total  # type: ignore[assignment]


class FakeStores:
    """S3 and SNS, in a dictionary and a list.

    Attributes
    ----------
    objects : dict of str to bytes
        By bucket and key.
    published : list of (str, dict)
        Topic and message.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.published: list[tuple[str, dict[str, Any]]] = []

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        name = f"{Bucket}/{Key}"
        if name not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": name}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[name])}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.objects[f"{Bucket}/{Key}"] = Body

    def get_paginator(self, operation: str) -> "FakeStores":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        keys = [name.removeprefix(f"{Bucket}/") for name in self.objects]
        return [{"Contents": [{"Key": key} for key in keys if key.startswith(Prefix)]}]

    def publish(self, TopicArn: str, Message: str) -> None:  # noqa: N803
        self.published.append((TopicArn, json.loads(Message)))
