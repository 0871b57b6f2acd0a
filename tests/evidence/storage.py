"""S3 that can be told to refuse: the embedded AWS's, behind a proxy of our own."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3

from local.host import aws_environment
from local.processes import Process
from local.servers import answers
from local.state import ROOT, free_port

REGION = "ap-northeast-1"
BUCKET = "artifacts"
START_SECONDS = 120

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"

Asked = Callable[[str], bool]
"""Whether a request is meant, by its path with the query."""


class Storage:
    """A bucket in an S3 that has faults when it is told to.

    Parameters
    ----------
    folder
        For its files.

    Attributes
    ----------
    address : str
        What programs call S3 at.
    uri : str
        Where the files are kept.
    refused : int
        How many requests were answered 503.
    """

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.refused = 0
        self.uri = f"s3://{BUCKET}/mlflow"
        self._refuses = False
        self._held: Asked | None = None
        self._waits, self._goes_on = threading.Event(), threading.Event()
        self._emulator = Process(
            [sys.executable, "-m", "local.emulator", str(folder / "aws"), str(port), "0" * 12, "1"],
            folder / "emulator.log",
            {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "LOG_LEVEL": "WARNING"},
            ROOT,
        )
        self._emulator.wait_until(lambda: answers(port, "/_ministack/health"), START_SECONDS)
        self._s3 = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        where: Any = {"LocationConstraint": REGION}
        self._s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(port))
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._proxy.server_port}"

    @property
    def variables(self) -> dict[str, str]:
        """What tells a program to use it."""
        return {"AWS_ENDPOINT_URL_S3": aws_environment(self.address, REGION)["AWS_ENDPOINT_URL_S3"]}

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Answer every request 503 meanwhile."""
        self._refuses = True
        try:
            yield
        finally:
            self._refuses = False

    @contextmanager
    def holding(self, asked: Asked) -> Iterator[threading.Event]:
        """Have requests wait meanwhile; the event says that one does."""
        self._waits.clear()
        self._goes_on.clear()
        self._held = asked
        try:
            yield self._waits
        finally:
            self._held = None
            self._goes_on.set()

    def names(self) -> set[str]:
        """Every object of the bucket, by its path below the files' address."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="mlflow/")
        return {
            each["Key"].removeprefix("mlflow/")
            for page in pages
            for each in page.get("Contents", [])
        }

    def stop(self) -> None:
        """Stop it."""
        self._proxy.shutdown()
        self._proxy.server_close()
        self._emulator.stop()

    def _handler(self, port: int) -> type[BaseHTTPRequestHandler]:
        storage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                # With http, boto3 says how long a body is.
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if storage._held and storage._held(self.path):
                    storage._waits.set()
                    storage._goes_on.wait()
                if storage._refuses:
                    storage.refused += 1
                    self._answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
                    return
                forward = HTTPConnection("127.0.0.1", port, timeout=60)
                left_out = ("connection", "expect")
                headers = {k: v for k, v in self.headers.items() if k.lower() not in left_out}
                forward.request(self.command, self.path, body, headers)
                answer = forward.getresponse()
                content = answer.read()
                forward.close()
                left_out = ("connection", "transfer-encoding")
                headers = {k: v for k, v in answer.getheaders() if k.lower() not in left_out}
                self._answer(answer.status, headers, content)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                if self.command != "HEAD":
                    headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
                    headers["Content-Length"] = str(len(content))
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler
