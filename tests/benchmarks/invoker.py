"""The invoker's handler, against the bare call of boto3 that it makes."""

import io
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.benchmarks.report import Measure, median, report

REQUESTS = 2000
GOAL_MS = 2.0
BODY = json.dumps({"petal_length": 0.4, "petal_width": 1.4})
ANSWER = json.dumps({"category": "Iris-Setosa", "probability": 0.8}).encode()


class Endpoint(BaseHTTPRequestHandler):
    """Answers every invocation the same, and keeps the connection."""

    protocol_version = "HTTP/1.1"
    # As a server of models does; without it a kept connection waits 40 ms for each answer.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer an invocation."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def main() -> int:
    """Time the handler, and within it the call."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}",
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        AWS_DEFAULT_REGION="ap-northeast-1",
        ENDPOINT_PREFIX="mlops-blue-",
        READ_SECONDS="26",
        BUCKET="mlops-blue-artifacts-1",
    )
    # Imported late, as Lambda does once its environment stands.
    from invoker import handler

    calls: list[float] = []
    invoke = handler.INVOKER._runtime.invoke_endpoint

    def timed(**request: Any) -> Any:
        started = time.perf_counter()
        answer = invoke(**request)
        content = answer["Body"].read()
        answer["Body"] = io.BytesIO(content)
        calls.append(time.perf_counter() - started)
        return answer

    handler.INVOKER._runtime.invoke_endpoint = timed
    event = {
        "pathParameters": {"endpoint": "iris"},
        "headers": {"Content-Type": "application/json", "Accept": "*/*"},
        "body": BODY,
        "isBase64Encoded": False,
        "requestContext": {"requestId": "r"},
    }
    totals = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        status = handler.handler(event, None)["statusCode"]
        totals.append(time.perf_counter() - started)
        assert status == 200
    server.shutdown()
    beyond = median([total - call for total, call in zip(totals, calls, strict=True)])
    measures = [
        Measure("handler, with the call", 1000 * median(totals), "ms"),
        Measure("the call of boto3 alone", 1000 * median(calls), "ms"),
        Measure("ratio", median(totals) / median(calls), "x"),
        Measure("handler beyond the call", 1000 * beyond, "ms", GOAL_MS),
    ]
    return 0 if report("invoker", measures) else 1


if __name__ == "__main__":
    sys.exit(main())
