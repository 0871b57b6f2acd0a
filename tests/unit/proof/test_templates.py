"""Folders of templates, good and bad."""

import json
from pathlib import Path

import pytest

from mlops_constructs.faults import FaultsError
from proof.system.system import System
from proof.system.templates import load_templates
from proof.system.values import ACCOUNT

YAML = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Zone: {Type: String, Default: a}
Conditions:
  Wanted: !Not [!Equals [!Ref Zone, b]]
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock: !Select [0, !Cidr [10.0.0.0/8, 2, 16]]
  Rule:
    Type: AWS::SNS::TopicPolicy
    Condition: Wanted
    Properties:
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}
            Action: !If [Wanted, sns:Publish, !Ref AWS::NoValue]
            Resource: !GetAtt Vpc.Arn
            Condition: {StringEquals: {a: !Join ["-", [x, !Ref Zone]]}}
"""


def test_short_forms_of_yaml_are_read(tmp_path: Path) -> None:
    (tmp_path / "net.work.yaml").write_text(YAML)
    system = System(load_templates(tmp_path))
    (vpc,) = system.views("AWS::EC2::VPC")
    (rule,) = system.views("AWS::SNS::TopicPolicy")

    assert vpc.id == "net-work.Vpc"
    assert vpc.get("CidrBlock") == "10.0.0.0/16"
    assert rule.get("PolicyDocument.Version") == "2012-10-17"
    assert rule.get("PolicyDocument.Statement") == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sns:Publish",
            "Resource": "${net-work.Vpc.Arn}",
            "Condition": {"StringEquals": {"a": "x-a"}},
        }
    ]


def test_in_an_assembly_only_templates_are_read(tmp_path: Path) -> None:
    template = {"Resources": {"Vpc": {"Type": "AWS::EC2::VPC"}}}
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "Net.assets.json").write_text("{}")
    (tmp_path / "Net.template.json").write_text(json.dumps(template))
    (tmp_path / "assembly-Stage").mkdir()
    (tmp_path / "assembly-Stage" / "Net.template.json").write_text(json.dumps(template))

    assert [template.name for template in load_templates(tmp_path)] == [
        "Net",
        "Net-template-json",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting property name"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ("[]", "no resources"),
        ("{}", "no resources"),
        ('{"Resources": {}}', "no resources"),
        ('{"Resources": {"X": 1}}', "no Type"),
        ('{"Resources": {"X": {"Type": 1}}}', "no Type"),
        ('{"Resources": {"X": {"Type": "AWS::A::B", "Properties": []}}}', "not a mapping"),
        ('{"Parameters": [], "Resources": {"X": {"Type": "AWS::A::B"}}}', "not a mapping"),
        (
            '{"Resources": {"X": {"Type": "A", "Properties": ' + '{"a":' * 200 + "1" + "}" * 203,
            "deep",
        ),
    ],
)
def test_what_is_no_template_is_a_fault(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(FaultsError, match=says) as raised:
        load_templates(tmp_path)

    assert "bad.json" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: 1\na: 2",
        "Resources: &r\n  X: *r",
        "\t",
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        + "".join(
            f"{chr(99 + n)}: &{chr(99 + n)} [{', '.join([f'*{chr(98 + n)}'] * 10)}]\n"
            for n in range(6)
        ),
    ],
    ids=["syntax", "twice", "itself", "tab", "many copies"],
)
def test_bad_yaml_is_a_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(FaultsError, match=r"bad\.yaml"):
        load_templates(tmp_path)


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{")
    (tmp_path / "two.yml").write_text("- a")
    (tmp_path / "three.json").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(FaultsError, match="3 faults"):
        load_templates(tmp_path)


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_templates_is_a_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(FaultsError, match="folder"):
        load_templates(tmp_path / name)
