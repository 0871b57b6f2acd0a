"""What the README and the guides say is true: commands, links, examples, names."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from mlflow import environment_variables
from ruamel.yaml import YAML

from invoker.headers import HEADERS
from invoker.messages import read_invocation, read_request
from mlops_constructs.aws_images import FRAMEWORKS
from mlops_constructs.database_class import connections, memory
from mlops_constructs.endpoint_alarms import WATCHED
from mlops_constructs.sagemaker_in_vpc import PLACED, PLACED_BY_ANOTHER, VPC_KEYS
from mlops_constructs.serving_exclusions import EXCLUSIONS
from model_server import Model
from stacks.config import Environment, json_schema, load_environment
from stacks.document import read_document
from stacks.releases import OnlyReleased
from stacks.validation import validated
from tests.conftest import ENVIRONMENTS, ROOT
from tests.unit.containers.asking import ask, predictor, said

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#]+)(#[^)]*)?\)")
NAMED = re.compile(r"`((?:[\w.<>-]+/)+[\w.<>-]*)`")


def blocks(page: Path, language: str) -> list[str]:
    return [text for _, kind, text in BLOCK.findall(page.read_text()) if kind == language]


def make_commands() -> list[str]:
    """Every `make` command of every page, in blocks and in sentences."""
    found: set[str] = set()
    for page in PAGES:
        for line in "\n".join(blocks(page, "sh")).splitlines():
            if line.strip().startswith("make "):
                found.add(line.partition("#")[0].strip())
        found |= set(re.findall(r"`(make [^`]+)`", page.read_text()))
    return sorted(found)


def test_there_is_something_to_check() -> None:
    assert "make demo" in make_commands()
    assert len(PAGES) > 10


@pytest.mark.parametrize("command", make_commands())
def test_every_make_command_exists(command: str) -> None:
    result = subprocess.run(
        ["make", "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [t for t, _ in LINK.findall(page.read_text()) if not (page.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    """A path in backticks is one of the checkout, unless it is another machine's or made later."""
    kinds = ("application/", "text/", "image/")
    elsewhere = (*kinds, "/", "<", "releases/", "build/", ".local/", "s3:", "models:", "mysql")
    missing = [
        path
        for path in NAMED.findall(page.read_text())
        if not path.startswith(elsewhere)
        and not (ROOT / path.partition("<")[0]).exists()
        and "*" not in path
    ]
    assert missing == []


def test_the_example_environment_is_valid(tmp_path: Path) -> None:
    small, opting_out = blocks(ROOT / "docs" / "configuration.md", "yaml")
    (tmp_path / "small.yaml").write_text(small)
    assert load_environment("small", tmp_path).endpoints["iris"].model == "models:/iris@champion"
    (tmp_path / "out.yaml").write_text(small + opting_out)
    assert not load_environment("out", tmp_path).data.database.multi_az


def test_the_example_networks_are_valid(tmp_path: Path) -> None:
    head = blocks(ROOT / "docs" / "configuration.md", "yaml")[0].partition("network:")[0]
    for number, network in enumerate(blocks(ROOT / "docs" / "network.md", "yaml")):
        (tmp_path / f"n{number}.yaml").write_text(head + network)
        assert load_environment(f"n{number}", tmp_path).network.zone_names[0] == "ap-northeast-1a"
    assert number == 1


SERVING = ROOT / "docs" / "serving.md"
ENDPOINTS = (SERVING, ROOT / "docs" / "monitoring.md", ROOT / "docs" / "batch.md")
"""The pages with examples of endpoints."""


def test_the_example_endpoints_are_valid(tmp_path: Path) -> None:
    small = blocks(ROOT / "docs" / "configuration.md", "yaml")[0].partition("endpoints:")[0]
    examples = [text for page in ENDPOINTS for text in blocks(page, "yaml")]
    assert len(examples) >= 2
    for example in examples:
        (tmp_path / "small.yaml").write_text(small + example)
        assert load_environment("small", tmp_path).endpoints


def test_the_images_of_aws_are_those_that_are_known() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([\d., -]+) \|$", SERVING.read_text(), re.MULTILINE)
    written = {framework: tuple(versions.split(", ")) for framework, versions in rows}
    assert written == {name: tuple(known.tags) for name, known in FRAMEWORKS.items()}


def test_every_exclusion_is_listed() -> None:
    rows = {f"| {it.one} | {it.other} | [{it.reason[:-1]}]({it.source}) |" for it in EXCLUSIONS}
    table = SERVING.read_text().partition("## What cannot be at once")[2]
    written = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert set(written) == rows


