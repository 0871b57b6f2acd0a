"""The note on a merge request of GitLab: one, and the latest state."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from tests.conftest import ROOT

ME, OTHER = 7, 8
NOTES = "/api/v4/projects/1/merge_requests/2/notes"


class Gitlab(HTTPServer):
    """A server of merge requests, whose token belongs to somebody."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.notes: dict[int, dict[str, Any]] = {}

    def add(self, author: int, body: str) -> None:
        number = max(self.notes, default=0) + 1
        self.notes[number] = {"id": number, "author": {"id": author}, "body": body}

    @property
    def bodies(self) -> list[str]:
        return [it["body"] for it in self.notes.values() if it["author"]["id"] == ME]


class Handler(BaseHTTPRequestHandler):
    server: Gitlab

    def do_GET(self) -> None:
        asked = urlparse(self.path)
        if asked.path == "/api/v4/user":
            self._answer({"id": ME})
            return
        assert asked.path == NOTES
        page = int(parse_qs(asked.query)["page"][0])
        self._answer([*self.server.notes.values()][(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        self.server.add(ME, self._body())
        self._answer({})

    def do_PUT(self) -> None:
        self.server.notes[self._number()]["body"] = self._body()
        self._answer({})

    def do_DELETE(self) -> None:
        del self.server.notes[self._number()]
        self._answer({})

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass

    def _number(self) -> int:
        number = int(self.path.removeprefix(f"{NOTES}/"))
        assert self.server.notes[number]["author"]["id"] == ME
        return number

    def _body(self) -> str:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        return parse_qs(text)["body"][0]

    def _answer(self, content: object) -> None:
        assert self.headers["PRIVATE-TOKEN"] == "token"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content, separators=(",", ":")).encode())


@pytest.fixture
def gitlab() -> Iterator[Gitlab]:
    with Gitlab() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def note(gitlab: Gitlab, folder: Path, environment: str, summary: str) -> None:
    (folder / "summary.md").write_text(summary)
    subprocess.run(
        ["bash", str(ROOT / "ci" / "note.sh"), environment, str(folder / "summary.md")],
        env={
            "PATH": os.environ["PATH"],
            "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_port}/api/v4",
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": "2",
            "NOTE_TOKEN": "token",
        },
        check=True,
        capture_output=True,
        timeout=60,
    )


def test_it_is_one_for_each_environment_and_the_latest(gitlab: Gitlab, tmp_path: Path) -> None:
    note(gitlab, tmp_path, "dev", "### first & 100 %\n")
    note(gitlab, tmp_path, "prod", "### of prod\n")
    note(gitlab, tmp_path, "dev", "### second\n")
    dev, prod = gitlab.bodies
    assert dev.endswith("**dev**\n\n### second\n")
    assert prod.endswith("**prod**\n\n### of prod\n")


def test_where_nothing_differs_any_more_it_is_gone(gitlab: Gitlab, tmp_path: Path) -> None:
    note(gitlab, tmp_path, "dev", "")
    note(gitlab, tmp_path, "dev", "### first\n")
    assert len(gitlab.bodies) == 1
    note(gitlab, tmp_path, "dev", "")
    assert gitlab.bodies == []


def test_nobody_elses_note_is_touched_and_ours_found_behind_many(
    gitlab: Gitlab, tmp_path: Path
) -> None:
    forged = "<!-- difference of dev -->\nNothing changes."
    for _ in range(150):
        gitlab.add(OTHER, forged)
    for summary in ("### first\n", "### second\n"):
        note(gitlab, tmp_path, "dev", summary)
    (ours,) = gitlab.bodies
    assert ours.endswith("### second\n")
    assert sum(it["body"] == forged for it in gitlab.notes.values()) == 150
