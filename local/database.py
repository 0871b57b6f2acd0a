"""A real MySQL-protocol server that stands for RDS: TLS asked for, binary log on, no SUPER."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql

from local.certificates import make_certificates
from local.processes import Process
from local.state import free_port
from operations.errors import OperationError

IMAGE = "mysql:8.4"
PACKAGES = ("mariadb-server-core", "mariadb-client-core")
START_SECONDS = 60
MYSQL_ONLY = ("log_error_verbosity",)
"""Parameters that MariaDB does not know, and would not start with."""

# What RDS gives its master user, which is not everything: SUPER stays with AWS.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.MasterAccounts.html
PRIVILEGES = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER,"
    " SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE,"
    " REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER,"
    " EVENT, TRIGGER"
)


@dataclass(frozen=True)
class ServerProgram:
    """A server that can be run on this machine.

    Parameters
    ----------
    kind
        ``mysql``, ``mariadb`` or ``container``.
    command
        How it is started, without its options.
    version
        What it says of itself.
    """

    kind: str
    command: tuple[str, ...]
    version: str


def find_server(say: Callable[[str], None] = lambda _: None) -> ServerProgram:
    """Find a server; install one where there is none and the user may.

    An installed mysqld or mariadbd comes first, then `mysql:8.4` where a container engine runs,
    then Debian's package.

    Parameters
    ----------
    say
        Told what is being installed.

    Raises
    ------
    OperationError
        Where there is none, and none can be had.
    """
    found = installed_server() or container_server()
    if found:
        return found
    privilege = _privilege()
    if not shutil.which("apt-get") or privilege is None:
        raise OperationError(
            "No MySQL-protocol server is installed, no container engine runs, and this user may"
            " not install one.",
            f"Have it installed: sudo apt-get install {' '.join(PACKAGES)} (or any mysqld), then"
            " try again.",
        )
    say(f"installing {PACKAGES[0]}")
    for words in (("update", "-q"), ("install", "-y", "-q", "--no-install-recommends", *PACKAGES)):
        result = subprocess.run(
            [*privilege, "apt-get", *words],
            capture_output=True,
            text=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
        if result.returncode:
            lines = (result.stderr or result.stdout).strip().splitlines() or ["it said nothing"]
            raise OperationError(
                f"'apt-get {words[0]}' failed: {lines[-1]}",
                f"Install {' '.join(PACKAGES)} (or any mysqld) yourself, then try again.",
            )
    found = installed_server()
    if found is None:
        raise OperationError(
            f"{PACKAGES[0]} is installed, but no server is on the PATH.",
            "Put the folder of mariadbd on the PATH, then try again.",
        )
    return found


def installed_server() -> ServerProgram | None:
    """The server that is installed on this machine, if one is."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    for name in ("mysqld", "mariadbd"):
        program = shutil.which(name, path=path)
        if program:
            said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
            kind = "mariadb" if "MariaDB" in said else "mysql"
            version = said.partition("Ver ")[2].split(" ")[0].partition("-")[0]
            return ServerProgram(kind, (program,), f"{_TITLES[kind]} {version}")
    return None


_TITLES = {"mysql": "MySQL", "mariadb": "MariaDB"}


def container_server() -> ServerProgram | None:
    """`mysql:8.4` in a container engine that runs, if one does."""
    for engine in ("docker", "podman"):
        if shutil.which(engine):
            answer = subprocess.run([engine, "info"], capture_output=True, timeout=30)
            if answer.returncode == 0:
                return ServerProgram("container", (engine,), f"{IMAGE} in {engine}")
    return None


