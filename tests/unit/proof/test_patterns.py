"""Private networks as AWS publishes them: their structure, written afresh.

None of them may be called open. What they leave to other layers is undecided.
"""

from pathlib import Path
from typing import Any

import pytest

from proof.model import Proof, Verdict
from tests.unit.proof.builders import (
    Templates,
    allow,
    att,
    deny,
    marks,
    policy,
    proven,
    ref,
    resource,
    role,
)

SERVICES = ("sagemaker.api", "sagemaker.runtime", "sts", "logs", "monitoring", "ecr.api", "ecr.dkr")


def network(**more: Any) -> dict[str, Any]:
    """A VPC of private subnets, with full access through its endpoints."""
    ends = {
        f"Endpoint{number}": resource(
            "EC2::VPCEndpoint",
            VpcEndpointType="Interface",
            ServiceName={"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"},
            VpcId=ref("Vpc"),
            PrivateDnsEnabled=True,
            SubnetIds=[ref("One"), ref("Two")],
            SecurityGroupIds=[ref("EndpointGroup")],
            PolicyDocument=policy(allow("*", "*")),
        )
        for number, service in enumerate(SERVICES)
    }
    subnets = {
        name: resource(
            "EC2::Subnet",
            VpcId=ref("Vpc"),
            CidrBlock={"Fn::Select": [number, {"Fn::Cidr": [att("Vpc", "CidrBlock"), 4, 8]}]},
            AvailabilityZone={"Fn::Select": [number, {"Fn::GetAZs": ref("AWS::Region")}]},
        )
        for number, name in enumerate(("One", "Two"))
    }
    joins = {
        f"Join{name}": resource(
            "EC2::SubnetRouteTableAssociation", RouteTableId=ref("Table"), SubnetId=ref(name)
        )
        for name in subnets
    }
    return {
        "Vpc": resource(
            "EC2::VPC",
            CidrBlock=ref("Range"),
            EnableDnsSupport=True,
            EnableDnsHostnames=True,
        ),
        **subnets,
        "Table": resource("EC2::RouteTable", VpcId=ref("Vpc")),
        **joins,
        "EndpointGroup": resource(
            "EC2::SecurityGroup",
            GroupDescription="TLS to the endpoints",
            VpcId=ref("Vpc"),
            SecurityGroupIngress=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "SourceSecurityGroupId": att("WorkGroup", "GroupId"),
                }
            ],
        ),
        "WorkGroup": resource(
            "EC2::SecurityGroup",
            GroupDescription="Studio, training and hosting",
            VpcId=ref("Vpc"),
            SecurityGroupEgress=[{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}],
        ),
        "WorkWithin": resource(
            "EC2::SecurityGroupIngress",
            GroupId=ref("WorkGroup"),
            IpProtocol="-1",
            SourceSecurityGroupId=ref("WorkGroup"),
        ),
        **ends,
        "S3": resource(
            "EC2::VPCEndpoint",
            VpcEndpointType="Gateway",
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            VpcId=ref("Vpc"),
            RouteTableIds=[ref("Table")],
            PolicyDocument={
                "Fn::Sub": (
                    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",'
                    ' "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],'
                    ' "Resource": ["arn:aws:s3:::models-*/*",'
                    ' "arn:aws:s3:::prod-${AWS::Region}-starport-layer-bucket/*"]}]}'
                )
            },
        ),
        **more,
    }


PARAMETERS = {"Range": {"Type": "String", "Default": "10.2.0.0/16"}, "Team": {"Type": "String"}}


