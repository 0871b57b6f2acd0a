"""The local platform from outside: start the embedded AWS, deploy into it, ask it things."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from local.host import Host, aws_environment, forget_account, here
from local.images import current_image, install_image
from local.pace import Pace
from local.processes import Process, ProcessError
from local.progress import Say
from local.state import ROOT, StateFolder, check_port, free_port
from operations.errors import OperationError
from operations.login import logged_in, login_variables
from operations.records import write_images
from stacks.config import Environment, load_environment

ENVIRONMENT = "local"
START_SECONDS = 60


class LocalPlatform:
    """A running embedded AWS, and the commands that deploy into it.

    Parameters
    ----------
    state
        The folder that everything is kept in.
    url
        Address of the emulator.
    environment
        What is deployed.
    emulator
        The embedded AWS.
    pace
        How fast the waits of its services pass.
    """

    def __init__(
        self,
        state: StateFolder,
        url: str,
        environment: Environment,
        emulator: Process,
        pace: Pace,
    ) -> None:
        self.state = state
        self.url = url
        self.environment = environment
        self.pace = pace
        self._host = Host(state, url)
        self._emulator = emulator

    def client(self, service: str) -> Any:
        """A client of the embedded AWS."""
        return self._host.client(service, self.environment.region)

    def address(self, part: str) -> str:
        """The loopback address that stands for a part, such as ``database``.

        Raises
        ------
        OperationError
            Where no such part runs.
        """
        known = self.addresses()
        if part not in known:
            listed = ", ".join(known) or "nothing"
            raise OperationError(f"'{part}' does not run; {listed} does.", "Deploy its stack.")
        return known[part]

    def addresses(self) -> dict[str, str]:
        """The loopback address that stands for each part that runs."""
        if not self.state.addresses.is_file():
            return {}
        known: dict[str, str] = json.loads(self.state.addresses.read_text(encoding="utf-8"))
        return known

    def tracking_uri(self) -> str:
        """The address of MLflow: where the load balancer that its stack names listens here."""
        declared = self.outputs("Tracking")["TrackingUri"]
        return self.address(declared.removeprefix("http://"))

    def login(self, user: str) -> dict[str, str]:
        """What logs a client of MLflow in: the variables that it reads.

        Parameters
        ----------
        user
            A user of the configuration, or ``administrator``.
        """
        return login_variables(self.client("secretsmanager"), self.environment.naming, user)

    @contextmanager
    def logged_in(self, user: str) -> Iterator[MlflowClient]:
        """A client of MLflow in this process, which reads its login whenever it asks.

        Parameters
        ----------
        user
            A user of the configuration, or ``administrator``.
        """
        with logged_in(self.login(user)):
            yield MlflowClient(self.tracking_uri())

    def endpoint_name(self, endpoint: str) -> str:
        """The name in SageMaker of an endpoint of the configuration."""
        return self.environment.naming.endpoint(endpoint)

    def invocation_url(self, endpoint: str) -> str:
        """The address to post to, as the emulator serves the API's private one."""
        declared = urllib.parse.urlsplit(self.outputs("Api")["InvocationUrl"])
        api = (declared.hostname or "").partition(".")[0]
        stage, _, path = declared.path.lstrip("/").partition("/")
        resource = urllib.parse.unquote(path).replace("{endpoint}", endpoint)
        return f"{self.url}/restapis/{api}/{stage}/_user_request_/{resource}"

    def promotions_url(self) -> str:
        """The address that MLflow tells of its aliases, as the emulator serves the API's own."""
        return here(self.outputs("Release")["PromotionsUrl"], self.url, {})

    def api_key(self) -> str:
        """The value of the API's key."""
        key = self.outputs("Api")["ApiKeyId"]
        value: str = self.client("apigateway").get_api_key(apiKey=key, includeValue=True)["value"]
        return value

    def outputs(self, stack: str) -> dict[str, str]:
        """The outputs of a deployed stack, by their names.

        Parameters
        ----------
        stack
            Its id in the app, such as ``Api``.
        """
        name = self.environment.naming.stack(stack)
        described = self.client("cloudformation").describe_stacks(StackName=name)
        return {
            output["OutputKey"]: output["OutputValue"]
            for output in described["Stacks"][0].get("Outputs", [])
        }

    def program_environment(self, folder: Path) -> dict[str, str]:
        """The environment of a program that uses the platform, with `folder` as its home."""
        return self._host.environment(self.environment.region, folder)

    def wait(self) -> None:
        """Wait until the embedded AWS ends, which it does not by itself.

        Raises
        ------
        OperationError
            Where it does.
        """
        status = self._emulator.wait()
        raise OperationError(
            f"The embedded AWS ended with status {status}: {self._emulator.last_words()}.",
            f"Its whole output is in {self._emulator.log}.",
        )

    def bootstrap(self, say: Say = lambda _: None) -> None:
        """Run `cdk bootstrap` for the environment's account and region."""
        target = f"aws://{self.environment.account}/{self.environment.region}"
        self.cdk("bootstrap", target, say=say)

    def deploy(self, *stacks: str, say: Say = lambda _: None) -> None:
        """Run `cdk deploy` for stacks by their ids, without those they stand on."""
        options = ("--exclusively", "--require-approval", "never", "--progress", "events")
        self.cdk("deploy", *stacks, *options, "--concurrency", "4", say=say)

    def deployment_seconds(self, stack: str) -> float:
        """How long CloudFormation worked on a stack, the last time.

        Parameters
        ----------
        stack
            Its id in the app, such as ``Api``.
        """
        name = self.environment.naming.stack(stack)
        pages = self.client("cloudformation").get_paginator("describe_stack_events")
        own = [
            event["Timestamp"]
            for page in pages.paginate(StackName=name)
            for event in page["StackEvents"]
            if event["LogicalResourceId"] == name
        ]
        taken: float = (max(own) - min(own)).total_seconds()
        return taken

    def install_images(self, say: Say = lambda _: None) -> None:
        """Install the environment's images as their files are now, and record their digests.

        Of the image that releases run in, the digest alone: here, this checkout takes its place.
        """
        release = self.environment.release
        digests = {
            image: current_image(image).digest
            if release and image == release.image
            else install_image(image, say).digest
            for image in self.environment.images
        }
        write_images(self.state.releases, ENVIRONMENT, digests)

    def cdk(self, *words: str, say: Say = lambda _: None) -> None:
        """Run the cdk CLI against the embedded AWS.

        Parameters
        ----------
        words
            Its command and options.
        say
            Told each line of its output.

        Raises
        ------
        OperationError
            Where it fails, with what it said last.
        """
        log = self.state.logs / "cdk.log"
        environment = {
            **os.environ,
            **aws_environment(self.url, self.environment.region),
            # The CLI remembers which account a key belongs to, and would mistake one for another.
            "CDK_HOME": str(self.state.run / "cdk-home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CI": "true",
        }
        command = ["cdk", *words, "-c", f"env={ENVIRONMENT}"]
        command += ["-c", f"releases={self.state.releases}"]
        command += ["--output", str(self.state.run / "cdk.out"), "--no-color"]
        lines: list[str] = []
        with (
            log.open("a", encoding="utf-8") as record,
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    record.write(line)
                    if line.strip():
                        lines.append(line.strip())
                        say(_now(line.strip()))
            except BaseException:
                os.killpg(process.pid, 15)
                raise
        if process.returncode:
            said = "\n".join(lines[-12:])
            raise OperationError(
                f"'cdk {words[0]}' failed:\n{said}\n", f"Its whole output is in {log}."
            )


@contextmanager
def running_platform(
    state: StateFolder, port: int = 0, pace: Pace | None = None
) -> Iterator[LocalPlatform]:
    """Start the embedded AWS; stop it and all that it runs at the end, whatever that is.

    Parameters
    ----------
    state
        The folder that everything is kept in.
    port
        Where it listens, on 127.0.0.1; a free port where 0.
    pace
        How fast the waits of its services pass; see `Pace`.

    Raises
    ------
    OperationError
        Where the environment is not for this machine, the folder or the port is taken, or the
        emulator does not start.
    """
    forget_account()
    environment = load_environment(ENVIRONMENT, ROOT / "environments")
    if environment.tracking.kind != "fargate":
        raise OperationError(
            f"environments/{ENVIRONMENT}.yaml has AWS run MLflow, which it does in accounts alone.",
            "Choose tracking.kind 'fargate' there: MLflow runs on this machine then.",
        )
    if port:
        check_port(port)
    with state.owned():
        port = port or free_port()
        pace = pace or Pace()
        words = (str(state.path), str(port), environment.account, str(pace.minute))
        log = state.logs / "emulator.log"
        emulator = Process(
            [sys.executable, "-m", "local.emulator", *words],
            log,
            {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(state.run)},
            ROOT,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            emulator.wait_until(lambda: _healthy(url), START_SECONDS)
            yield LocalPlatform(state, url, environment, emulator, pace)
        except ProcessError as error:
            raise OperationError(
                f"The embedded AWS did not start: {error}.", f"Its whole output is in {log}."
            ) from error
        finally:
            emulator.stop(seconds=30)


def _now(line: str) -> str:
    """What a line of the cdk CLI says of now; of an event, how far its stack is, and what it is."""
    parts = [part.strip() for part in line.split("|")]
    return f"{parts[1]} {parts[4]}" if len(parts) == 6 else line


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
