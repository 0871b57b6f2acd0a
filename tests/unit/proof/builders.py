"""Small templates for tests of the proof."""

import json
from pathlib import Path
from typing import Any

from proof.model import Expectations, Finding, Proof, Verdict
from proof.prove import prove

ACCOUNT = "111111111111"
OTHER = "999999999999"
REGION = "eu-west-1"

Resources = dict[str, dict[str, Any]]
Templates = dict[str, dict[str, Any]]


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """One resource: ``resource("EC2::VPC", CidrBlock=...)``."""
    return {"Type": f"AWS::{kind}", "Properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str = "Arn") -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(principal: Any, action: Any, on: Any = "*", **condition: Any) -> dict[str, Any]:
    """An Allow statement; conditions by their operator."""
    made = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": on}
    return {**made, "Condition": condition} if condition else made


def deny(action: Any, on: Any = "*", **condition: Any) -> dict[str, Any]:
    return {**allow("*", action, on, **condition), "Effect": "Deny"}


def write(folder: Path, templates: Templates) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
    return folder


def proven(
    folder: Path,
    templates: Templates,
    *,
    ours: bool = True,
    account: str = ACCOUNT,
    expectations: Expectations | None = None,
) -> Proof:
    """What is found in templates."""
    return prove(
        write(folder, templates),
        "test",
        expectations,
        account=account,
        region=REGION if account else "",
        ours=ours,
    )


def found(
    folder: Path, resources: Resources, *, ours: bool = True, **settings: Any
) -> tuple[Finding, ...]:
    """What is found in one template of some resources."""
    return proven(folder, {"T": {"Resources": resources}}, ours=ours, **settings).findings


def marks(findings: tuple[Finding, ...], verdict: Verdict | None = None) -> set[tuple[str, str]]:
    """Rule and logical id of each finding."""
    return {
        (finding.rule, finding.logical_id)
        for finding in findings
        if verdict in (None, finding.verdict)
    }


OURS = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:ResourceAccount": ACCOUNT}}
EVERYTHING = [
    {"Fn::GetAtt": ["Bucket", "Arn"]},
    {"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/*"]]},
]


def interface(service: str, *actions: str, **more: Any) -> dict[str, Any]:
    """An interface endpoint as it should be."""
    statement = allow({"AWS": "*"}, list(actions), "*", **OURS)
    return resource(
        "EC2::VPCEndpoint",
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{REGION}.{service}",
        VpcId=ref("Vpc"),
        SubnetIds=[ref("Subnet")],
        SecurityGroupIds=[att("EndpointGroup", "GroupId")],
        PrivateDnsEnabled=True,
        PolicyDocument=policy(statement),
        **more,
    )


def rule(inbound: bool, group: Any, other: Any, port: int = 443) -> dict[str, Any]:
    """A rule apart, between two groups."""
    side = "SourceSecurityGroupId" if inbound else "DestinationSecurityGroupId"
    kind = "EC2::SecurityGroupIngress" if inbound else "EC2::SecurityGroupEgress"
    ports = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    return resource(kind, GroupId=group, **ports, **{side: other})


