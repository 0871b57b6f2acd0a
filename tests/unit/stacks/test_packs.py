"""The rule packs: every environment passes all of them, whichever it asks for."""

from pathlib import Path

import pytest
from aws_cdk import App
from aws_cdk import aws_lambda as lambda_

from stacks.config import load_environment
from stacks.packs import PACKS, attach_packs
from stacks.platform import build_platform
from tests.conftest import ENVIRONMENTS, RELEASES, ROOT


def app_of(name: str, flags: dict[str, object], output: Path) -> App:
    app = App(context=flags, outdir=str(output))
    build_platform(app, load_environment(name, ROOT / "environments"), RELEASES)
    attach_packs(app, PACKS)
    return app


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_passes_every_pack(
    name: str, feature_flags: dict[str, object], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app_of(name, feature_flags, tmp_path).synth()
    assert "WARNING" not in capfd.readouterr().err


def test_every_pack_bites(feature_flags: dict[str, object], tmp_path: Path) -> None:
    app = app_of("prod", feature_flags, tmp_path)
    lambda_.CfnFunction(
        app.node.find_child("Api"),  # type: ignore[arg-type]
        "Spoiled",
        code=lambda_.CfnFunction.CodeProperty(zip_file="def handler(event, context): ..."),
        handler="index.handler",
        role="arn:aws:iam::222222222222:role/spoiled",
        runtime="python3.11",
    )
    with pytest.raises(RuntimeError) as raised:
        app.synth()
    for finding in (
        "AwsSolutions-L1",
        "NIST.800.53.R5-LambdaInsideVPC",
        "HIPAA.Security-LambdaInsideVPC",
        "PCI.DSS.321-LambdaInsideVPC",
        "Serverless-LambdaDLQ",
    ):
        assert finding in str(raised.value)
