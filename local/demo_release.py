"""`make demo-release`: an alias is moved, and the platform follows; or does not, and says why."""

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.tracking import MlflowClient
from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.demo import PIPELINE, SAMPLES, run_program, scientist_environment, without_endpoints
from local.faults import fragile_copy
from local.images import current_image
from local.pace import Pace
from local.platform import ENVIRONMENT, LocalPlatform
from local.progress import Say, Steps
from local.releasing import (
    Followed,
    Progress,
    Shares,
    listen,
    notifications,
    promotion_version,
    provide_source,
)
from local.state import ROOT, StateFolder
from mlops_constructs.naming import ADMINISTRATOR
from operations.errors import OperationError
from operations.webhook import read_webhook_secret, register_webhook

ENDPOINT, MODEL, ALIAS = "iris", "iris", "champion"
QUESTION = {"petal_length": 4.7, "petal_width": 1.4}
"""What clients ask all the time: a petal that the fragile model fails at."""

FIRST, BETTER, FRAGILE = "modest", "better", "fragile"
ITERATIONS = {FIRST: 3, BETTER: 2000}
GOAL = 60.0
"""Seconds from the alias to the beginning of the endpoint's update, at most."""

LONGEST = 300.0
MARKS = {"waits": "[dim]·[/dim]", "runs": "…", "done": "[green]✓[/green]", "failed": "[red]✗[/red]"}
REPORT = ROOT / "build" / "bench" / "release.json"


class Clients:
    """Clients that ask the API all the time.

    Parameters
    ----------
    platform
        Where the API is.
    count
        How many there are.

    Attributes
    ----------
    answered : Counter
        How often each category came.
    lost : list of str
        What came instead of an answer.
    """

    def __init__(self, platform: LocalPlatform, count: int = 2) -> None:
        self.answered: Counter[str] = Counter()
        self.lost: list[str] = []
        self._request = urllib.request.Request(
            platform.invocation_url(ENDPOINT),
            data=json.dumps(QUESTION).encode(),
            headers={"Content-Type": "application/json", "x-api-key": platform.api_key()},
        )
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            try:
                with urllib.request.urlopen(self._request, timeout=30) as answer:
                    self.answered[json.loads(answer.read())["category"]] += 1
            except (OSError, urllib.error.HTTPError, ValueError, KeyError) as error:
                self.lost.append(f"{type(error).__name__}: {error}")


def demo_release(
    state: StateFolder, port: int, keep: bool, console: Console, pace: Pace | None = None
) -> None:
    """Run the demo.

    Parameters
    ----------
    state
        The folder that everything is kept in.
    port
        Where the embedded AWS listens; a free port where 0.
    keep
        Whether to leave the platform up until Ctrl-C.
    console
        Where to show it.
    pace
        How fast the waits of the services pass; see `Pace`.

    Raises
    ------
    OperationError
        Where a step fails, or something else comes of a release than is said; nothing is left
        running.
    """
    steps = Steps(console)
    with without_endpoints(steps, state, port, pace) as (platform, _):
        with steps.step("Train three iris models, one of which fails at large petals"):
            folders = train_models(platform)
        with steps.step("cdk deploy: Release; register the webhook in MLflow") as say:
            platform.deploy("Release", say=say)
            follow_aliases(platform, say)
        with steps.step("Log the models; the first becomes champion, and serves"):
            versions = {name: log_model(platform, folder) for name, folder in folders.items()}
            first = Followed(platform, ENDPOINT, "")
            move_alias(platform, versions[FIRST])
            _expect(first.until_settled(lambda _: None, LONGEST), "served")
        queue = listen(platform)
        with Clients(platform) as clients:
            time.sleep(1)
            title = f"models:/{MODEL}@{ALIAS} moved to version {versions[BETTER]}, the better one"
            good, followed = _followed(platform, versions[BETTER], title, console)
            _expect(good, "served")
            shares = followed.shares(good)
            title = f"models:/{MODEL}@{ALIAS} moved to version {versions[FRAGILE]}, the worse one"
            bad, _ = _followed(platform, versions[FRAGILE], title, console)
            _expect(bad, "rolled back")
        told = notifications(platform, queue)
        console.print(said_in_mlflow(platform))
        console.print(times(shares, good, bad))
        asked = sum(clients.answered.values()) + len(clients.lost)
        console.print(
            f"Clients asked {asked} times meanwhile; {len(clients.lost)} requests were lost."
        )
        console.print(f"Notifications: {len(told)}, of {', '.join(it['outcome'] for it in told)}.")
        write_report(shares, good, bad, asked, len(clients.lost))
        _judge(clients, told)
        console.print(f"Logs: {platform.state.logs}", soft_wrap=True)
        if keep:
            _stay(platform, console)
    console.print("Stopped. Nothing is left running.")