def test_the_alarms_are_listed_in_their_order() -> None:
    table = SERVING.read_text().partition("### Alarms")[2].partition("## ")[0]
    rows = re.findall(r"\| `(\w+)` \| (\d+) minute", table)
    limits = [(watched.construct_id.lower(), str(watched.periods)) for watched in WATCHED]
    assert rows == limits


def test_the_service_control_policy_denies_what_the_endpoint_denies() -> None:
    (text,) = blocks(ROOT / "docs" / "network.md", "json")
    denied = [(it["Action"], it["Condition"]) for it in json.loads(text)["Statement"]]
    assert denied == [
        (list(actions), {"Null": {VPC_KEYS[0]: "true", **only}})
        for actions, only in ((PLACED, {}), *PLACED_BY_ANOTHER.items())
    ]


def test_the_example_release_is_valid(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "docs" / "models.md", "yaml")
    path = tmp_path / "iris.yaml"
    path.write_text(example)
    assert validated(OnlyReleased, read_document(path), path).version == 3


def test_the_example_model_is_served(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "docs" / "model-server.md", "python")
    namespace: dict[str, type[Model]] = {"__name__": "flower"}  # type: ignore[dict-item]
    exec(compile(block, "model-server.md", "exec"), namespace)  # noqa: S102 - what the guide shows
    flower = namespace["Flower"]()
    (tmp_path / "weights.json").write_text("[1.0, 10.0]")
    flower.load(tmp_path)
    assert predictor(flower).try_again()
    for body, kind in (('{"inputs": [[1, 2]]}', "application/json"), ("1,2", "text/csv")):
        answer = ask(flower, body, kind, accept="application/json")
        assert said(answer) == {"predictions": [21.0]}
    assert ask(flower, '{"inputs": [1]}').status == 400


class TestCalling:
    """What applications are told to send is read as it is meant."""

    PAGE = ROOT / "docs" / "calling.md"

    def events(self) -> list[dict[str, Any]]:
        """The requests of the page, as API Gateway passes them on."""
        found = []
        for block in blocks(self.PAGE, "http"):
            head, _, body = block.partition("\n\n")
            first, *lines = head.splitlines()
            verb, path = first.split()
            _, stage, *parts = path.split("/")
            assert (stage, parts[0], parts[2]) == ("v1", "endpoints", "invocations")
            names = {"endpoint": parts[1], "invocation": "".join(parts[3:])}
            headers = dict(line.split(": ", 1) for line in lines)
            assert "x-api-key" in headers
            found.append(
                {"httpMethod": verb, "pathParameters": names, "headers": headers, "body": body}
            )
        return found

    def test_every_request_is_one(self) -> None:
        posts = [read_request(it) for it in self.events() if it["httpMethod"] == "POST"]
        assert [(it.endpoint, dict(it.options), it.later) for it in posts] == [
            ("iris", {}, False),
            ("small", {"InferenceComponentName": "roses"}, False),
            ("reports", {}, True),
        ]
        (get,) = [read_invocation(it) for it in self.events() if it["httpMethod"] == "GET"]
        (answer,) = blocks(self.PAGE, "json")
        assert get == ("reports", json.loads(answer)["id"])

    def test_every_header_that_is_passed_on_is_explained_and_no_other(self) -> None:
        named = re.findall(r"^\|.*`X-Amzn-SageMaker-([\w-]+)`", self.PAGE.read_text(), re.MULTILINE)
        assert {name.lower() for name in named} == set(HEADERS)

    def test_every_status_is_explained(self) -> None:
        rows = re.findall(r"^\| (\d{3}) \|", self.PAGE.read_text(), re.MULTILINE)
        sources = (ROOT / "lambda" / "invoker" / "invoker").glob("*.py")
        text = "".join(path.read_text() for path in sources)
        raised = set(re.findall(r"RequestError\(\s*(\d{3})", text))
        assert len(raised) >= 5
        # Without a key, API Gateway answers itself.
        assert set(rows) == raised | {"403"}


def test_the_codes_of_the_model_server_are_explained() -> None:
    page = (ROOT / "docs" / "model-server.md").read_text()
    source = "".join(
        path.read_text()
        for path in (ROOT / "containers" / "model-server" / "model_server").glob("*.py")
    )
    raised = set(re.findall(r'CallError\(\s*\d+, "(\w+)"|error_body\("(\w+)"', source))
    codes = {one or other for one, other in raised}
    assert len(codes) >= 8
    assert {code for code in codes if f"`{code}`" not in page} == {
        # Of HTTP, before there is a request.
        "not_found",
        "method_not_allowed",
    }


