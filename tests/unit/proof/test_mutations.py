"""Mutations of closed systems: what opens a way is caught, and what does not changes nothing."""

import itertools
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proof.environment import expectations_of
from proof.model import Proof
from proof.prove import prove
from stacks.config import load_environment
from tests.conftest import RELEASES, ROOT
from tests.unit.proof.builders import (
    OTHER,
    Templates,
    allow,
    closed,
    proven,
    ref,
    resource,
    write,
)

QUIET = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

Node = dict[str, Any]


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Templates]:
    """The templates of our production environment, as the cdk CLI synthesizes them."""
    folder = tmp_path_factory.mktemp("assembly") / "prod"
    options = ["-c", "env=prod", "-c", f"releases={RELEASES}", "--output", str(folder)]
    result = subprocess.run(
        ["cdk", "synth", "--quiet", *options], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    files = sorted(folder.glob("*.template.json"))
    texts = {file.name.removesuffix(".template.json"): file.read_text() for file in files}
    return lambda: {name: json.loads(text) for name, text in texts.items()}


def proven_prod(folder: Path, templates: Templates) -> Proof:
    environment = load_environment("prod", ROOT / "environments")
    return prove(
        write(folder, templates),
        "prod",
        expectations_of(environment),
        account=environment.account,
        region=environment.region,
        ours=True,
    )


def each(templates: Templates, *types: str) -> Iterator[Node]:
    """Every resource of some types."""
    for name in sorted(templates):
        for body in templates[name]["Resources"].values():
            if body["Type"].removeprefix("AWS::") in types:
                yield body


def properties(templates: Templates, *types: str) -> list[Node]:
    return [body.setdefault("Properties", {}) for body in each(templates, *types)]


def statements(templates: Templates) -> Iterator[Node]:
    """Every statement of every policy on a resource or an endpoint."""
    paths = {
        "EC2::VPCEndpoint": "PolicyDocument",
        "S3::BucketPolicy": "PolicyDocument",
        "SNS::TopicPolicy": "PolicyDocument",
        "KMS::Key": "KeyPolicy",
        "ApiGateway::RestApi": "Policy",
        "IAM::Role": "AssumeRolePolicyDocument",
    }
    for kind, path in paths.items():
        for body in properties(templates, kind):
            yield from body.get(path, {}).get("Statement", [])


def add(templates: Templates, name: str, body: Node) -> None:
    next(iter(templates.values()))["Resources"][name] = body


def vpc(templates: Templates) -> Any:
    """The network, as a template of it refers to it."""
    for template in templates.values():
        for name, body in template["Resources"].items():
            if body["Type"] == "AWS::EC2::VPC":
                return template, name
    raise AssertionError


Choose = Callable[[list[Any]], Any]
Mutation = Callable[[Templates, Choose], None]
"""Opens a way; the function chooses one of several."""


def gateway(templates: Templates, choose: Choose) -> None:
    template, name = vpc(templates)
    tables = [
        key for key, body in template["Resources"].items() if body["Type"] == "AWS::EC2::RouteTable"
    ]
    template["Resources"] |= {
        "Gateway": resource("EC2::InternetGateway"),
        "Attached": resource(
            "EC2::VPCGatewayAttachment", VpcId=ref(name), InternetGatewayId=ref("Gateway")
        ),
        "Out": resource(
            "EC2::Route",
            RouteTableId=ref(choose(tables)),
            DestinationCidrBlock=choose(["0.0.0.0/0", "52.0.0.0/8"]),
            GatewayId=ref("Gateway"),
        ),
    }


def nat(templates: Templates, choose: Choose) -> None:
    add(templates, "Nat", resource("EC2::NatGateway", SubnetId="s"))


def peering(templates: Templates, choose: Choose) -> None:
    kind = choose(["EC2::VPCPeeringConnection", "EC2::TransitGatewayAttachment", "EC2::VPNGateway"])
    add(templates, "Peer", resource(kind))


def open_rule(templates: Templates, choose: Choose) -> None:
    body = choose(properties(templates, "EC2::SecurityGroupIngress", "EC2::SecurityGroupEgress"))
    for key in [key for key in body if "SecurityGroupId" in key or "PrefixList" in key]:
        del body[key]
    key = choose(["CidrIp", "CidrIpv6"])
    body[key] = {"CidrIp": choose(["0.0.0.0/0", "8.0.0.0/6"]), "CidrIpv6": "::/0"}[key]


def open_group(templates: Templates, choose: Choose) -> None:
    body = choose(properties(templates, "EC2::SecurityGroup"))
    key = choose(["SecurityGroupIngress", "SecurityGroupEgress"])
    body.setdefault(key, []).append({"IpProtocol": "tcp", "CidrIp": "0.0.0.0/0"})


def public_subnet(templates: Templates, choose: Choose) -> None:
    choose(properties(templates, "EC2::Subnet"))["MapPublicIpOnLaunch"] = choose([True, "true"])


def public_database(templates: Templates, choose: Choose) -> None:
    choose(properties(templates, "RDS::DBInstance"))["PubliclyAccessible"] = True


def function_outside(templates: Templates, choose: Choose) -> None:
    del choose(properties(templates, "Lambda::Function"))["VpcConfig"]


def function_url(templates: Templates, choose: Choose) -> None:
    add(templates, "Url", resource("Lambda::Url", AuthType=choose(["NONE", "AWS_IAM"])))


def balancer(templates: Templates, choose: Choose) -> None:
    scheme = choose([{}, {"Scheme": "internet-facing"}])
    add(templates, "Balancer", resource("ElasticLoadBalancingV2::LoadBalancer", **scheme))


def public_api(templates: Templates, choose: Choose) -> None:
    body = choose(properties(templates, "ApiGateway::RestApi"))
    if choose([True, False]):
        body["EndpointConfiguration"]["Types"] = [choose(["REGIONAL", "EDGE"])]
    else:
        del body["EndpointConfiguration"]


def drop_policy(templates: Templates, choose: Choose) -> None:
    """Of an endpoint to AWS: one to a service of ours has none."""
    endpoints = properties(templates, "EC2::VPCEndpoint")
    del choose([body for body in endpoints if "PolicyDocument" in body])["PolicyDocument"]


def drop_api_policy(templates: Templates, choose: Choose) -> None:
    del choose(properties(templates, "ApiGateway::RestApi"))["Policy"]


def drop_bucket_policy(templates: Templates, choose: Choose) -> None:
    for template in templates.values():
        for name in [
            name
            for name, body in template["Resources"].items()
            if body["Type"] == "AWS::S3::BucketPolicy"
        ]:
            del template["Resources"][name]


def drop_condition(templates: Templates, choose: Choose) -> None:
    """A condition of an Allow that keeps others out; those of a trust are not asked for."""
    keys = ("aws:Source", "aws:Principal", "aws:Resource", "kms:EncryptionContext")
    found = [
        statement
        for statement in statements(templates)
        if statement["Effect"] == "Allow"
        and any(key in json.dumps(statement.get("Condition")) for key in keys)
        and statement["Action"] != "sts:AssumeRole"
        and statement["Action"] != "execute-api:Invoke"
    ]
    del choose(found)["Condition"]


def lenient_condition(templates: Templates, choose: Choose) -> None:
    found = [
        statement["Condition"]
        for statement in statements(templates)
        if statement["Effect"] == "Allow"
        and "aws:SourceVpce" in json.dumps(statement.get("Condition", {}).get("StringEquals"))
    ]
    condition = choose(found)
    operator = choose(["StringEqualsIfExists", "StringNotEquals", "ForAllValues:StringEquals"])
    condition[operator] = condition.pop("StringEquals")


def let_in(templates: Templates, choose: Choose) -> None:
    kinds = {"KMS::Key": "KeyPolicy", "S3::BucketPolicy": "PolicyDocument"}
    kind = choose(sorted(kinds))
    body = choose(properties(templates, kind))
    who = choose(["*", {"AWS": "*"}, {"AWS": OTHER}, {"AWS": f"arn:aws:iam::{OTHER}:role/a"}])
    body[kinds[kind]]["Statement"].append(allow(who, "s3:GetObject", "arn:aws:s3:::other/*"))


def trust_others(templates: Templates, choose: Choose) -> None:
    body = choose(properties(templates, "IAM::Role"))
    body["AssumeRolePolicyDocument"]["Statement"].append(allow({"AWS": OTHER}, "sts:AssumeRole"))


def unblock(templates: Templates, choose: Choose) -> None:
    body = choose(properties(templates, "S3::Bucket"))["PublicAccessBlockConfiguration"]
    body[choose(sorted(body))] = False


def permit_others(templates: Templates, choose: Choose) -> None:
    body = choose(properties(templates, "Lambda::Permission"))
    body.pop("SourceArn", None)
    body.pop("SourceAccount", None)
    if choose([True, False]):
        body["Principal"] = choose(["*", OTHER])


def let_names_out(templates: Templates, choose: Choose) -> None:
    kind = choose(["FirewallRuleGroupAssociation", "FirewallRuleGroup"])
    for template in templates.values():
        for name, body in list(template["Resources"].items()):
            if body["Type"] == f"AWS::Route53Resolver::{kind}":
                del template["Resources"][name]
                if kind == "FirewallRuleGroup":
                    rules = body["Properties"]["FirewallRules"]
                    body["Properties"]["FirewallRules"] = rules[:1]
                    template["Resources"][name] = body


def drop_endpoint(templates: Templates, choose: Choose) -> None:
    for template in templates.values():
        for name, body in list(template["Resources"].items()):
            service = json.dumps(body.get("Properties", {}).get("ServiceName"))
            if body["Type"] == "AWS::EC2::VPCEndpoint" and "secretsmanager" in service:
                del template["Resources"][name]


OPENINGS: list[Mutation] = [
    gateway,
    nat,
    peering,
    open_rule,
    open_group,
    public_subnet,
    public_database,
    function_outside,
    function_url,
    balancer,
    public_api,
    drop_policy,
    drop_api_policy,
    drop_bucket_policy,
    drop_condition,
    lenient_condition,
    let_in,
    trust_others,
    unblock,
    permit_others,
    let_names_out,
    drop_endpoint,
]


def chooser(data: st.DataObject) -> Choose:
    return lambda options: data.draw(st.sampled_from(options))


@pytest.mark.parametrize("opening", OPENINGS, ids=lambda opening: opening.__name__)
@settings(parent=QUIET, max_examples=10)
@given(data=st.data())
def test_what_opens_a_way_is_caught(tmp_path: Path, opening: Mutation, data: st.DataObject) -> None:
    templates = closed()
    opening(templates, chooser(data))

    assert proven(tmp_path, templates).violations


@pytest.mark.parametrize("opening", OPENINGS, ids=lambda opening: opening.__name__)
@settings(parent=QUIET, max_examples=5)
@given(data=st.data())
def test_what_opens_our_own_is_caught(
    tmp_path: Path, prod: Callable[[], Templates], opening: Mutation, data: st.DataObject
) -> None:
    templates = prod()
    opening(templates, chooser(data))

    assert proven_prod(tmp_path, templates).violations


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same with the keys of mappings in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


def reordered(templates: Templates, chance: random.Random) -> None:
    """Turn round lists whose order means nothing."""
    for body in itertools.chain.from_iterable(
        template["Resources"].values() for template in templates.values()
    ):
        for key in ("SubnetIds", "SecurityGroupIds", "Policies", "Tags", "FirewallRules"):
            found = body.get("Properties", {}).get(key)
            if isinstance(found, list):
                chance.shuffle(found)
    for statement in statements(templates):
        if isinstance(statement.get("Action"), list):
            chance.shuffle(statement["Action"])


def renamed(templates: Templates) -> Templates:
    """The same with every logical id changed."""
    names = {name for template in templates.values() for name in template["Resources"]}

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: f"{item}New"
                if key == "Ref" and item in names
                else [f"{item[0]}New", *item[1:]]
                if key == "Fn::GetAtt"
                else rename(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [rename(item) for item in value]
        if isinstance(value, str) and "${Api}" in value:
            return value.replace("${Api}", "${ApiNew}")
        return value

    return {
        title: {
            **template,
            "Resources": {
                f"{name}New": {**body, "Properties": rename(body.get("Properties", {}))}
                for name, body in template["Resources"].items()
            },
            "Outputs": rename(template.get("Outputs", {})),
        }
        for title, template in templates.items()
    }


@QUIET
@given(chance=st.randoms(), seed=st.integers(0, 99))
def test_order_and_words_change_nothing(tmp_path: Path, chance: random.Random, seed: int) -> None:
    templates = closed()
    for body in each(templates, "EC2::VPC", "S3::Bucket", "Lambda::Function"):
        body["Properties"]["Tags"] = [{"Key": "a", "Value": str(seed)}, {"Key": "b", "Value": "c"}]
        body["Description"] = f"Number {seed}"
        body["Metadata"] = {"aws:cdk:path": str(seed)}
    reordered(templates, chance)
    proof = proven(tmp_path / "t", shuffled(templates, chance))

    assert proof.findings == ()
    assert proof.reaches == proven(tmp_path / "plain", closed()).reaches


def test_names_change_nothing(tmp_path: Path) -> None:
    plain = proven(tmp_path / "plain", closed())
    other = proven(tmp_path / "other", renamed(closed()))

    assert other.findings == ()
    assert len(other.reaches) == len(plain.reaches)


def test_our_own_is_closed(tmp_path: Path, prod: Callable[[], Templates]) -> None:
    assert proven_prod(tmp_path, prod()).findings == ()