def train_models(platform: LocalPlatform) -> dict[str, Path]:
    """Train a modest and a better model, and make a fragile one of the better.

    Parameters
    ----------
    platform
        Whose folder they are kept in.

    Returns
    -------
    dict of str to pathlib.Path
        For each, what SageMaker would call ``/opt/ml``.
    """
    image, folders = current_image(MODEL), {}
    for name, iterations in ITERATIONS.items():
        folder = folders[name] = platform.state.run / "training" / name
        channel, config = folder / "input" / "data" / "train", folder / "input" / "config"
        channel.mkdir(parents=True)
        config.mkdir(parents=True)
        shutil.copy(SAMPLES / "iris.csv", channel)
        given = {"iterations": str(iterations)}
        (config / "hyperparameters.json").write_text(json.dumps(given), encoding="utf-8")
        environment = image.environment(platform.program_environment(folder))
        run_program(image.command(["train"]), {**environment, "SAGEMAKER_BASE_DIR": str(folder)})
    fragile = folders[FRAGILE] = platform.state.run / "training" / FRAGILE
    fragile_copy(folders[BETTER] / "model", fragile / "model")
    shutil.copytree(folders[BETTER] / "output", fragile / "output")
    return folders


def follow_aliases(platform: LocalPlatform, say: Say = lambda _: None) -> None:
    """Give releases their source, and have MLflow tell of its aliases.

    Parameters
    ----------
    platform
        The platform, whose Release stack is deployed.
    say
        Told what is done.
    """
    provide_source(platform)
    outputs, naming = platform.outputs("Release"), platform.environment.naming
    manager = platform.client("secretsmanager")
    secret, version = read_webhook_secret(manager, outputs["WebhookSecretArn"])
    with platform.logged_in(ADMINISTRATOR) as mlflow:
        register_webhook(
            mlflow,
            name=f"{naming.prefix}-release",
            url=platform.promotions_url(),
            secret=secret,
            version=version,
            say=say,
        )


def log_model(platform: LocalPlatform, folder: Path) -> int:
    """Log and register a model as a data scientist, without an alias; its version.

    Parameters
    ----------
    platform
        Where MLflow is.
    folder
        What training called ``/opt/ml``.
    """
    command = [str(SAMPLES / "publish.py"), "--no-alias", str(folder / "model")]
    command.append(str(folder / "output" / "data" / "metrics.json"))
    printed = run_program(
        [str(ROOT / ".venv" / "bin" / "python"), *command], scientist_environment(platform, folder)
    )
    return int(printed.splitlines()[-1])


def move_alias(platform: LocalPlatform, version: int) -> None:
    """All that an operator does."""
    with platform.logged_in("ana") as mlflow:
        mlflow.set_registered_model_alias(MODEL, ALIAS, str(version))


def said_in_mlflow(platform: LocalPlatform) -> Table:
    """What each version says of its releases.

    Parameters
    ----------
    platform
        Where MLflow is.
    """
    table = Table(title="What MLflow says", show_lines=True)
    for column in ("Version", "Aliases", "Tags"):
        table.add_column(column, overflow="fold")
    with platform.logged_in(PIPELINE) as mlflow:
        for version, aliases, tags in _versions(mlflow):
            table.add_row(version, ", ".join(aliases), "\n".join(tags))
    return table


def times(shares: Shares, good: Progress, bad: Progress) -> Table:
    """What took how long.

    Parameters
    ----------
    shares
        Of the good release, until the endpoint's update began.
    good, bad
        Both releases.
    """
    table = Table(title="From the alias on, in seconds")
    table.add_column("What")
    table.add_column("s", justify="right")
    rows = (
        ("MLflow's delivery, the receiver, the event", shares.webhook),
        ("the pipeline: source, starting builds", shares.pipeline),
        ("the steps' own code: record, images, proof, lint, diff", shares.steps),
        ("[bold]the platform's own share[/bold]", shares.own),
        ("cdk synth", shares.synth),
        ("cdk deploy, until SageMaker begins", shares.deploy),
        (f"[bold]alias moved → endpoint update begins (goal: {GOAL:.0f})[/bold]", shares.total),
        ("alias moved → better version serves, everybody knows", _total(good)),
        ("alias moved → worse version rolled back, everybody knows", _total(bad)),
    )
    for what, seconds in rows:
        table.add_row(what, f"{seconds:.1f}")
    return table


