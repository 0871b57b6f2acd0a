"""The network's configuration: new, existing, with a hub; and the stacks that come of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from mlops_constructs.faults import FaultsError
from mlops_constructs.service_call import SERVICES
from proof.environment import expectations_of
from proof.model import Proof
from proof.prove import prove
from proof.rights.role_policies import examine_rights
from stacks.config import load_environment
from stacks.one_endpoint import build_endpoint
from stacks.workloads import ACTIONS
from tests.conftest import RELEASES
from tests.unit.stacks.test_config import GOOD, faults
from tests.unit.stacks.test_platform import Synthesized, flags

HEAD = GOOD.partition("network")[0]
EXISTING = f"""{HEAD}network:
  s3_prefix_list: pl-6da54004
  existing:
    vpc: vpc-0a1b2c3d4e5f60718
    subnets: {{eu-west-1a: subnet-0a1b2c3d, eu-west-1b: subnet-1a1b2c3d}}
    route_tables: {{eu-west-1a: rtb-0a1b2c3d, eu-west-1b: rtb-0a1b2c3d}}
    security_groups: [sg-0a1b2c3d]
"""
HUB = """\
  shared_endpoints:
    services: {logs: vpce-0a1b2c3d, execute-api: vpce-1a1b2c3d}
    cidrs: [10.250.0.0/24]
    transit_gateway: tgw-0a1b2c3d
    dns_profile: rp-0a1b2c3d4e5f6071
