"""What intrinsic functions resolve to."""

from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.faults import FaultsError
from proof.model import Verdict
from proof.system.system import System
from proof.system.templates import load_templates
from proof.system.values import Unknown, is_unknown
from tests.unit.proof.builders import (
    REGION,
    Templates,
    found,
    marks,
    proven,
    ref,
    resource,
    write,
)


def resolved(folder: Path, value: Any, **sections: Any) -> Any:
    """What a property of the one resource resolves to."""
    template = {"Resources": {"X": resource("S3::Bucket", P=value)}, **sections}
    return value_of(folder, {"T": template})


def value_of(folder: Path, templates: Templates, identity: str = "T.X") -> Any:
    system = System(load_templates(write(folder, templates)), account="1" * 12, region=REGION)
    (view,) = system.branches(system.resources[identity])
    return view.get("P")


PARAMETERS = {
    "Text": {"Type": "String", "Default": "a"},
    "Only": {"Type": "String", "AllowedValues": ["b"]},
    "List": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "Nothing": {"Type": "String"},
    "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/path"},
}
MAPPINGS = {"Map": {REGION: {"k": "here"}, "us-east-1": {"k": "there"}}}
CONDITIONS = {
    "Yes": {"Fn::Equals": [ref("Text"), "a"]},
    "No": {"Fn::Not": [{"Condition": "Yes"}]},
    "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
    "Either": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ref("Text"), "a"),
        (ref("Only"), "b"),
        (ref("List"), ["a", "b"]),
        (ref("X"), "${T.X}"),
        (ref("AWS::Region"), REGION),
        (ref("AWS::AccountId"), "1" * 12),
        (ref("AWS::Partition"), "aws"),
        (ref("AWS::URLSuffix"), "amazonaws.com"),
        (ref("AWS::StackName"), "${T.AWS.StackName}"),
        ([ref("AWS::NoValue"), "a"], ["a"]),
        ({"a": ref("AWS::NoValue"), "b": 1}, {"b": 1}),
        ({"Fn::GetAtt": ["X", "Arn"]}, "${T.X.Arn}"),
        ({"Fn::GetAtt": "X.Endpoint.Port"}, "${T.X.Endpoint.Port}"),
        (
            {"Fn::Sub": "${Text}-${AWS::Region}-${X.Arn}-${!Kept}"},
            f"a-{REGION}-${{T.X.Arn}}-${{Kept}}",
        ),
        ({"Fn::Sub": ["${Own}/${Text}", {"Own": ref("X")}]}, "${T.X}/a"),
        ({"Fn::Join": [":", ["a", ref("Text"), 1, True]]}, "a:a:1:true"),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": ["-", "x-y"]}]}, "x"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::If": ["Yes", 1, 2]}, 1),
        ({"Fn::If": ["No", 1, 2]}, 2),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"a": {"Fn::If": ["No", 1, ref("AWS::NoValue")]}}, {}),
        ({"Fn::FindInMap": ["Map", ref("AWS::Region"), "k"]}, "here"),
        ({"Fn::FindInMap": ["Map", "x", "k", {"DefaultValue": "d"}]}, "d"),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "${AWS.Zone0}"),
        ({"Fn::Length": [1, 2]}, 2),
        ({"Fn::Base64": "a"}, "a"),
        ({"Fn::ToJsonString": {"a": ref("Text")}}, '{"a": "a"}'),
    ],
)
def test_a_value_is_resolved(tmp_path: Path, value: Any, expected: Any) -> None:
    sections = {"Parameters": PARAMETERS, "Mappings": MAPPINGS, "Conditions": CONDITIONS}

    assert resolved(tmp_path, value, **sections) == expected


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (ref("Nothing"), "the parameter Nothing has no value"),
        (ref("Stored"), "Parameter Store"),
        (ref("Nobody"), "neither a parameter nor a resource"),
        ({"Fn::Sub": "a-${Nothing}"}, "the parameter Nothing has no value"),
        ({"Fn::Join": ["", ["a", ref("Nothing")]]}, "the parameter Nothing has no value"),
        ({"Fn::Join": ["", ref("Nothing")]}, "the parameter Nothing has no value"),
        ({"Fn::Join": ["", ["x" * 90_000, "x" * 90_000]]}, "180000 characters"),
        ({"Fn::Join": "no list"}, "Fn::Join needs"),
        ({"Fn::Select": [9, ["a"]]}, "no item 9"),
        ({"Fn::Select": "x"}, "Fn::Select needs"),
        ({"Fn::Split": [":", {"Fn::GetAtt": ["X", "Arn"]}]}, "after deployment"),
        ({"Fn::Split": "x"}, "Fn::Split needs"),
        ({"Fn::GetAtt": "X"}, "Fn::GetAtt needs"),
        ({"Fn::GetAtt": ["Nobody", "Arn"]}, "no resource"),
        ({"Fn::ImportValue": "nobody"}, "no template exports nobody"),
        ({"Fn::FindInMap": ["Map", "x", "k"]}, "the map Map"),
        ({"Fn::FindInMap": "x"}, "Fn::FindInMap needs"),
        ({"Fn::Cidr": ["x", 1, 1]}, "cannot be computed"),
        ({"Fn::If": ["x"]}, "Fn::If needs"),
        ({"Fn::Sub": 1}, "Fn::Sub needs"),
        ({"Fn::Length": "x"}, "Fn::Length needs"),
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "CloudFormation alone"),
        ("{{resolve:ssm:/a}}", "dynamic reference"),
    ],
)
def test_what_cannot_be_resolved_says_why(tmp_path: Path, value: Any, why: str) -> None:
    made = resolved(tmp_path, value, Parameters=PARAMETERS, Mappings=MAPPINGS)

    assert isinstance(made, Unknown)
    assert is_unknown(made)
    assert why in made.why


