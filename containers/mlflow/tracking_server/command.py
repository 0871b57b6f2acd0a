"""`tracking-server`: what the image can be told to do."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from tracking_server.database import DatabaseError
from tracking_server.grants import GrantsError, grant
from tracking_server.migration import check, migrate
from tracking_server.server import serve
from tracking_server.settings import ADMINISTRATOR, DECLARATION, MASTER, Settings, SettingsError
from tracking_server.smoke import SmokeError, smoke


@dataclass(frozen=True)
class Command:
    """A thing that the image does.

    Parameters
    ----------
    does
        What it does, in a line.
    run
        Does it; the exit status.
    needs
        Variables that it needs beside those that the server has.
    """

    does: str
    run: Callable[[Settings], int]
    needs: tuple[str, ...] = ()


COMMANDS = {
    "serve": Command("run the server; what is done where nothing is said", serve),
    "check": Command("say whether the schemas are the image's: 0; old: 3; none: 4", check),
    "migrate": Command("make the server's user, and bring the schemas up", migrate, (MASTER,)),
    "grant": Command(
        "make users, teams and permissions those that are declared",
        grant,
        (ADMINISTRATOR, DECLARATION),
    ),
    "smoke": Command("run the server for a moment, and ask it", smoke, (ADMINISTRATOR,)),
}


def main(words: Sequence[str] | None = None) -> int:
    """Do as the command line says; the exit status.

    Parameters
    ----------
    words
        The command line, without the program's name.
    """
    name, *rest = (sys.argv[1:] if words is None else words) or ["serve"]
    if name in ("-h", "--help"):
        print("tracking-server [COMMAND]\n")
        for each, command in COMMANDS.items():
            print(f"  {each:8} {command.does}")
        return 0
    if rest or name not in COMMANDS:
        said = " ".join([name, *rest])
        print(f"tracking-server: '{said}' is none of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    command = COMMANDS[name]
    try:
        return command.run(Settings.read(also=command.needs))
    except (
        *(SettingsError, DatabaseError, GrantsError, SmokeError),
        *(BotoCoreError, ClientError, pymysql.MySQLError),
    ) as error:
        print(f"tracking-server: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
