"""What builds of releases do, in their image: with the app's source, and without a network."""

import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from operations.source import source_zip
from releasing.__main__ import DRIFT, STEPS
from tests.conftest import ROOT
from tests.evidence.containers import Container, ContainerImage, built_image, inspect

PROJECTS = ROOT / "tests/unit/stacks/__snapshots__/test_platform/test_snapshot[prod-Release].json"
SIZES = {"BUILD_GENERAL1_SMALL": ("--cpus=2", "--memory=4g")}
"""What a build has.
https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-compute-types.html
"""

RELEASES = "tests/releases"
WHOLE = ("cdk", "synth", "--quiet", "-c", "env=dev", "-c", f"releases={RELEASES}")
PREPARE = f"""
from pathlib import Path
from releasing.cdk import CdkCli
CdkCli("dev", Path.cwd()).synth(Path("{RELEASES}"), Path("only"), only="iris")
"""
"""A step's own way to one endpoint's assembly."""

ALL = """
import json
from pathlib import Path
from releasing.assembly import Assembly
from releasing.checks import check_templates
from stacks.config import load_environment
environments = Path("environments")
environment = load_environment("dev", environments)
assembly = Assembly(Path("whole"))
templates = assembly.templates(assembly.stacks)
print(json.dumps(check_templates(environment, assembly.folder, templates, environments)))
"""
"""What a step asks of the whole platform."""

ONE = f"""
import json, shutil
from pathlib import Path
from releasing.cdk import CdkCli
from releasing.checks import check_templates
from stacks.config import load_environment
environments, around = Path("environments"), Path("around")
CdkCli("dev", Path.cwd()).synth(Path("{RELEASES}"), around)
for stack in ("Network", "Data"):
    shutil.copy(around / f"{{stack}}.template.json", "only")
made = Path("only/Endpoint-iris.template.json")
found = check_templates(load_environment("dev", environments), made.parent, [made], environments)
print(json.dumps(found))
"""
"""What it asks of the endpoint that it releases, with what that stands on."""

TEMPLATE = Path("only") / "Endpoint-iris.template.json"

HELD = """
import hashlib, json, os
from pathlib import Path
ELSEWHERE = ("/proc", "/sys", "/dev")
held = {}
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ELSEWHERE]
    for path in (Path(folder, name) for name in files):
        if path.is_file() and not path.is_symlink():
            held[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(held))
"""
"""Prints the digest of every file, by its path."""

LOGINS = {".aws", ".docker", ".git-credentials", ".netrc", ".npmrc", ".pypirc", ".ssh"}
"""What logins stand in, where no package came with it."""

PACKAGES = {"site-packages", "node_modules"}


@dataclass(frozen=True)
class Builds:
    """Runs what a build runs.

    Parameters
    ----------
    image
        The image.
    source
        The app, as CodeBuild unpacks it.
    folder
        Where logs are written.
    """

    image: ContainerImage
    source: Path
    folder: Path

    def run(self, *words: str, source: bool = True) -> tuple[int, str]:
        """Run a command as a build; its exit status, and all that it said."""
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        mounted = (f"--volume={self.source}:/source", "--workdir=/source") if source else ()
        options = ["--network=none", *_size(), *mounted]
        status = Container(self.image, words, log, options, {}).wait()
        return status, log.read_text()

    def answer(self, script: str, *, source: bool = True) -> Any:
        """What a script says in its last line, as JSON."""
        status, said = self.run("python", "-c", script, source=source)
        assert status == 0, said
        return json.loads(said.splitlines()[-1])


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    image, said = built_image("release")
    if image is None:
        pytest.skip(f"no container engine, so no image: {said}")
    source = tmp_path_factory.mktemp("source")
    zipfile.ZipFile(io.BytesIO(source_zip(ROOT))).extractall(source)
    return Builds(image, source, tmp_path_factory.mktemp("builds"))


def test_it_knows_the_steps(builds: Builds) -> None:
    status, said = builds.run("python", "-m", "releasing", "--help")
    assert status == 0, said
    for step in (*STEPS, DRIFT):
        assert f" {step} " in said


def test_its_cdk_is_the_one_of_this_checkout(builds: Builds) -> None:
    status, said = builds.run("cdk", "--version", source=False)
    assert status == 0, said
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    assert said.split()[0] == pinned


