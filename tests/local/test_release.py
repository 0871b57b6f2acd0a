"""Releases that follow an alias, from outside: by the events and the builds that AWS would run.

The tests build on each other, in their order: each finds the endpoint as the one before left it.
"""

import base64
import hashlib
import hmac
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.database import find_server
from local.demo import ask, run_program
from local.demo_release import (
    ALIAS,
    BETTER,
    ENDPOINT,
    FIRST,
    FRAGILE,
    LONGEST,
    MODEL,
    QUESTION,
    Clients,
    follow_aliases,
    log_model,
    move_alias,
    train_models,
)
from local.platform import LocalPlatform, running_platform
from local.releasing import (
    Followed,
    Progress,
    listen,
    notifications,
    promotion_version,
    release_store,
)
from local.state import StateFolder
from releasing.journal import Attempt, Journal
from releasing.records import Records
from tests.local.conftest import processes_naming
from tests.local.serving import until

NO_FOLDER = Path("none")
"""Records of the bucket alone are read."""


@dataclass(frozen=True)
class Releasing:
    """A platform that follows the alias, whose first model serves.

    Parameters
    ----------
    platform
        The platform.
    versions
        The version of each model.
    queue
        Hears what the platform's topic is told.
    """

    platform: LocalPlatform
    versions: dict[str, int]
    queue: str

    def move(self, name: str) -> Followed:
        """Move the alias."""
        followed = self.follow()
        move_alias(self.platform, self.versions[name])
        return followed

    def follow(self) -> Followed:
        """Follow what is released next."""
        return Followed(self.platform, ENDPOINT, promotion_version(self.platform, ENDPOINT))

    def attempt(self, step: str) -> Attempt:
        """The latest attempt, once it has come to a step."""
        journal = Journal(release_store(self.platform), ENDPOINT)

        def latest() -> Attempt | None:
            return journal.latest()

        def there(it: Attempt | None) -> bool:
            return it is not None and (it.outcome, it.step) == ("running", step)

        found = until(latest, there, LONGEST)
        assert isinstance(found, Attempt)
        return found

    def probability(self) -> float:
        """How sure the model is that serves."""
        answer = ask(self.platform, ENDPOINT, QUESTION, self.platform.api_key())
        return float(answer["probability"])

    def tag(self, name: str) -> str:
        """What MLflow says of a model's releases."""
        with self.platform.logged_in("release") as mlflow:
            version = mlflow.get_model_version(MODEL, str(self.versions[name]))
        return str(version.tags.get(f"release.local.{ENDPOINT}", ""))

    def serving(self) -> int:
        """The version that MLflow says is serving."""
        with self.platform.logged_in("release") as mlflow:
            version = mlflow.get_model_version_by_alias(MODEL, "serving-local").version
        return int(version)

    def executions(self) -> list[dict[str, Any]]:
        """The executions of the pipeline, the newest first."""
        found: list[dict[str, Any]] = self.platform.client("codepipeline").list_pipeline_executions(
            pipelineName=self.platform.environment.naming.pipeline(ENDPOINT)
        )["pipelineExecutionSummaries"]
        return found

    def running_build(self) -> dict[str, Any]:
        """The one build that runs."""
        codebuild = self.platform.client("codebuild")
        builds = codebuild.batch_get_builds(ids=codebuild.list_builds()["ids"])["builds"]
        (running,) = [build for build in builds if build["buildStatus"] == "IN_PROGRESS"]
        found: dict[str, Any] = running
        return found


def settled(followed: Followed) -> Attempt:
    """How a release ended."""
    progress: Progress = followed.until_settled(lambda _: None, LONGEST)
    assert progress.attempt is not None
    return progress.attempt


@pytest.fixture(scope="module")
def releasing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releasing]:
    find_server()
    state = StateFolder(tmp_path_factory.mktemp("releasing"))
    with running_platform(state) as platform:
        platform.install_images()
        platform.bootstrap()
        platform.deploy("Network", "Data", "Tracking", "Api")
        platform.deploy("Release")
        folders = train_models(platform)
        follow_aliases(platform)
        versions = {name: log_model(platform, folder) for name, folder in folders.items()}
        found = Releasing(platform, versions, listen(platform))
        assert settled(found.move(FIRST)).outcome == "served"
        yield found
    assert processes_naming(str(state.path)) == {}


def test_a_moved_alias_is_all_that_it_takes(releasing: Releasing) -> None:
    before = releasing.probability()
    attempt = settled(releasing.move(BETTER))
    assert attempt.outcome == "served", attempt.reason
    assert attempt.promotion.content.cause == "webhook"
    assert attempt.promotion.content.promoted_by == "ana"
    assert attempt.smoke_test == "passed"
    assert releasing.probability() > before
    assert releasing.tag(BETTER) == "serving"
    assert releasing.tag(FIRST) == f"replaced by {releasing.versions[BETTER]}"
    assert releasing.serving() == releasing.versions[BETTER]
    assert notifications(releasing.platform, releasing.queue) == []


def test_what_serves_is_what_is_recorded_says_the_step_that_compares_them(
    releasing: Releasing,
) -> None:
    platform = releasing.platform
    codebuild, naming = platform.client("codebuild"), platform.environment.naming
    step = {"name": "RELEASE_STEP", "value": "drift", "type": "PLAINTEXT"}
    build = codebuild.start_build(
        projectName=naming.build("close"), environmentVariablesOverride=[step]
    )["build"]["id"]
    ended = until(
        lambda: codebuild.batch_get_builds(ids=[build])["builds"][0],
        lambda found: found["buildComplete"],
    )
    assert ended["buildStatus"] == "SUCCEEDED", ended["phases"]
    log = platform.state.logs / f"build-{name_of(ended)}.log"
    assert f"{ENDPOINT}: as recorded" in log.read_text()


