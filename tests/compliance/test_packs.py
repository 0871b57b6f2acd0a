"""cdk-nag: what each environment's packs find, and what is acknowledged."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.config import load_environment
from stacks.packs import PACKS
from tests.compliance.conftest import Assembly, synth
from tests.conftest import ENVIRONMENTS, RELEASES, ROOT, VARIANTS, folder_of


def suppressed(assembly: Assembly) -> dict[str, list[dict[str, Any]]]:
    """What was found and acknowledged, by the name of the pack, as the synth reports it."""
    report = json.loads((assembly.folder / "validation-report.json").read_text())
    return {
        plugin["pluginName"]: plugin["suppressedViolations"]
        for plugin in report["pluginReports"]
        if plugin["pluginName"] in NAMES.values()
    }


NAMES = {pack: checks().name for pack, checks in PACKS.items()}
"""What each pack calls itself."""


@pytest.mark.parametrize("name", [*ENVIRONMENTS, *VARIANTS])
def test_nothing_is_found(name: str, assemblies: dict[str, Assembly]) -> None:
    """An error of cdk-nag fails the synth; a warning is a line of what it says."""
    assert "WARNING" not in assemblies[name].said
    assert "ERROR" not in assemblies[name].said


@pytest.mark.parametrize("name", [*ENVIRONMENTS, *VARIANTS])
def test_the_packs_of_an_environment_are_asked(name: str, assemblies: dict[str, Assembly]) -> None:
    """Each of them finds something that is acknowledged, so the report names it."""
    packs = load_environment(name, folder_of(name)).packs
    assert set(suppressed(assemblies[name])) == {NAMES[pack] for pack in packs}


def test_prod_asks_every_pack() -> None:
    assert set(load_environment("prod", ROOT / "environments").packs) == set(PACKS)


@pytest.mark.parametrize("name", [*ENVIRONMENTS, *VARIANTS])
def test_an_acknowledgement_says_why_and_covers_one_thing(
    name: str, assemblies: dict[str, Assembly]
) -> None:
    for findings in suppressed(assemblies[name]).values():
        for finding in findings:
            assert len(finding["reason"]) >= 20
            assert len(finding["violatingConstructs"]) == 1, finding["acknowledgedId"]
            (construct,) = finding["violatingConstructs"]
            # On the construct of the resource, or on the role whose policy it is.
            beyond = construct["constructPath"].removeprefix(finding["acknowledgedAt"])
            assert beyond.count("/") <= 2, f"{finding['acknowledgedAt']} is not the narrowest"


@pytest.mark.parametrize("name", ["prod", *VARIANTS])
def test_no_acknowledgement_is_left_over(name: str, assemblies: dict[str, Assembly]) -> None:
    """What nothing finds any more, nobody need acknowledge."""
    given = set()
    for path in assemblies[name].folder.glob("*.metadata.json"):
        for construct, entries in json.loads(path.read_text()).items():
            for entry in entries:
                if entry["type"] == "aws:cdk:acknowledged-rules":
                    given |= {(construct.removeprefix("/"), finding) for finding in entry["data"]}
    used = {
        (finding["acknowledgedAt"], finding["acknowledgedId"])
        for findings in suppressed(assemblies[name]).values()
        for finding in findings
    }
    # The CDK acknowledges findings of its own validation, in constructs of its own.
    ours = {entry for entry in given if not entry[1].startswith("CloudFormation-Validate::")}
    assert sorted(ours - used) == []
    assert len(used) > 20


def test_what_is_found_fails_the_synth(tmp_path: Path) -> None:
    """The same app with a public bucket is refused: the packs are attached, and bite."""
    app = tmp_path / "app.py"
    source = (ROOT / "app.py").read_text()
    spoiled = source.replace(
        "    app.synth()",
        "    from aws_cdk import aws_s3\n"
        "    aws_s3.CfnBucket(app.node.find_child('Data'), 'Spoiled')\n"
        "    app.synth()",
    ).replace("Path(__file__).parent", f"Path({str(ROOT)!r})")
    assert spoiled != source
    app.write_text(spoiled)
    result = synth(
        "dev",
        tmp_path / "out",
        "-c",
        f"releases={RELEASES}",
        "--app",
        f"python {app}",
        PYTHONPATH=str(ROOT),
    )
    assert result.returncode != 0
    assert "AwsSolutions-S1" in result.stderr + result.stdout
