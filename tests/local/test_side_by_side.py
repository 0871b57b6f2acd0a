"""Stacks that are updated side by side: what a failure of one does to the others."""

import json
from pathlib import Path

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import Environment as Target

from local.platform import LocalPlatform, running_platform
from local.state import StateFolder
from operations.errors import OperationError
from releasing.cdk import CdkCli
from releasing.stack import StackState
from tests.conftest import ROOT

GOOD, BAD = ("Endpoint-fig", "Endpoint-kiwi", "Endpoint-pear"), "Endpoint-iris"
FAILS = {"EndpointName": "iris", "EndpointConfigName": "is-not-there"}


def assembly(platform: LocalPlatform, folder: Path, topic: str, *, fails: bool) -> Path:
    """An app of stacks that each hold a topic, of which one may hold what cannot be made."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(outdir=str(folder), context=context)
    environment = platform.environment
    for name in (*GOOD, BAD):
        stack = Stack(app, name, env=Target(account=environment.account, region=environment.region))
        CfnResource(stack, "Topic", type="AWS::SNS::Topic", properties={"DisplayName": topic})
        if fails and name == BAD:
            CfnResource(stack, "Fails", type="AWS::SageMaker::Endpoint", properties=FAILS)
    app.synth()
    return folder


def test_one_that_fails_leaves_the_others_to_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_platform(StateFolder(tmp_path / "state")) as platform:
        platform.bootstrap()
        for name, value in platform.program_environment(platform.state.run / "cdk").items():
            monkeypatch.setenv(name, value)
        cdk = CdkCli("local", ROOT)
        stacks = {
            name: StackState(platform.client("cloudformation"), name, lambda seconds: None)
            for name in (*GOOD, BAD)
        }
        cdk.deploy(assembly(platform, tmp_path / "first", "first", fails=False), BAD, *GOOD)
        before = {name: stack.state() for name, stack in stacks.items()}
        assert {it.status for it in before.values()} == {"CREATE_COMPLETE"}

        second = assembly(platform, tmp_path / "second", "second", fails=True)
        with pytest.raises(OperationError, match=r"'cdk deploy.*' ended with status 1"):
            cdk.deploy(second, BAD, *GOOD)
        after = {name: stack.state() for name, stack in stacks.items()}
        assert {after[name].status for name in GOOD} == {"UPDATE_COMPLETE"}
        assert after[BAD].verdict(before[BAD].updated, "failed") == "rolled back"
        assert "is-not-there" in stacks[BAD].why()
        for name in GOOD:
            template = stacks[name].template()
            assert template
            assert template["Resources"]["Topic"]["Properties"] == {"DisplayName": "second"}
