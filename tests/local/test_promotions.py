"""The conditions that promotions are written on, as the embedded AWS keeps them."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.processes import Process
from local.servers import answers
from local.state import ROOT, free_port
from promoter.store import Store, Written, promotion_key
from tests.unit.lambda_functions.promoting import BUCKET, World, world

REGION = "ap-northeast-1"
START_SECONDS = 120


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder, port = tmp_path_factory.mktemp("aws"), free_port()
    emulator = Process(
        [sys.executable, "-m", "local.emulator", str(folder), str(port), "0" * 12, "1"],
        folder / "emulator.log",
        {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "LOG_LEVEL": "WARNING"},
        ROOT,
    )
    try:
        emulator.wait_until(lambda: answers(port, "/_ministack/health"), START_SECONDS)
        made = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(max_pool_connections=32, s3={"addressing_style": "path"}),
        )
        where: Any = {"LocationConstraint": REGION}
        made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        made.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield made
    finally:
        emulator.stop()


def versions(client: Any, key: str) -> int:
    found = client.list_object_versions(Bucket=BUCKET, Prefix=key)
    return sum(1 for each in found.get("Versions", ()) if each["Key"] == key)


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-")  # type: ignore[no-any-return]


def test_nothing_is_written_over_what_was_not_seen(client: Any, endpoint: str) -> None:
    store = Store(client, BUCKET)
    content: dict[str, Any] = {"models": {}}
    assert store.promotion(endpoint) == Written({})
    assert store.promote(endpoint, content, Written({}))
    first = store.promotion(endpoint)
    assert first.content == {"models": {}, "follows": None}
    assert not store.promote(endpoint, content, Written({}))
    assert store.promote(endpoint, content, first)
    second = store.promotion(endpoint)
    assert second.content["follows"] == first.version != second.version
    assert second.etag != first.etag
    assert not store.promote(endpoint, content, first)
    assert not store.promote(f"{endpoint}-gone", content, first)
    assert versions(client, promotion_key(endpoint)) == 2


def test_of_many_at_once_one_is_written(client: Any, endpoint: str) -> None:
    store = Store(client, BUCKET)
    last = Written({})
    for turn in range(5):
        write = partial(store.promote, endpoint, after=last)
        with ThreadPoolExecutor(16) as pool:
            done = list(pool.map(write, [{"by": number} for number in range(16)]))
        assert done.count(True) == 1
        last = store.promotion(endpoint)
        assert versions(client, promotion_key(endpoint)) == turn + 1


def test_a_webhook_is_heard_once(client: Any) -> None:
    store = Store(client, BUCKET)
    assert not store.heard("0a1b")
    store.claim("0a1b")
    assert store.heard("0a1b")
    store.claim("0a1b")
    assert versions(client, "deliveries/0a1b") == 1


def test_a_burst_is_one_promotion(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    here: World = world(s3=client)
    here.registry.move(7)
    events = [here.alias_event(7) for _ in range(200)]
    with ThreadPoolExecutor(16) as pool:
        answers_of = Counter(status for status, _ in pool.map(here.hear, events))
    written = versions(client, promotion_key("iris"))
    with capsys.disabled():
        print(f"\n  200 webhooks at once: {dict(answers_of)}, {written} promotion")
    assert answers_of == {200: 200}
    assert written == 1