def _privilege() -> tuple[str, ...] | None:
    """What makes a command run as root, or nothing where this user may not."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo"):
        allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True)
        if allowed.returncode == 0:
            return ("sudo", "-n")
    return None


class DatabaseServer:
    """A running server with one database and one user, as RDS would hand it over.

    Parameters
    ----------
    program
        What to run.
    folder
        Where its files stand.
    log
        File for its output.
    user, password, database
        Who may connect, and to what.
    parameters
        Server parameters, by name.
    run
        Starts the server's process.

    Attributes
    ----------
    port : int
        Where it listens, on 127.0.0.1.
    certificates : pathlib.Path
        What its certificate comes from.
    """

    def __init__(
        self,
        program: ServerProgram,
        folder: Path,
        log: Path,
        *,
        user: str,
        password: str,
        database: str,
        parameters: Mapping[str, str],
        run: Callable[..., Process] = Process,
    ) -> None:
        self.port = free_port()
        folder.mkdir(parents=True)
        self.certificates = make_certificates(folder)
        start = folder / "start.sql"
        start.touch(0o600)
        start.write_text(
            f"CREATE DATABASE IF NOT EXISTS `{database}`;\n"
            f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{_quoted(password)}';\n"
            f"GRANT {PRIVILEGES} ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        options = [
            f"--{name.replace('_', '-')}={value}"
            for name, value in parameters.items()
            if program.kind != "mariadb" or name not in MYSQL_ONLY
        ]
        command = _COMMANDS[program.kind](program, folder, self.port, log)
        # A container engine's client asks for its home and its host.
        kept = ("PATH", "HOME", "DOCKER_HOST", "XDG_RUNTIME_DIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.process = run([*command, *options], log, environment, folder)
        self.process.wait_until(
            lambda: self._answers(user, password, database), seconds=START_SECONDS
        )
        start.unlink()

    def _answers(self, user: str, password: str, database: str) -> bool:
        try:
            pymysql.connect(
                host="127.0.0.1",
                port=self.port,
                user=user,
                password=password,
                database=database,
                ssl={"ca": str(self.certificates)},
            ).close()
        except pymysql.MySQLError:
            return False
        return True


def _installed_command(program: ServerProgram, folder: Path, port: int, log: Path) -> Sequence[str]:
    """Create the data folder with the server's own tool, and say how to start on it."""
    data = folder / "data"
    me = ["--user=root"] if os.geteuid() == 0 else []
    if program.kind == "mysql":
        make = [*program.command, "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
    else:
        make = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        make += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
    with log.open("ab") as output:
        result = subprocess.run([*make, *me], stdout=output, stderr=subprocess.STDOUT)
    if result.returncode:
        raise OperationError(
            f"'{make[0]}' could not create a database in {data}.", f"Its log says why: {log}."
        )
    return [
        *program.command,
        "--no-defaults",
        *me,
        f"--datadir={data}",
        # Relative to the data folder: a socket's path may hold 107 characters.
        "--socket=server.sock",
        f"--pid-file={folder / 'server.pid'}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        *_common_options(folder),
    ]


def _container_command(program: ServerProgram, folder: Path, port: int, _: Path) -> Sequence[str]:
    """Run the official image, which creates its data folder itself."""
    # The image's own user reads the key and the statements.
    for name in ("server.key", "start.sql"):
        (folder / name).chmod(0o644)
    return [
        *program.command,
        *("run", "--rm", "--name", f"private-mlops-{port}"),
        *("--publish", f"127.0.0.1:{port}:3306"),
        *("--volume", f"{folder}:/local:ro"),
        *("--env", "MYSQL_RANDOM_ROOT_PASSWORD=yes"),
        IMAGE,
        *_common_options(Path("/local")),
    ]


_COMMANDS: dict[str, Callable[[ServerProgram, Path, int, Path], Sequence[str]]] = {
    "mysql": _installed_command,
    "mariadb": _installed_command,
    "container": _container_command,
}


def _common_options(folder: Path) -> Sequence[str]:
    return [
        # RDS has it on wherever there are backups, and MLflow's migrations notice.
        "--log-bin=binlog",
        f"--init-file={folder / 'start.sql'}",
        f"--ssl-ca={folder / 'ca.pem'}",
        f"--ssl-cert={folder / 'server.pem'}",
        f"--ssl-key={folder / 'server.key'}",
        "--skip-name-resolve",
    ]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")