def test_the_buildspec_reaches_the_app(builds: Builds) -> None:
    """Without its variables a build ends where they are read, which is past every import."""
    spec = YAML(typ="safe").load(builds.source / "releasing" / "buildspec.yaml")
    commands = spec["phases"]["build"]["commands"]
    status, said = builds.run("sh", "-ec", "\n".join(commands))
    assert status == 1, said
    assert "RELEASE_STEP" in said
    assert "Traceback" not in said


def test_the_whole_app_is_the_one_of_this_checkout_and_nothing_speaks_against_it(
    builds: Builds, tmp_path: Path
) -> None:
    status, said = builds.run(*WHOLE, "--output", "whole")
    assert status == 0, said
    subprocess.run([*WHOLE, "--output", str(tmp_path / "whole")], cwd=ROOT, check=True)
    made = _made(builds.source / "whole")
    assert {"Release.template.json", "Endpoint-iris.template.json"} <= set(made)
    assert made == _made(tmp_path / "whole")
    assert builds.answer(ALL) == []


def test_one_endpoint_is_prepared_and_nothing_speaks_against_it(
    builds: Builds, tmp_path: Path
) -> None:
    _prepare(builds)
    words = [*WHOLE, "-c", "only=iris", "--no-validation", "--output", str(tmp_path / "only")]
    subprocess.run(words, cwd=ROOT, check=True)
    made = _made(builds.source / "only")
    assert set(made) == {"Endpoint-iris.template.json", "Endpoint-iris.assets.json"}
    assert made == _made(tmp_path / "only")
    assert builds.answer(ONE) == []


def test_what_speaks_against_it_is_found(builds: Builds) -> None:
    """By both: the proof, and cfn-lint."""
    _prepare(builds)
    path = builds.source / TEMPLATE
    template = json.loads(path.read_text())
    template["Resources"]["Open"] = {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "lets everybody in",
            "VpcId": "vpc-0a1b2c3d",
            "SecurityGroupIngress": [
                {"IpProtocol": "tcp", "FromPort": 1, "ToPort": "x", "CidrIp": "0.0.0.0/0"}
            ],
        },
    }
    path.write_text(json.dumps(template))
    found = builds.answer(ONE)
    assert any(line.startswith("proof: ") for line in found), found
    assert any(line.startswith("cfn-lint: ") for line in found), found


def test_it_holds_nothing_of_the_app_and_no_secret(
    builds: Builds, say: Callable[[str], None]
) -> None:
    image = builds.image
    held = builds.answer(HELD, source=False)
    own = {path for path in held if path.startswith("/opt/")}
    assert {path.split("/")[2] for path in own} == {"venv", "cdk"}
    files = {path.split("/")[3] for path in own if path.startswith("/opt/cdk/")}
    assert files == {"node_modules", "package.json", "package-lock.json"}
    app = zipfile.ZipFile(io.BytesIO(source_zip(ROOT)))
    files_of_app = (app.read(name) for name in app.namelist())
    digests = {hashlib.sha256(content).hexdigest() for content in files_of_app if content}
    expected = {"/opt/cdk/package.json", "/opt/cdk/package-lock.json"}
    assert {path for path, digest in held.items() if digest in digests} == expected
    outside = [path for path in held if not PACKAGES & set(Path(path).parts)]
    assert not [path for path in outside if LOGINS & set(Path(path).parts)]
    ours = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "CDK_DISABLE_CLI_TELEMETRY"}
    assert _variables(image, image.digest) - _variables(image, image.base) <= ours
    size = int(inspect(image.engine, image.digest, "{{.Size}}"))
    say(f"the image of releases has {size / 1e6:.0f} MB")


def _prepare(builds: Builds) -> None:
    status, said = builds.run("python", "-c", PREPARE)
    assert status == 0, said


def _size() -> tuple[str, ...]:
    """The processors and the memory of a build."""
    resources = json.loads(PROJECTS.read_text())["Resources"].values()
    types = {
        resource["Properties"]["Environment"]["ComputeType"]
        for resource in resources
        if resource["Type"] == "AWS::CodeBuild::Project"
    }
    (size,) = types
    return SIZES[size]


def _made(assembly: Path) -> dict[str, bytes]:
    """What an assembly has deployed: its templates, and what they are published with."""
    paths = [*assembly.glob("*.template.json"), *assembly.glob("*.assets.json")]
    return {path.name: path.read_bytes() for path in paths}


def _variables(image: ContainerImage, name: str) -> set[str]:
    said = json.loads(inspect(image.engine, name, "{{json .Config.Env}}")) or []
    return {variable.partition("=")[0] for variable in said}