"""


@pytest.mark.parametrize(
    ("path", "changed", "said"),
    [
        ("network.cidr", GOOD.replace("  cidr: 10.1.0.0/16\n", ""), "or network.existing"),
        ("network.zones", GOOD.replace("  zones: [eu-west-1a, eu-west-1b]\n", ""), "two zones"),
        ("network.cidr", EXISTING + "  cidr: 10.1.0.0/16\n", "beside network.existing"),
        ("network.zones", EXISTING + "  zones: [eu-west-1a, eu-west-1b]\n", "one of the two"),
        ("network.existing.vpc", EXISTING.replace("vpc-0a1b2c3d4e5f60718", "main"), "'vpc-'"),
        (
            "network.existing.route_tables",
            EXISTING.replace("{eu-west-1a: rtb-0a1b2c3d, ", "{"),
            "one for each zone",
        ),
        (
            "network.existing.subnets.us-east-1a",
            EXISTING.replace("eu-west-1a", "us-east-1a"),
            "a zone of eu-west-1",
        ),
        ("network.existing.vcp", EXISTING.replace("vpc:", "vcp:"), "Did you mean 'vpc'?"),
        ("network.block_public_access", EXISTING + "  block_public_access: true\n", "owns the VPC"),
        (
            "network.shared_endpoints.security_groups",
            GOOD + "  shared_endpoints: {services: {logs: vpce-0a1b2c3d}}\n",
            "networks they stand in",
        ),
        (
            "network.shared_endpoints.cidrs",
            GOOD
            + HUB.replace("    cidrs: [10.250.0.0/24]\n", "    security_groups: [sg-0a1b2c3d]\n"),
            "the networks that the gateway leads to",
        ),
        (
            "network.shared_endpoints.cidrs.0",
            GOOD + HUB.replace("10.250.0.0/24", "10.1.7.0/24"),
            "overlaps network.cidr",
        ),
        ("network.shared_endpoints.transit_gateway", EXISTING + HUB, "its owner has attached"),
        (
            "network.shared_endpoints.services.log.[key]",
            GOOD + HUB.replace("{logs:", "{log:"),
            "ecr.api, ecr.dkr",
        ),
        (
            "network.workloads.jobs.0",
            GOOD + "  workloads: {jobs: [bedrock]}\n",
            "codebuild, codepipeline",
        ),
        (
            "network.neighbours.arn:aws:iam::123456789012:role/billing",
            GOOD + "  neighbours: {'arn:aws:iam::123456789012:role/billing': yes}\n",
            "at least 20 characters",
        ),
        ("network.organization", GOOD + "  organization: bank\n", "describe-organization"),
        ("network.dns_zones.0", GOOD + "  dns_zones: [bank.internal.]\n", "without a dot"),
        ("network.endpoint_price", GOOD + "  endpoint_price: 0.014\n", "USD/h"),
        (
            "perimeter.endpoints.vpce-0a1b2c3d",
            GOOD + "perimeter: {endpoints: {vpce-0a1b2c3d: mine}}\n",
            "at least 20 characters",
        ),
    ],
)
def test_faults(path: str, changed: str, said: str, tmp_path: Path) -> None:
    found = faults(tmp_path, changed)
    near = [key for key in found if path.startswith(key)]
    assert near, found
    assert said in found[near[0]]


@pytest.mark.parametrize("text", [EXISTING, GOOD + HUB])
def test_both_are_accepted(text: str, tmp_path: Path) -> None:
    assert faults(tmp_path, text) == {}


def test_what_a_workload_may_call_is_known_for_every_service() -> None:
    assert set(ACTIONS) == set(SERVICES)


def synthesized(text: str, folder: Path) -> Synthesized:
    (folder / "dev.yaml").write_text(text)
    return Synthesized(load_environment("dev", folder), RELEASES, folder / "out")


def types(template: dict[str, Any]) -> list[str]:
    return [resource["Type"] for resource in template["Resources"].values()]


def proven(text: str, folder: Path) -> Proof:
    """The proof of what comes of a configuration."""
    synthesized(text, folder)
    environment = load_environment("dev", folder)
    return prove(
        folder / "out",
        "dev",
        expectations_of(environment),
        account=environment.account,
        region=environment.region,
        ours=True,
        rights=examine_rights,
    )


class TestProof:
    def test_what_nobody_sees_of_an_existing_vpc_is_undecided(self, tmp_path: Path) -> None:
        proof = proven(EXISTING, tmp_path)
        assert proof.violations == ()
        (unseen,) = proof.undecided
        assert unseen.rule == "way.unseen-network"
        assert "vpc-0a1b2c3d4e5f60718" in unseen.says

    def test_the_way_to_a_hub_is_named_on_purpose(self, tmp_path: Path) -> None:
        proof = proven(GOOD + HUB, tmp_path)
        assert proof.violations == proof.undecided == ()
        shared = {use.service for use in proof.services if use.kind == "shared"}
        assert shared == {"logs", "execute-api"}


class TestStacks:
    def test_an_existing_vpc_is_used_and_not_changed(self, tmp_path: Path) -> None:
        made = synthesized(EXISTING, tmp_path)
        network = made.templates["Network"]
        unwanted = {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::FlowLog", "AWS::EC2::Route"}
        assert unwanted.isdisjoint(types(network))
        assert "AWS::EC2::VPCEndpoint" in types(network)
        assert "vpc-0a1b2c3d4e5f60718" in json.dumps(network)
        assert "subnet-0a1b2c3d" in json.dumps(made.templates["Data"])

    @pytest.mark.parametrize("text", [EXISTING, GOOD + HUB])
    def test_an_endpoint_by_itself_is_what_it_is_among_the_others(
        self, text: str, tmp_path: Path
    ) -> None:
        text += "endpoints:\n  iris: {image: iris, model: models:/iris@champion}\n"
        synthesized(text, tmp_path)
        app = App(context=flags(), outdir=str(tmp_path / "one"))
        assert build_endpoint(app, load_environment("dev", tmp_path), RELEASES, "iris") == []
        app.synth()
        name = "Endpoint-iris.template.json"
        made, whole = (tmp_path / it / name for it in ("one", "out"))
        assert made.read_bytes() == whole.read_bytes()

    def test_groups_of_an_existing_vpc_may_call_and_stay_as_they_are(self, tmp_path: Path) -> None:
        made = synthesized(EXISTING, tmp_path)
        for stack, port in (("Network", 443), ("Tracking", 5000)):
            rules = [
                resource["Properties"]
                for resource in made.templates[stack]["Resources"].values()
                if resource["Type"].startswith("AWS::EC2::SecurityGroup")
                and "sg-0a1b2c3d" in json.dumps(resource["Properties"])
            ]
            assert [rule["FromPort"] for rule in rules] == [port]
            assert [rule["SourceSecurityGroupId"] for rule in rules] == ["sg-0a1b2c3d"]

    def test_no_endpoint_is_paid_for_twice(self, tmp_path: Path) -> None:
        made = synthesized(GOOD + HUB, tmp_path)
        services = json.dumps(
            [
                resource["Properties"]["ServiceName"]
                for resource in made.templates["Network"]["Resources"].values()
                if resource["Type"] == "AWS::EC2::VPCEndpoint"
            ]
        )
        assert "secretsmanager" in services
        assert ".logs" not in services
        assert "execute-api" not in services
        assert "vpce-1a1b2c3d" in json.dumps(made.templates["Api"])
        assert "AWS::EC2::TransitGatewayAttachment" in types(made.templates["Network"])

    def test_a_shared_endpoint_that_nobody_calls_is_a_fault(self, tmp_path: Path) -> None:
        with pytest.raises(FaultsError, match=r"shared.services.glue"):
            synthesized(GOOD + HUB.replace("{logs:", "{glue: vpce-2a1b2c3d, logs:"), tmp_path)

    def test_who_else_is_let_in_is_in_the_template_with_its_reason(self, tmp_path: Path) -> None:
        role = "arn:aws:iam::123456789012:role/billing"
        text = f"{GOOD}  neighbours:\n    {role}: It shares the VPC since before us.\n"
        metadata = synthesized(text, tmp_path).templates["Network"]["Metadata"]
        assert metadata[f"Neighbour:{role}"] == "It shares the VPC since before us."