def role(service: str, *actions: str, on: Any = "*") -> dict[str, Any]:
    """A role of a service, with one inline policy."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return resource(
        "IAM::Role",
        AssumeRolePolicyDocument=policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ),
        Policies=[{"PolicyName": "Main", "PolicyDocument": policy(statement)}],
    )


def closed() -> Templates:
    """A closed system of two templates, in which every rule holds."""
    network: Resources = {
        "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Subnet": resource(
            "EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/24", MapPublicIpOnLaunch=False
        ),
        "Table": resource("EC2::RouteTable", VpcId=ref("Vpc")),
        "Join": resource(
            "EC2::SubnetRouteTableAssociation", RouteTableId=ref("Table"), SubnetId=ref("Subnet")
        ),
        "EndpointGroup": resource(
            "EC2::SecurityGroup",
            GroupDescription="Endpoints",
            VpcId=ref("Vpc"),
            SecurityGroupEgress=[{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp"}],
        ),
        "Secrets": interface("secretsmanager", "secretsmanager:GetSecretValue"),
        "Apis": interface("execute-api", "execute-api:Invoke"),
        "S3": resource(
            "EC2::VPCEndpoint",
            VpcEndpointType="Gateway",
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            VpcId=ref("Vpc"),
            RouteTableIds=[ref("Table")],
            PolicyDocument=policy(allow("*", ["s3:GetObject", "s3:PutObject"], "*", **OURS)),
        ),
        "Names": resource("Route53Resolver::FirewallDomainList", Domains=["*.amazonaws.com"]),
        "Rest": resource("Route53Resolver::FirewallDomainList", Domains=["*"]),
        "Firewall": resource(
            "Route53Resolver::FirewallRuleGroup",
            FirewallRules=[
                {"Action": "ALLOW", "FirewallDomainListId": ref("Names"), "Priority": 1},
                {"Action": "BLOCK", "FirewallDomainListId": att("Rest", "Id"), "Priority": 2},
            ],
        ),
        "Firewalled": resource(
            "Route53Resolver::FirewallRuleGroupAssociation",
            FirewallRuleGroupId=ref("Firewall"),
            VpcId=ref("Vpc"),
        ),
        "DefaultGroup": resource(
            "SSM::Association",
            Name="AWSConfigRemediation-RemoveVPCDefaultSecurityGroupRules",
            Targets=[
                {"Key": "ParameterValues", "Values": [att("Vpc", "DefaultSecurityGroup")]},
            ],
        ),
    }
    exports = {
        "VpcId": ref("Vpc"),
        "SubnetId": ref("Subnet"),
        "GroupId": att("EndpointGroup", "GroupId"),
        "S3Id": ref("S3"),
        "ApisId": ref("Apis"),
    }
    outputs = {name: {"Value": at, "Export": {"Name": name}} for name, at in exports.items()}
    return {
        "App": {"Resources": _app()},
        "Network": {"Resources": network, "Outputs": outputs},
    }


def _app() -> Resources:
    def imported(name: str) -> dict[str, str]:
        return {"Fn::ImportValue": name}

    group = att("FunctionGroup", "GroupId")
    spared = {
        "StringNotEquals": {"aws:SourceVpce": imported("S3Id")},
        "Bool": {"aws:PrincipalIsAWSService": "false"},
    }
    return {
        "FunctionGroup": resource(
            "EC2::SecurityGroup", GroupDescription="Function", VpcId=imported("VpcId")
        ),
        "Out": rule(False, group, imported("GroupId")),
        "In": rule(True, imported("GroupId"), group),
        "Files": resource(
            "EC2::SecurityGroupEgress",
            GroupId=group,
            IpProtocol="tcp",
            FromPort=443,
            ToPort=443,
            DestinationPrefixListId="pl-12345678",
        ),
        "DatabaseGroup": resource(
            "EC2::SecurityGroup",
            GroupDescription="Database",
            VpcId=imported("VpcId"),
            SecurityGroupEgress=[{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp"}],
        ),
        "ToDatabase": rule(False, group, att("DatabaseGroup", "GroupId"), 5432),
        "IntoDatabase": rule(True, att("DatabaseGroup", "GroupId"), group, 5432),
        "Subnets": resource("RDS::DBSubnetGroup", SubnetIds=[imported("SubnetId")]),
        "Database": resource(
            "RDS::DBInstance",
            Engine="postgres",
            PubliclyAccessible=False,
            DBSubnetGroupName=ref("Subnets"),
            VPCSecurityGroups=[att("DatabaseGroup", "GroupId")],
        ),
        "Role": role(
            "lambda",
            "secretsmanager:GetSecretValue",
            "s3:GetObject",
            on=[
                f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:main",
                {"Fn::Join": ["", [att("Bucket"), "/*"]]},
            ],
        ),
        "Function": resource(
            "Lambda::Function",
            Role=att("Role"),
            VpcConfig={"SubnetIds": [imported("SubnetId")], "SecurityGroupIds": [group]},
        ),
        "Permission": resource(
            "Lambda::Permission",
            FunctionName=att("Function"),
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn={"Fn::Sub": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:${{Api}}/*"},
        ),
        "Api": resource(
            "ApiGateway::RestApi",
            EndpointConfiguration={"Types": ["PRIVATE"]},
            Policy=policy(
                allow(
                    "*",
                    "execute-api:Invoke",
                    "execute-api:/*",
                    StringEquals={"aws:SourceVpce": imported("ApisId")},
                )
            ),
        ),
        "Bucket": resource(
            "S3::Bucket",
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        ),
        "BucketPolicy": resource(
            "S3::BucketPolicy",
            Bucket=ref("Bucket"),
            PolicyDocument=policy(deny("s3:*", EVERYTHING, **spared)),
        ),
        "Key": resource(
            "KMS::Key",
            KeyPolicy=policy(
                allow({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "kms:*"),
                deny("kms:*", Null={"kms:ViaService": "true"}, **spared),
            ),
        ),
        "Topic": resource("SNS::Topic"),
        "TopicPolicy": resource(
            "SNS::TopicPolicy",
            Topics=[ref("Topic")],
            PolicyDocument=policy(
                allow(
                    {"Service": "events.amazonaws.com"},
                    "sns:Publish",
                    ref("Topic"),
                    StringEquals={"aws:SourceAccount": ref("AWS::AccountId")},
                )
            ),
        ),
    }
