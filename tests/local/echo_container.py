"""A container for tests: it does what the file `behaviour.json` of its model says.

It answers with its label and what it was given, ``new(1,2)``, and passes custom attributes on. Run
as `serve`, as any container is.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOUR = json.loads(
    (Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model" / "behaviour.json").read_text()
)

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


class Handler(BaseHTTPRequestHandler):
    """Answers pings, and invocations as the model says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say(200, b"", "text/plain")

    def do_POST(self) -> None:
        # Whatever bytes come, they go back.
        given = self.rfile.read(int(self.headers["content-length"])).decode("latin-1")
        time.sleep(BEHAVIOUR.get("seconds", 0))
        status = BEHAVIOUR.get("status", 200)
        if "fails_on" in BEHAVIOUR and BEHAVIOUR["fails_on"] in given:
            status = 400
        answer = "\n".join(f"{BEHAVIOUR['label']}({line})" for line in given.splitlines())
        self._say(status, answer.encode("latin-1"), self.headers.get("accept", "text/plain"))

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if ATTRIBUTES in self.headers:
            self.send_header(ATTRIBUTES, self.headers[ATTRIBUTES])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