def importer(name: Any) -> dict[str, Any]:
    return {"Resources": {"X": resource("S3::Bucket", P={"Fn::ImportValue": name})}}


def exporter(name: Any, value: Any, **sections: Any) -> dict[str, Any]:
    outputs = {"Out": {"Value": value, "Export": {"Name": name}}}
    return {"Resources": {"V": resource("EC2::VPC")}, "Outputs": outputs, **sections}


@pytest.mark.parametrize(
    ("imported", "exported"),
    [
        ("name", "name"),
        ({"Fn::Sub": "a-${AWS::Region}"}, {"Fn::Join": ["-", ["a", ref("AWS::Region")]]}),
        ("net-VpcId", {"Fn::Sub": "${AWS::StackName}-VpcId"}),
        ({"Fn::Sub": "${Stack}-VpcId"}, {"Fn::Sub": "${AWS::StackName}-VpcId"}),
    ],
)
def test_an_import_leads_to_what_another_template_exports(
    tmp_path: Path, imported: Any, exported: Any
) -> None:
    user = {**importer(imported), "Parameters": {"Stack": {"Type": "String"}}}
    templates = {"T": user, "N": exporter(exported, ref("V"))}

    assert value_of(tmp_path, templates) == "${N.V}"


def test_an_import_that_fits_twice_is_unknown(tmp_path: Path) -> None:
    name = {"Fn::Sub": "${AWS::StackName}-VpcId"}
    templates = {"T": importer("net-VpcId"), "A": exporter(name, 1), "B": exporter(name, 2)}

    assert is_unknown(value_of(tmp_path, templates))


def test_imports_in_a_circle_are_a_fault(tmp_path: Path) -> None:
    templates = {
        "T": importer("a"),
        "A": exporter("a", {"Fn::ImportValue": "b"}),
        "B": exporter("b", {"Fn::ImportValue": "a"}),
    }
    with pytest.raises(FaultsError, match="circle"):
        value_of(tmp_path, templates)


def test_conditions_in_a_circle_are_a_fault(tmp_path: Path) -> None:
    conditions = {"A": {"Condition": "B"}, "B": {"Fn::Not": [{"Condition": "A"}]}}
    with pytest.raises(FaultsError, match="condition A -> condition B -> condition A"):
        resolved(tmp_path, {"Fn::If": ["A", 1, 2]}, Conditions=conditions)


def test_a_nested_stack_is_resolved_through_its_parameters(tmp_path: Path) -> None:
    outer = {
        "Resources": {
            "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "Inner": resource(
                "CloudFormation::Stack", TemplateURL="./inner.json", Parameters={"Id": ref("Vpc")}
            ),
            "X": resource("S3::Bucket", P={"Fn::GetAtt": ["Inner", "Outputs.Back"]}),
        }
    }
    inner = {
        "Parameters": {"Id": {"Type": "String"}},
        "Resources": {"Y": resource("S3::Bucket", P=ref("Id"))},
        "Outputs": {"Back": {"Value": ref("Y")}},
    }
    templates = {"T": outer, "inner": inner}

    assert value_of(tmp_path, templates, "inner.Y") == "${T.Vpc}"
    assert value_of(tmp_path, templates) == "${inner.Y}"
    assert "way.unseen" not in {rule for rule, _ in marks(proven(tmp_path, templates).findings)}