DATABRICKS = ROOT / "docs" / "databricks.md"
NOTEBOOKS = [
    ROOT / "examples" / "databricks" / "deploy_iris.py",
    ROOT / "examples" / "diabetes" / "train_diabetes.py",
]


class TestDatabricks:
    def test_the_example_client_is_valid(self, tmp_path: Path) -> None:
        small, _ = blocks(ROOT / "docs" / "configuration.md", "yaml")
        (client,) = blocks(DATABRICKS, "yaml")
        (tmp_path / "lab.yaml").write_text(small + client)
        assert load_environment("lab", tmp_path).clients["databricks"].images == ["iris"]

    def test_every_output_that_is_handed_over_is_one(self) -> None:
        snapshots = ROOT / "tests" / "unit" / "stacks" / "__snapshots__" / "test_platform"
        template = json.loads(
            (snapshots / "test_snapshot[prod-Client-databricks].json").read_text()
        )
        table = DATABRICKS.read_text().partition("| output |")[2].partition("\n\n")[0]
        named = [name for row in table.splitlines()[2:] for name in row.split("|")[1].split(",")]
        assert len(named) >= 7
        assert {name.strip() for name in named} <= set(template["Outputs"])
        (example,) = re.findall(r"--json '(.*)'", DATABRICKS.read_text())
        rule = "".join(
            part if isinstance(part, str) else ""
            for part in template["Outputs"]["NccRule"]["Value"]["Fn::Join"][1]
        )
        for key in json.loads(example):
            assert f'"{key}":' in rule

    def test_every_aws_command_is_one(self) -> None:
        commands = re.findall(r"^aws (\w+) ([\w-]+)(.*)", DATABRICKS.read_text(), re.MULTILINE)
        assert len(commands) == 2
        for service, operation, options in commands:
            model = botocore.session.get_session().get_service_model(service)
            name = "".join(word.capitalize() for word in operation.split("-"))
            shape = model.operation_model(name).input_shape
            taken = {member.lower() for member in shape.members} if shape else set()
            for option in re.findall(r"--([\w-]+)", options):
                assert option.replace("-", "") in taken

    def test_the_variables_of_mlflow_are_its_own(self) -> None:
        (block,) = blocks(DATABRICKS, "python")
        compile(block, str(DATABRICKS), "exec")
        for name in re.findall(r"MLFLOW_\w+", block):
            assert hasattr(environment_variables, name)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
class TestNotebooks:
    def test_is_in_the_form_of_databricks(self, notebook: Path) -> None:
        source = notebook.read_text()
        assert source.startswith("# Databricks notebook source\n# MAGIC %md\n")
        cells = source.split("\n# COMMAND ----------\n")
        assert len(cells) >= 8
        for cell in cells:
            lines = [line for line in cell.splitlines()[1:] if line.strip()]
            marked = [line.startswith("# MAGIC") for line in lines]
            assert all(marked) or not any(marked)

    def test_every_widget_is_explained(self, notebook: Path) -> None:
        source = notebook.read_text()
        asked = set(re.findall(r"setting\(\"(\w+)\"", source))
        assert asked == set(re.findall(r"^# MAGIC \| `(\w+)` \|", source, re.MULTILINE))