def test_a_version_that_fails_is_rolled_back_and_everybody_knows(releasing: Releasing) -> None:
    before = releasing.probability()
    with Clients(releasing.platform) as clients:
        attempt = settled(releasing.move(FRAGILE))
    assert attempt.outcome == "rolled back", attempt.reason
    assert "in ALARM" in attempt.reason
    assert clients.lost == []
    assert sum(clients.answered.values()) > 20
    assert releasing.probability() == before
    assert releasing.tag(FRAGILE).startswith("rolled back: ")
    assert "in ALARM" in releasing.tag(FRAGILE)
    assert releasing.tag(BETTER) == "serving"
    assert releasing.serving() == releasing.versions[BETTER]
    (told,) = notifications(releasing.platform, releasing.queue)
    assert told["outcome"] == "rolled back"
    assert told["models"] == {MODEL: releasing.versions[FRAGILE]}


def test_an_event_that_is_heard_again_or_forged_releases_nothing(releasing: Releasing) -> None:
    platform = releasing.platform
    executions, promotion = releasing.executions(), promotion_version(platform, ENDPOINT)
    arn = platform.outputs("Release")["WebhookSecretArn"]
    secret = platform.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    event = {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {"name": MODEL, "alias": ALIAS, "version": str(releasing.versions[FIRST])},
    }
    body, delivery = json.dumps(event), str(uuid.uuid4())
    statuses = [post_event(platform, body, delivery, secret) for _ in range(2)]
    assert all(status < 300 for status in statuses), statuses
    assert post_event(platform, body, str(uuid.uuid4()), "another secret") in (401, 403)
    time.sleep(2)
    assert promotion_version(platform, ENDPOINT) == promotion
    assert releasing.executions() == executions


def post_event(platform: LocalPlatform, body: str, delivery: str, secret: str) -> int:
    """Tell of an alias, as MLflow does; the status of the answer."""
    now = str(int(time.time()))
    signed = hmac.new(secret.encode(), f"{delivery}.{now}.{body}".encode(), hashlib.sha256)
    request = urllib.request.Request(
        platform.promotions_url(),
        data=body.encode(),
        headers={
            "Content-Type": "application/json",
            "X-MLflow-Delivery-Id": delivery,
            "X-MLflow-Timestamp": now,
            "X-MLflow-Signature": f"v1,{base64.b64encode(signed.digest()).decode()}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_build_that_is_killed_before_it_changed_anything_is_cleaned_up(
    releasing: Releasing,
) -> None:
    before = releasing.probability()
    followed = releasing.move(FIRST)
    releasing.attempt("resolved")
    folder = f"builds/{name_of(releasing.running_build())}/shell"
    (shell,) = [pid for pid in processes_naming(folder) if os.getpgid(pid) == pid]
    os.killpg(shell, signal.SIGKILL)
    attempt = settled(followed)
    assert attempt.outcome == "failed", attempt
    assert "signal 9" in attempt.reason
    assert releasing.tag(FIRST).startswith("failed: ")
    assert releasing.probability() == before
    assert releasing.serving() == releasing.versions[BETTER]
    (told,) = notifications(releasing.platform, releasing.queue)
    assert told["outcome"] == "failed"


def test_a_build_that_is_stopped_in_the_middle_of_a_deployment_is_cleaned_up(
    releasing: Releasing,
) -> None:
    # The version that serves is asked for again: nothing changes, and that is a success.
    assert settled(releasing.move(BETTER)).outcome == "served"
    followed = releasing.move(FIRST)
    releasing.attempt("deploying")
    build = releasing.running_build()["id"]
    releasing.platform.client("codebuild").stop_build(id=build)
    attempt = settled(followed)
    assert attempt.outcome in ("failed", "rolled back"), attempt
    assert "STOPPED" in attempt.reason
    assert releasing.tag(FIRST).startswith(attempt.outcome)
    assert releasing.serving() == releasing.versions[BETTER]
    # What is recorded is what serves, to the folder of its files.
    recorded = Records(release_store(releasing.platform), "local", NO_FOLDER).current(ENDPOINT)
    assert recorded is not None
    assert recorded.models == {MODEL: releasing.versions[BETTER]}
    assert recorded.release.only.source == files_served(releasing.platform)
    (told,) = notifications(releasing.platform, releasing.queue)
    assert told["outcome"] == attempt.outcome
    # And the next run finishes.
    asked_again = releasing.follow()
    again(releasing.platform)
    assert settled(asked_again).outcome == "served"
    assert releasing.serving() == releasing.versions[FIRST]


def again(platform: LocalPlatform) -> None:
    """Ask once more for what was promoted last, as `make release-again` does."""
    environment = platform.program_environment(platform.state.run / "again")
    words = ["releasing", "again", "--env", "local", "--endpoint", ENDPOINT, "--reason", "a test"]
    run_program([sys.executable, "-m", *words], environment)


def name_of(build: dict[str, Any]) -> str:
    return f"{build['projectName']}-{build['buildNumber']}"


def files_served(platform: LocalPlatform) -> str:
    """The folder whose files the endpoint serves."""
    sagemaker, name = platform.client("sagemaker"), platform.endpoint_name(ENDPOINT)
    endpoint = sagemaker.describe_endpoint(EndpointName=name)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    (variant,) = config["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
    return str(source)