SCHEME = {"Fn::If": ["Public", "internet-facing", "internal"]}


def balanced(**sections: Any) -> Templates:
    balancer = resource("ElasticLoadBalancingV2::LoadBalancer", Scheme=SCHEME)
    return {"T": {"Resources": {"X": balancer}, **sections}}


@pytest.mark.parametrize(
    ("parameter", "verdict"),
    [
        ({"Type": "String"}, Verdict.VIOLATION),
        ({"Type": "String", "AllowedValues": ["yes", "no"]}, Verdict.VIOLATION),
        ({"Type": "String", "Default": "yes"}, Verdict.VIOLATION),
        ({"Type": "String", "Default": "no", "AllowedValues": ["yes", "no"]}, Verdict.UNDECIDED),
        ({"Type": "String", "Default": "no"}, None),
        ({"Type": "String", "AllowedValues": ["no"]}, None),
    ],
)
def test_a_way_that_opens_in_a_branch_is_found(
    tmp_path: Path, parameter: dict[str, Any], verdict: Verdict | None
) -> None:
    templates = balanced(
        Parameters={"Mode": parameter},
        Conditions={"Public": {"Fn::Equals": [ref("Mode"), "yes"]}},
    )
    findings = [
        finding
        for finding in proven(tmp_path, templates).findings
        if finding.rule == "way.balancer"
    ]

    assert [finding.verdict for finding in findings] == ([verdict] if verdict else [])
    assert all("Where " in found.says or "Default" in parameter for found in findings)


def test_the_branch_is_named(tmp_path: Path) -> None:
    templates = balanced(
        Parameters={"Mode": {"Type": "String"}},
        Conditions={"Public": {"Fn::Equals": [ref("Mode"), "yes"]}},
    )
    (finding,) = [
        finding
        for finding in proven(tmp_path, templates).findings
        if finding.rule == "way.balancer"
    ]

    assert finding.says.endswith("Where 'Mode' is 'yes'.")


def test_a_safeguard_that_a_branch_lacks_protects_nothing(tmp_path: Path) -> None:
    rest = resource("Route53Resolver::FirewallDomainList", Domains=["*"])
    rules = [{"Action": "BLOCK", "FirewallDomainListId": ref("Rest"), "Priority": 1}]
    association = resource(
        "Route53Resolver::FirewallRuleGroupAssociation",
        VpcId=ref("X"),
        FirewallRuleGroupId=ref("Rules"),
    )
    template = {
        "Parameters": {"Mode": {"Type": "String"}},
        "Conditions": {"Wanted": {"Fn::Equals": [ref("Mode"), "yes"]}},
        "Resources": {
            "X": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "Rest": rest,
            "Rules": resource("Route53Resolver::FirewallRuleGroup", FirewallRules=rules),
            "Association": {**association, "Condition": "Wanted"},
        },
    }
    findings = proven(tmp_path, {"T": template}).findings

    assert ("way.dns-firewall", "X") in marks(findings, Verdict.VIOLATION)


def test_too_many_branches_are_undecided(tmp_path: Path) -> None:
    names = [f"P{number}" for number in range(8)]
    parts = [{"Fn::If": [f"C{name}", "internal", "internet-facing"]} for name in names]
    template = {
        "Parameters": {name: {"Type": "String"} for name in names},
        "Conditions": {f"C{name}": {"Fn::Equals": [ref(name), "x"]} for name in names},
        "Resources": {
            "X": resource("ElasticLoadBalancingV2::LoadBalancer", Scheme={"Fn::Join": ["", parts]})
        },
    }
    findings = proven(tmp_path, {"T": template}).findings

    assert ("way.balancer", "X") in marks(findings)


def test_a_resource_of_a_condition_that_fails_is_not_there(tmp_path: Path) -> None:
    template = {
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
        "Resources": {
            "X": {**resource("EC2::InternetGateway"), "Condition": "Never"},
            "Y": resource("SNS::Topic"),
        },
    }

    assert not marks(proven(tmp_path, {"T": template}).findings)


def test_text_is_not_mistaken_for_a_reference(tmp_path: Path) -> None:
    resources = {
        "X": resource("EC2::SecurityGroupIngress", GroupId="g", CidrIp="${T.Nobody}"),
    }

    assert ("way.ingress", "X") in marks(found(tmp_path, resources), Verdict.UNDECIDED)