class TestExamples:
    PAGE = ROOT / "docs" / "examples.md"

    def test_the_block_of_an_endpoint_is_that_of_the_environments(self) -> None:
        (block,) = blocks(self.PAGE, "yaml")
        written = YAML(typ="safe").load(block)["endpoints"]["diabetes"]
        for name in ("dev", "local"):
            endpoints = self.endpoints(name)
            assert {**written, "instances": 1} == endpoints["diabetes"]

    def test_an_account_and_this_machine_have_the_same_pipelines(self) -> None:
        for name in ("diabetes", "abalone", "abalone-two"):
            assert self.endpoints("dev")[name] == self.endpoints("local")[name]
        assert (
            self.endpoints("dev")["abalone-two"]["containers"]
            == (self.endpoints("dev")["abalone"]["containers"][:2])
        )

    def endpoints(self, environment: str) -> dict[str, Any]:
        text = (ROOT / "environments" / f"{environment}.yaml").read_text()
        found: dict[str, Any] = YAML(typ="safe").load(text)["endpoints"]
        return found

    def test_every_module_that_is_run_is_one_and_takes_these_options(self) -> None:
        commands = [
            words.split()
            for block in blocks(self.PAGE, "sh")
            for words in re.findall(r"python -m (.+)", block.replace("\\\n", ""))
        ]
        assert {words[0] for words in commands} >= {"examples.abalone.train", "operations"}
        for module, *words in commands:
            assert importlib.util.find_spec(module), module
            if module == "operations":
                said = subprocess.run(
                    [sys.executable, "-m", module, words[0], "--help"],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "COLUMNS": "200"},
                )
                options = [word for word in words if word.startswith("--")]
                assert options
                assert [option for option in options if option not in said.stdout] == []

    def test_the_rows_of_the_request_are_those_that_the_model_was_logged_for(self) -> None:
        request = json.loads((ROOT / "examples" / "diabetes" / "request.json").read_text())
        source = (ROOT / "examples" / "diabetes" / "train_diabetes.py").read_text()
        (columns,) = re.findall(r"^COLUMNS = (\[.+\])$", source, re.MULTILINE)
        assert request["dataframe_split"]["columns"] == json.loads(columns)
        assert [len(row) for row in request["dataframe_split"]["data"]] == [10, 10, 10]


def test_every_key_of_the_configuration_is_explained() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    schema = json_schema()
    keys = set()

    def walk(section: dict[str, object], prefix: str) -> None:
        properties = section["properties"]
        assert isinstance(properties, dict)
        for name, field in properties.items():
            by_name = [entry.get("$ref") for entry in field.get("patternProperties", {}).values()]
            choices = [choice.get("$ref") for choice in field.get("anyOf", [])]
            inner = field.get("$ref") or next(filter(None, (*by_name, *choices)), None)
            if inner:
                below = f"{prefix}{name}.<name>." if by_name else f"{prefix}{name}."
                walk(schema["$defs"][inner.rpartition("/")[2]], below)
            else:
                keys.add(f"{prefix}{name}")

    walk(schema, "")
    # A variant has the keys of its endpoint.
    named = {key: key.replace("variants.<name>.", "") for key in keys}
    missing = [
        key
        for key, of_endpoint in named.items()
        if f"`{key}`" not in page and f"`{of_endpoint}`" not in page
    ]
    assert sorted(missing) == []


def test_defaults_that_are_named_are_the_defaults() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| `([^`]+)` \|",
        (ROOT / "docs" / "configuration.md").read_text(),
        re.MULTILINE,
    )
    small = YAML(typ="safe").load(blocks(ROOT / "docs" / "configuration.md", "yaml")[0])
    given = Environment.model_validate({**small, "name": "small", "release": {"follow": ["iris"]}})
    units = {"GiB": 1, "min": 1, "days": 1, "requests/s": 1, "requests": 1}
    checked = 0
    for path, written in rows:
        value: object = given
        for part in path.split("."):
            value = getattr(value, part)
        number, _, unit = written.partition(" ")
        expected = str(int(number) * units[unit]) if unit in units else written
        assert str(value).lower() == expected, path
        checked += 1
    assert checked >= 10


def test_the_connections_of_classes_are_what_synth_counts_with() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(db\.[\w.]+)` \| (\d+) \|$", page, re.MULTILINE)
    assert len(rows) >= 5
    for instance, written in rows:
        assert connections(memory(instance) or 0) == int(written), instance


def test_the_table_of_stacks_is_complete() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for module in (ROOT / "stacks").glob("*.py"):
        if "Stack(PlatformStack)" in module.read_text():
            assert f"`stacks/{module.name}`" in page
    for module in (ROOT / "constructs" / "mlops_constructs").glob("*.py"):
        if "(Construct)" in module.read_text():
            assert module.name in page


def test_every_decision_is_listed_and_of_the_same_form() -> None:
    folder = ROOT / "docs" / "adr"
    listed = (folder / "README.md").read_text()
    for page in folder.glob("0*.md"):
        assert page.name in listed
        text = page.read_text()
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in text, page.name
        assert len(text.splitlines()) < 70, f"{page.name} is longer than a page"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_tells_editors_its_schema(name: str) -> None:
    first = (ROOT / "environments" / f"{name}.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_nothing_pretends() -> None:
    """No mark of unfinished work anywhere but where such words are looked for."""
    marks = "TO" + "DO|FIX" + "ME|Not" + "Implemented|st" + "ub"
    result = subprocess.run(
        ["git", "grep", "-nE", marks, "--", ":!*.lock", ":!constraints.txt", ":!package-lock.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.stdout == ""
