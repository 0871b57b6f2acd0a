"""The steps of the guide on upgrades, as the guide has them: what it says is what is run."""

import json
import re
import time
from pathlib import Path

from local.processes import Process
from tests.conftest import ROOT
from tests.evidence.database import RunningDatabase
from tests.evidence.programs import run_in_image

GUIDE = ROOT / "docs" / "upgrades.md"


def block(language: str, containing: str) -> str:
    """The one example of the guide that contains a text."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", GUIDE.read_text(), re.M | re.S)
    (text,) = [text for text in found if containing in text]
    return str(text)


def start_migration(database: RunningDatabase, folder: Path) -> Process:
    """Start the one-off task of the guide."""
    (container,) = json.loads(block("json", "containerOverrides"))["containerOverrides"]
    words = container["command"]
    return run_in_image(words, database, folder / "files", folder, preparing=True)


def revision(database: RunningDatabase) -> str:
    """The last revision that a migration finished."""
    ((found,),) = database.ask(block("sql", "alembic_version"))
    return str(found)


def sessions(database: RunningDatabase) -> dict[int, str]:
    """The statements that a migration left running."""
    return {number: words or "" for number, words in database.ask(block("sql", "PROCESSLIST"))}


def end_sessions(database: RunningDatabase, seconds: float = 30) -> None:
    """End them, and wait until the list is empty."""
    deadline = time.monotonic() + seconds
    while left := sessions(database):
        assert time.monotonic() < deadline, left
        for session in left:
            database.ask(block("sql", "KILL").replace("<id>", str(session)))
        time.sleep(0.2)