def write_report(
    shares: Shares, good: Progress, bad: Progress, asked: int, lost: int, path: Path = REPORT
) -> None:
    """Write the figures as JSON.

    Parameters
    ----------
    shares, good, bad
        See `times`.
    asked, lost
        Requests of the clients meanwhile.
    path
        Where to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        "goal_seconds": GOAL,
        "until_update_begins": shares.as_json() | {"own": round(shares.own, 2)},
        "served_seconds": round(_total(good), 2),
        "rolled_back_seconds": round(_total(bad), 2),
        "steps": {step.title: round(step.seconds or 0, 2) for step in good.steps},
        "requests": {"asked": asked, "lost": lost},
    }
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _followed(
    platform: LocalPlatform, version: int, title: str, console: Console
) -> tuple[Progress, Followed]:
    """Move the alias, and show what follows until everybody knows how it ended."""
    followed = Followed(platform, ENDPOINT, promotion_version(platform, ENDPOINT))
    move_alias(platform, version)
    with screen(console, title) as show:
        progress = followed.until_settled(show, LONGEST)
    return progress, followed


@contextmanager
def screen(console: Console, title: str) -> Iterator["Screen"]:
    """What shows a release, while it goes.

    Parameters
    ----------
    console
        Where to.
    title
        What is released.
    """
    console.print(f"\n[bold]{title}[/bold]")
    if not console.is_terminal:
        yield Screen(console, None)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield Screen(console, live)


class Screen:
    """Shows a release as it goes: a row for each step, or a line when each ends.

    Parameters
    ----------
    console
        Where to.
    live
        What is drawn again and again; nothing where it is no terminal.
    """

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._ended: set[str] = set()

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._live:
            self._live.update(_rows(progress))
            return
        for step in progress.steps:
            if step.state in ("done", "failed") and step.title not in self._ended:
                self._ended.add(step.title)
                seconds = f" {step.seconds:.1f} s" if step.seconds is not None else ""
                text = f"  {MARKS[step.state]} {step.title}{seconds}"
                self._console.print(text, soft_wrap=True)
                if step.now:
                    self._console.print(f"      {step.now}", markup=False, soft_wrap=True)


def _rows(progress: Progress) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", width=7)
    table.add_column(style="dim", overflow="fold")
    for step in progress.steps:
        seconds = f"{step.seconds:.1f} s" if step.seconds is not None else ""
        table.add_row(MARKS[step.state], step.title, seconds, step.now.replace("[", r"\["))
    return table


def _versions(mlflow: MlflowClient) -> Iterator[tuple[str, list[str], list[str]]]:
    model = mlflow.get_registered_model(MODEL)
    for found in sorted(mlflow.search_model_versions(f"name='{MODEL}'"), key=_number):
        aliases = [name for name, version in model.aliases.items() if version == found.version]
        known = mlflow.get_model_version(MODEL, found.version)
        start = f"release.{ENVIRONMENT}."
        tags = [f"{name}: {value}" for name, value in sorted(known.tags.items()) if start in name]
        yield str(found.version), sorted(aliases), tags


def _number(version: object) -> int:
    return int(getattr(version, "version", 0))


def _total(progress: Progress) -> float:
    return sum(step.seconds or 0 for step in progress.steps)


def _expect(progress: Progress, outcome: str) -> None:
    attempt = progress.attempt
    if attempt is None or attempt.outcome != outcome:
        said = f"{attempt.outcome}: {attempt.reason}" if attempt else "nothing"
        raise OperationError(
            f"The release was to end with '{outcome}', and its journal says {said}.",
            "See the logs of its builds.",
        )


def _judge(clients: Clients, told: list[dict[str, object]]) -> None:
    if clients.lost or len(told) != 1:
        raise OperationError(
            f"{len(clients.lost)} requests were lost, and {len(told)} notifications came:"
            f" {'; '.join(clients.lost[:3])}",
            "None were to be lost, and one to come. See the logs.",
        )


def _stay(platform: LocalPlatform, console: Console) -> None:
    login = platform.login("ana")
    console.print(f"\nMLflow UI: [bold]{platform.tracking_uri()}[/bold]", highlight=False)
    console.print(
        f"  log in as {login['MLFLOW_TRACKING_USERNAME']} with {login['MLFLOW_TRACKING_PASSWORD']},"
        f" and move the alias '{ALIAS}' of the model '{MODEL}' yourself.",
        highlight=False,
        soft_wrap=True,
    )
    console.print("Ctrl-C stops the platform, and with it what was logged to it.")
    try:
        platform.wait()
    except KeyboardInterrupt:
        console.print()