def studio() -> Templates:
    """Studio in a VPC without internet access: a network stack, and a stack of the domain."""
    outputs = {
        name: {"Value": value, "Export": {"Name": {"Fn::Sub": f"ds-{name}-${{Team}}"}}}
        for name, value in {
            "vpc": ref("Vpc"),
            "one": ref("One"),
            "two": ref("Two"),
            "group": att("WorkGroup", "GroupId"),
            "s3": ref("S3"),
        }.items()
    }

    def imported(name: str) -> dict[str, Any]:
        return {"Fn::ImportValue": {"Fn::Sub": f"ds-{name}-${{Team}}"}}

    bucket = {"Fn::Sub": "arn:aws:s3:::${Data}/*"}
    domain = {
        "Role": role("sagemaker", "sagemaker:Describe*", "logs:PutLogEvents", "sts:AssumeRole"),
        "Domain": resource(
            "SageMaker::Domain",
            AppNetworkAccessType="VpcOnly",
            AuthMode="IAM",
            VpcId=imported("vpc"),
            SubnetIds=[imported("one"), imported("two")],
            DefaultUserSettings={
                "ExecutionRole": att("Role"),
                "SecurityGroups": [imported("group")],
            },
        ),
        "Data": resource(
            "S3::Bucket",
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": "TRUE",
                "BlockPublicPolicy": "TRUE",
                "IgnorePublicAcls": "TRUE",
                "RestrictPublicBuckets": "TRUE",
            },
        ),
        "DataPolicy": resource(
            "S3::BucketPolicy",
            Bucket=ref("Data"),
            PolicyDocument=policy(
                deny(
                    ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                    [att("Data"), bucket],
                    StringNotEquals={"aws:sourceVpce": imported("s3")},
                )
            ),
        ),
        "Key": resource(
            "KMS::Key",
            KeyPolicy=policy(
                allow({"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}, "kms:*")
            ),
        ),
    }
    return {
        "domain": {"Parameters": PARAMETERS, "Resources": domain},
        "network": {"Parameters": PARAMETERS, "Resources": network(), "Outputs": outputs},
    }


def private_api() -> Templates:
    """A private REST API in front of a function of the VPC, with AWS's pair of statements."""
    anybody = "execute-api:/*"
    resources = {
        "Entrance": resource(
            "EC2::VPCEndpoint",
            VpcEndpointType="Interface",
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.execute-api"},
            VpcId=ref("Vpc"),
            PrivateDnsEnabled=True,
            SubnetIds=[ref("One")],
            SecurityGroupIds=[ref("EndpointGroup")],
        ),
        "Api": resource(
            "ApiGateway::RestApi",
            EndpointConfiguration={"Types": ["PRIVATE"], "VpcEndpointIds": [ref("Entrance")]},
            Policy=policy(
                allow("*", "execute-api:Invoke", anybody),
                deny(
                    "execute-api:Invoke",
                    anybody,
                    StringNotEquals={"aws:SourceVpce": ref("Entrance")},
                ),
            ),
        ),
        "Role": {
            **role("lambda", "sagemaker:InvokeEndpoint"),
            "DependsOn": "Vpc",
        },
        "Function": resource(
            "Lambda::Function",
            Role=att("Role"),
            VpcConfig={"SubnetIds": [ref("One")], "SecurityGroupIds": [ref("WorkGroup")]},
        ),
        "Permission": resource(
            "Lambda::Permission",
            FunctionName=ref("Function"),
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn={
                "Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/POST/"
            },
        ),
    }
    return {"api": {"Parameters": PARAMETERS, "Resources": network(**resources)}}


def fargate() -> Templates:
    """Fargate tasks without internet access, behind an internal load balancer."""
    resources = {
        "Execution": resource(
            "IAM::Role",
            AssumeRolePolicyDocument=policy(
                allow({"Service": "ecs-tasks.amazonaws.com"}, "sts:AssumeRole")
            ),
            ManagedPolicyArns=[
                "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
            ],
        ),
        "Task": resource(
            "ECS::TaskDefinition",
            NetworkMode="awsvpc",
            RequiresCompatibilities=["FARGATE"],
            ExecutionRoleArn=att("Execution"),
            ContainerDefinitions=[
                {
                    "Image": {
                        "Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/app"
                    },
                    "LogConfiguration": {"LogDriver": "awslogs"},
                }
            ],
        ),
        "Service": resource(
            "ECS::Service",
            TaskDefinition=ref("Task"),
            LaunchType="FARGATE",
            NetworkConfiguration={
                "AwsvpcConfiguration": {
                    "Subnets": [ref("One"), ref("Two")],
                    "SecurityGroups": [ref("WorkGroup")],
                    "AssignPublicIp": "DISABLED",
                }
            },
        ),
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            Scheme="internal",
            Subnets=[ref("One"), ref("Two")],
            SecurityGroups=[ref("WorkGroup")],
        ),
        "FromNetwork": resource(
            "EC2::SecurityGroupIngress",
            GroupId=ref("WorkGroup"),
            IpProtocol="tcp",
            FromPort=80,
            ToPort=80,
            CidrIp=ref("Range"),
        ),
    }
    return {"app": {"Parameters": PARAMETERS, "Resources": network(**resources)}}


@pytest.mark.parametrize("pattern", [studio, private_api, fargate])
@pytest.mark.parametrize("account", ["", "111111111111"])
def test_a_published_pattern_is_not_called_open(tmp_path: Path, pattern: Any, account: str) -> None:
    proof = proven(tmp_path, pattern(), ours=False, account=account)

    assert proof.violations == ()
    assert ("way.dns-firewall", "Vpc") in marks(proof.findings, Verdict.UNDECIDED)


@pytest.mark.parametrize("pattern", [studio, private_api, fargate])
def test_a_published_pattern_with_a_gateway_is(tmp_path: Path, pattern: Any) -> None:
    templates = pattern()
    template = next(body for body in templates.values() if "Vpc" in body["Resources"])
    template["Resources"]["Out"] = resource(
        "EC2::Route", RouteTableId=ref("Table"), DestinationCidrBlock="0.0.0.0/0", GatewayId="igw-1"
    )
    proof: Proof = proven(tmp_path, templates, ours=False)

    assert {"way.route", "way.egress"} <= {found.rule for found in proof.violations}
