"""One violating template for each rule about ways, and innocent twins."""

import json
from pathlib import Path
from typing import Any

import pytest

from proof.model import Expectations, Verdict
from proof.ways.ways import CHECKS
from tests.unit.proof.builders import (
    ACCOUNT,
    OTHER,
    REGION,
    Resources,
    allow,
    att,
    deny,
    found,
    marks,
    policy,
    proven,
    ref,
    resource,
)

VPC = resource("EC2::VPC", CidrBlock="10.0.0.0/16")
TABLE = resource("EC2::RouteTable", VpcId=ref("Vpc"))
ROUTE = {"RouteTableId": ref("Table"), "DestinationCidrBlock": "0.0.0.0/0"}
ROOT = {"AWS": f"arn:aws:iam::{OTHER}:root"}
BUCKET = resource("S3::Bucket")
BLOCKED = dict.fromkeys(
    ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
)
CODECOMMIT = f"com.amazonaws.{REGION}.secretsmanager"


def routed(**target: Any) -> Resources:
    return {"Vpc": VPC, "Table": TABLE, "X": resource("EC2::Route", **ROUTE, **target)}


def group(**rules: Any) -> Resources:
    return {"X": resource("EC2::SecurityGroup", VpcId="vpc-1", **rules)}


def opened(**peer: Any) -> Resources:
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **peer}
    return {"X": resource("EC2::SecurityGroupIngress", GroupId="sg-1", **rule)}


def trusted(*statements: dict[str, Any]) -> Resources:
    return {"X": resource("IAM::Role", AssumeRolePolicyDocument=policy(*statements))}


def endpoint(**more: Any) -> Resources:
    kind = {"VpcEndpointType": "Interface", "ServiceName": CODECOMMIT, "VpcId": "vpc-1"}
    return {"X": resource("EC2::VPCEndpoint", **{**kind, "PrivateDnsEnabled": True, **more})}


def api(*statements: dict[str, Any], **more: Any) -> Resources:
    body: dict[str, Any] = {"EndpointConfiguration": {"Types": ["PRIVATE"]}, **more}
    if statements:
        body["Policy"] = policy(*statements)
    return {"X": resource("ApiGateway::RestApi", **body)}


def machine(operation: str, **request: Any) -> Resources:
    """A state machine that makes something of SageMaker's, in a branch of a map."""
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{operation}", "Parameters": request}
    inner = {"States": {"Do": {**task, "End": True}}, "StartAt": "Do"}
    states = {"Each": {"Type": "Map", "ItemProcessor": inner, "End": True}}
    text = json.dumps({"StartAt": "Each", "States": states})
    # As the CDK writes it: references stand between the parts of a text.
    before, name, after = text.partition("MODEL")
    parts = [before, att("Model", "ModelName"), after] if name else [text]
    return {
        "X": resource("StepFunctions::StateMachine", DefinitionString={"Fn::Join": ["", parts]}),
        "Model": resource("SageMaker::Model", EnableNetworkIsolation=True),
    }


TRANSFORM = "sagemaker:createTransformJob.sync"
PLACED = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
IN_VPC = resource("SageMaker::Model", EnableNetworkIsolation=True, VpcConfig=PLACED)


def firewalled(*rules: dict[str, Any]) -> Resources:
    return {
        "X": VPC,
        "All": resource("Route53Resolver::FirewallDomainList", Domains=["*"]),
        "Some": resource("Route53Resolver::FirewallDomainList", Domains=["a.com"]),
        "Group": resource("Route53Resolver::FirewallRuleGroup", FirewallRules=list(rules)),
        "Association": resource(
            "Route53Resolver::FirewallRuleGroupAssociation",
            FirewallRuleGroupId=att("Group", "Id"),
            VpcId=ref("X"),
        ),
    }


def ruled(action: str, names: str, priority: int, **more: Any) -> dict[str, Any]:
    return {
        "Action": action,
        "FirewallDomainListId": ref(names),
        "Priority": priority,
        **more,
    }


def with_policy(kind: str, path: str, *statements: dict[str, Any]) -> Resources:
    return {"X": resource(kind, **{path: policy(*statements)})}


def guarded(**condition: Any) -> Resources:
    """A bucket whose policy denies everybody, under a condition."""
    statement = deny("s3:*", [att("X"), {"Fn::Sub": "${X.Arn}/*"}], **condition)
    return {
        "X": BUCKET,
        "Entrance": resource("EC2::VPCEndpoint", ServiceName=CODECOMMIT, VpcId="vpc-1"),
        "Policy": resource("S3::BucketPolicy", Bucket=ref("X"), PolicyDocument=policy(statement)),
    }


ELSEWHERE = {"StringNotEquals": {"aws:SourceVpce": ref("Entrance")}}
ANYBODY = allow("*", "s3:GetObject", "arn:aws:s3:::b/*")
EC2 = "EC2::"
VIOLATIONS: list[tuple[str, Resources]] = [
    ("way.internet-gateway", {"X": resource("EC2::InternetGateway")}),
    (
        "way.gateway-attachment",
        {"X": resource("EC2::VPCGatewayAttachment", VpcId="v", InternetGatewayId="igw-1")},
    ),
    ("way.egress-only-gateway", {"X": resource("EC2::EgressOnlyInternetGateway", VpcId="v")}),
    ("way.nat-gateway", {"X": resource("EC2::NatGateway", SubnetId="s")}),
    ("way.nat-gateway", {"X": resource("EC2::NatGateway", ConnectivityType="private")}),
    ("way.nat-instance", {"X": resource("EC2::Instance", SourceDestCheck=False)}),
    ("way.vpn", {"X": resource("EC2::VPNGateway", Type="ipsec.1")}),
    ("way.vpn", {"X": resource("EC2::CustomerGateway")}),
    ("way.vpn", {"X": resource("EC2::ClientVpnEndpoint")}),
    ("way.vpn", {"X": resource("EC2::VPNConnection")}),
    ("way.direct-connect", {"X": resource("DirectConnect::Connection")}),
    ("way.edge-gateway", {"X": resource("EC2::CarrierGateway")}),
    ("way.elastic-ip", {"X": resource("EC2::EIP")}),
    ("way.instance-connect", {"X": resource("EC2::InstanceConnectEndpoint")}),
    ("way.cloud-wan", {"X": resource("NetworkManager::VpcAttachment")}),
    ("way.attachment", {"X": resource("EC2::VPCPeeringConnection", PeerVpcId="vpc-2")}),
    ("way.attachment", {"X": resource("EC2::TransitGatewayAttachment", TransitGatewayId="t")}),
    ("way.public-subnet", {"X": resource("EC2::Subnet", MapPublicIpOnLaunch=True)}),
    ("way.public-subnet", {"X": resource("EC2::Subnet", MapPublicIpOnLaunch="true")}),
    ("way.ipv6", {"X": resource("EC2::Subnet", AssignIpv6AddressOnCreation=True)}),
    ("way.route", routed(GatewayId="igw-1")),
    ("way.route", routed(NatGatewayId="nat-1")),
    ("way.route", routed(TransitGatewayId="tgw-1")),
    ("way.route", routed(VpcPeeringConnectionId="pcx-1")),
    ("way.route", routed(NetworkInterfaceId="eni-1")),
    ("way.route", routed(EgressOnlyInternetGatewayId="eigw-1")),
    (
        "way.acl",
        {
            **routed(GatewayId="igw-1"),
            "Acl": resource("EC2::NetworkAcl", VpcId=ref("Vpc")),
            "X": resource(
                "EC2::NetworkAclEntry",
                NetworkAclId=ref("Acl"),
                CidrBlock="0.0.0.0/0",
                RuleAction="allow",
            ),
            "Out": resource("EC2::Route", **ROUTE, GatewayId="igw-1"),
        },
    ),
    ("way.ingress", opened(CidrIp="0.0.0.0/0")),
    ("way.ingress", opened(CidrIpv6="::/0")),
    ("way.ingress", opened(CidrIp="52.0.0.0/8")),
    ("way.ingress", opened(CidrIp="10.0.0.0/7")),
    ("way.ingress", group(SecurityGroupIngress=[{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}])),
    ("way.ingress", group(SecurityGroupIngress={"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"})),
    ("way.egress", group(SecurityGroupEgress=[{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}])),
    ("way.egress", group()),
    (
        "way.egress",
        {"X": resource("EC2::SecurityGroupEgress", GroupId="g", IpProtocol="-1", CidrIpv6="::/0")},
    ),
    (
        "way.foreign-group",
        opened(SourceSecurityGroupId="sg-2", SourceSecurityGroupOwnerId=OTHER),
    ),
    ("way.whole-network", opened(CidrIp="10.0.0.0/8")),
    ("way.whole-network", {"Vpc": VPC, **opened(CidrIp="10.0.0.0/16")}),
    ("way.shared", {"X": resource("RAM::ResourceShare", Principals=[OTHER])}),
    ("way.dns-firewall", {"X": VPC}),
    ("way.dns-firewall", firewalled(ruled("BLOCK", "Some", 1))),
    ("way.dns-firewall", firewalled(ruled("ALLOW", "All", 1), ruled("BLOCK", "All", 2))),
    ("way.dns-firewall", firewalled(ruled("BLOCK", "All", 1, Qtype="TXT"))),
    ("way.dns-forwarding", {"X": resource("Route53Resolver::ResolverEndpoint")}),
    ("way.dns-forwarding", {"X": resource("Route53Resolver::ResolverRule", RuleType="FORWARD")}),
    ("way.public-zone", {"X": resource("Route53::HostedZone", Name="a.com")}),
    (
        "way.default-group",
        {
            "X": VPC,
            "F": resource(
                "Lambda::Function",
                VpcConfig={
                    "SubnetIds": ["s"],
                    "SecurityGroupIds": [att("X", "DefaultSecurityGroup")],
                },
            ),
        },
    ),
    ("way.balancer", {"X": resource("ElasticLoadBalancingV2::LoadBalancer")}),
    (
        "way.balancer",
        {"X": resource("ElasticLoadBalancingV2::LoadBalancer", Scheme="internet-facing")},
    ),
    ("way.balancer", {"X": resource("ElasticLoadBalancing::LoadBalancer")}),
    ("way.notebook", {"X": resource("SageMaker::NotebookInstance", SubnetId="s")}),
    (
        "way.notebook-subnet",
        {"X": resource("SageMaker::NotebookInstance", DirectInternetAccess="Disabled")},
    ),
    ("way.studio", {"X": resource("SageMaker::Domain")}),
    ("way.model-network", {"X": resource("SageMaker::Model", EnableNetworkIsolation=True)}),
    ("way.model-isolation", {"X": resource("SageMaker::Model", VpcConfig={"Subnets": ["s"]})}),
    ("way.monitor-network", {"X": resource("SageMaker::DataQualityJobDefinition")}),
    (
        "way.monitor-isolation",
        {
            "X": resource(
                "SageMaker::ModelQualityJobDefinition", NetworkConfig={"VpcConfig": PLACED}
            )
        },
    ),
    ("way.job-network", machine(TRANSFORM, ModelName="MODEL")),
    ("way.job-network", machine("sagemaker:createTrainingJob.sync", RoleArn="r")),
    ("way.job-network", machine("aws-sdk:sagemaker:createProcessingJob", NetworkConfig={})),
    ("way.job-network", machine("sagemaker:createModel", PrimaryContainer={})),
    (
        "way.job-network",
        {
            "X": resource("SageMaker::TransformJob", ModelName=att("Model", "ModelName")),
            "Model": resource("SageMaker::Model"),
        },
    ),
    ("way.job-network", {"X": resource("SageMaker::ProcessingJob", RoleArn="r")}),
    (
        "way.job-network",
        {
            "X": resource(
                "SageMaker::MonitoringSchedule",
                MonitoringScheduleConfig={"MonitoringJobDefinition": {"RoleArn": "r"}},
            )
        },
    ),
    ("way.function", {"X": resource("Lambda::Function")}),
    ("way.function", {"X": resource("Lambda::Function", VpcConfig={"SubnetIds": []})}),
    ("way.function-url", {"X": resource("Lambda::Url", AuthType="NONE")}),
    ("way.function-url", {"X": resource("Lambda::Url", AuthType="AWS_IAM")}),
    ("way.task-network", {"X": resource("ECS::TaskDefinition")}),
    (
        "way.service-address",
        {
            "X": resource(
                "ECS::Service",
                NetworkConfiguration={"AwsvpcConfiguration": {"AssignPublicIp": "ENABLED"}},
            )
        },
    ),
    (
        "way.scheduled-task",
        {
            "X": resource(
                "Events::Rule",
                Targets=[
                    {
                        "EcsParameters": {
                            "NetworkConfiguration": {
                                "AwsVpcConfiguration": {"AssignPublicIp": "ENABLED"}
                            }
                        }
                    }
                ],
            )
        },
    ),
    (
        "way.public-address",
        {
            "X": resource(
                "EC2::LaunchTemplate",
                LaunchTemplateData={"NetworkInterfaces": [{"AssociatePublicIpAddress": True}]},
            )
        },
    ),
    (
        "way.public-address",
        {"X": resource("EC2::Instance", NetworkInterfaces=[{"AssociatePublicIpAddress": "true"}])},
    ),
    ("way.public-address", {"X": resource("EC2::Instance")}),
    (
        "way.foreign-target",
        {
            "X": resource(
                "Logs::SubscriptionFilter", DestinationArn=f"arn:aws:logs:{REGION}:{OTHER}:d:x"
            )
        },
    ),
    ("way.private-service", endpoint(ServiceName="com.amazonaws.vpce.eu-west-1.vpce-svc-1")),
    ("way.build", {"X": resource("CodeBuild::Project")}),
    ("way.build-public", {"X": resource("CodeBuild::Project", Visibility="PUBLIC_READ")}),
    ("way.glue-job", {"X": resource("Glue::Job")}),
    ("way.glue-connection", {"X": resource("Glue::Connection", ConnectionInput={})}),
    ("way.cluster-api", {"X": resource("EKS::Cluster", ResourcesVpcConfig={})}),
    ("way.public-database", {"X": resource("RDS::DBInstance", PubliclyAccessible=True)}),
    ("way.public-database", {"X": resource("RDS::DBInstance")}),
    ("way.public-database", {"X": resource("RDS::DBCluster", PubliclyAccessible="true")}),
    ("way.database", {"X": resource("Redshift::Cluster", PubliclyAccessible=True)}),
    ("way.replication", {"X": resource("DMS::ReplicationInstance")}),
    ("way.cluster-network", {"X": resource("Neptune::DBCluster")}),
    ("way.cache", {"X": resource("ElastiCache::CacheCluster")}),
    ("way.search", {"X": resource("OpenSearchService::Domain")}),
    ("way.search", {"X": resource("Elasticsearch::Domain")}),
    (
        "way.stream",
        {
            "X": resource(
                "MSK::Cluster",
                BrokerNodeGroupInfo={
                    "ConnectivityInfo": {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}
                },
            )
        },
    ),
    ("way.broker", {"X": resource("AmazonMQ::Broker")}),
    ("way.airflow", {"X": resource("MWAA::Environment", WebserverAccessMode="PUBLIC_ONLY")}),
    ("way.app-runner-in", {"X": resource("AppRunner::Service")}),
    ("way.app-runner-out", {"X": resource("AppRunner::Service")}),
    ("way.graph-api", {"X": resource("AppSync::GraphQLApi")}),
    ("way.transfer", {"X": resource("Transfer::Server")}),
    ("way.endpoint-service", {"X": resource("EC2::VPCEndpointService", AcceptanceRequired=False)}),
    (
        "way.endpoint-service-principals",
        {"X": resource("EC2::VPCEndpointServicePermissions", AllowedPrincipals=["*"])},
    ),
    (
        "way.endpoint-service-principals",
        {
            "X": resource(
                "EC2::VPCEndpointServicePermissions",
                AllowedPrincipals=[f"arn:aws:iam::{OTHER}:root"],
            )
        },
    ),
    ("way.private-dns", endpoint(PrivateDnsEnabled=False)),
    ("way.endpoint-policy", endpoint()),
    ("way.endpoint-policy", endpoint(PolicyDocument=policy(allow("*", "*")))),
    (
        "way.endpoint-policy",
        endpoint(
            PolicyDocument=policy(
                allow("*", "s3:PutObject", StringEquals={"aws:PrincipalAccount": ACCOUNT})
            )
        ),
    ),
    (
        "way.endpoint-policy",
        endpoint(
            PolicyDocument=policy(
                allow("*", "s3:PutObject", StringEquals={"aws:ResourceAccount": ACCOUNT})
            )
        ),
    ),
    ("way.image-public", {"X": resource("ECR::PublicRepository")}),
    ("way.cdn", {"X": resource("CloudFront::Distribution")}),
    ("way.accelerator", {"X": resource("GlobalAccelerator::Accelerator")}),
    ("way.http-api", {"X": resource("ApiGatewayV2::Api")}),
    ("way.api-domain", {"X": resource("ApiGateway::DomainName")}),
    ("way.sign-in", {"X": resource("Cognito::UserPool")}),
    ("way.outbound-call", {"X": resource("Events::ApiDestination")}),
    ("way.subscription", {"X": resource("SNS::Subscription", Protocol="https", Endpoint="u")}),
    ("way.subscription", {"X": resource("SNS::Topic", Subscription=[{"Protocol": "email"}])}),
    (
        "way.delivery-stream",
        {
            "X": resource(
                "KinesisFirehose::DeliveryStream", HttpEndpointDestinationConfiguration={"Url": "u"}
            )
        },
    ),
    ("way.rest-api", {"X": resource("ApiGateway::RestApi")}),
    ("way.rest-api", api(EndpointConfiguration={"Types": ["REGIONAL"]})),
    ("way.rest-api", api()),
    ("way.rest-api", api(allow("*", "execute-api:Invoke"))),
    (
        "way.rest-api",
        api(allow("*", "execute-api:Invoke", StringEqualsIfExists={"aws:SourceVpce": "vpce-1"})),
    ),
    ("way.rest-api", api(allow("*", "execute-api:Invoke", StringLike={"aws:SourceVpce": "*"}))),
    ("way.public-bucket", {"X": BUCKET}),
    ("way.public-bucket", {"X": resource("S3::Bucket", AccessControl="PublicRead")}),
    ("way.public-bucket", {"X": resource("S3::Bucket", WebsiteConfiguration={})}),
    (
        "way.public-bucket",
        {
            "X": resource(
                "S3::Bucket",
                PublicAccessBlockConfiguration={**BLOCKED, "RestrictPublicBuckets": False},
            )
        },
    ),
    ("way.presigned-url", {"X": BUCKET}),
    ("way.presigned-url", guarded(Bool={"aws:SecureTransport": "false"})),
    ("way.presigned-url", guarded(StringNotEquals={"aws:PrincipalAccount": ACCOUNT})),
    (
        "way.presigned-url",
        guarded(
            StringNotEquals={
                "aws:SourceVpce": ref("Entrance"),
                "aws:PrincipalAccount": ACCOUNT,
            }
        ),
    ),
    ("way.presigned-url", guarded(StringEquals={"aws:SourceVpce": ref("Entrance")})),
    (
        # A denial that spares services closes nothing to a service in anybody's name.
        "way.confused-deputy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            allow({"Service": "logging.s3.amazonaws.com"}, "s3:PutObject"),
            deny(
                "s3:*",
                StringNotEquals={"aws:PrincipalAccount": ACCOUNT},
                BoolIfExists={"aws:PrincipalIsAWSService": "false"},
            ),
        ),
    ),
    ("way.stolen-credential", {"X": resource("SecretsManager::Secret")}),
    ("way.stolen-credential", {"X": resource("ECR::Repository")}),
    ("way.stolen-credential", with_policy("KMS::Key", "KeyPolicy", allow(ROOT, "kms:*"))),
    (
        "way.stolen-credential",
        with_policy("KMS::Key", "KeyPolicy", deny("kms:*", Null={"kms:ViaService": "false"})),
    ),
    (
        "way.stolen-credential",
        {
            "X": resource("SecretsManager::Secret"),
            "Policy": resource(
                "SecretsManager::ResourcePolicy",
                SecretId=ref("X"),
                ResourcePolicy=policy(deny("secretsmanager:PutSecretValue", **ELSEWHERE)),
            ),
        },
    ),
    (
        "way.shared-snapshot",
        {"X": resource("EC2::SnapshotBlockPublicAccess", State="unblocked")},
    ),
    ("way.resource-policy", with_policy("S3::BucketPolicy", "PolicyDocument", ANYBODY)),
    (
        "way.resource-policy",
        with_policy("S3::BucketPolicy", "PolicyDocument", allow(ROOT, "s3:*")),
    ),
    (
        "way.resource-policy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            {**ANYBODY, "Condition": {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}}},
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            {**ANYBODY, "Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/a"}}},
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            {**ANYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "52.0.0.0/8"}}},
        ),
    ),
    (
        "way.resource-policy",
        {
            "X": resource(
                "S3::BucketPolicy",
                PolicyDocument=policy(
                    {"Effect": "Allow", "NotPrincipal": ROOT, "Action": "s3:*", "Resource": "*"}
                ),
            )
        },
    ),
    (
        "way.resource-policy",
        {
            "X": resource(
                "S3::BucketPolicy",
                PolicyDocument=policy(
                    {
                        "Effect": "Allow",
                        "NotPrincipal": {"AWS": ACCOUNT},
                        "Action": "s3:*",
                        "Resource": "*",
                    }
                ),
            )
        },
    ),
    (
        "way.resource-policy",
        with_policy(
            "SQS::QueuePolicy",
            "PolicyDocument",
            allow("*", "sqs:*", StringLike={"aws:PrincipalAccount": "*"}),
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "SQS::QueuePolicy",
            "PolicyDocument",
            allow("*", "sqs:*"),
            deny("sqs:*", Bool={"aws:SecureTransport": "false"}),
        ),
    ),
    ("way.resource-policy", with_policy("KMS::Key", "KeyPolicy", allow(ROOT, "kms:Decrypt"))),
    (
        "way.resource-policy",
        with_policy("SQS::QueuePolicy", "PolicyDocument", allow("*", "sqs:SendMessage")),
    ),
    (
        "way.resource-policy",
        with_policy("SNS::TopicPolicy", "PolicyDocument", allow(ROOT, "sns:Publish")),
    ),
    (
        "way.resource-policy",
        with_policy("ECR::Repository", "RepositoryPolicyText", allow(ROOT, "ecr:BatchGetImage")),
    ),
    (
        "way.resource-policy",
        with_policy(
            "SecretsManager::ResourcePolicy",
            "ResourcePolicy",
            allow({"AWS": OTHER}, "secretsmanager:GetSecretValue"),
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "EFS::FileSystem", "FileSystemPolicy", allow("*", "elasticfilesystem:ClientMount")
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "Backup::BackupVault", "AccessPolicy", allow("*", "backup:CopyIntoBackupVault")
        ),
    ),
    (
        "way.resource-policy",
        with_policy("OpenSearchService::Domain", "AccessPolicies", allow("*", "es:*")),
    ),
    (
        "way.resource-policy",
        with_policy(
            "CodeArtifact::Domain", "PermissionsPolicyDocument", allow(ROOT, "codeartifact:*")
        ),
    ),
    ("way.resource-policy", {"X": resource("Events::EventBusPolicy", Principal="*")}),
    ("way.resource-policy", {"X": resource("Lambda::Permission", Principal="*")}),
    ("way.resource-policy", {"X": resource("Lambda::Permission", Principal=OTHER)}),
    (
        "way.resource-policy",
        {"X": resource("Lambda::LayerVersionPermission", Principal="*", Action="lambda:Get")},
    ),
    (
        "way.confused-deputy",
        {"X": resource("Lambda::Permission", Principal="s3.amazonaws.com")},
    ),
    (
        "way.confused-deputy",
        with_policy(
            "SNS::TopicPolicy",
            "PolicyDocument",
            allow({"Service": "events.amazonaws.com"}, "sns:Publish"),
        ),
    ),
    ("way.trust", trusted(allow(ROOT, "sts:AssumeRole"))),
    ("way.trust", trusted(allow("*", "sts:AssumeRole"))),
    (
        "way.trust",
        trusted(allow(ROOT, "sts:AssumeRole", StringEquals={"sts:ExternalId": "secret"})),
    ),
    (
        "way.trust",
        trusted(
            allow({"Federated": "token.actions.githubusercontent.com"}, "sts:AssumeRoleWithWebId")
        ),
    ),
]


@pytest.mark.parametrize(
    ("rule", "resources"),
    VIOLATIONS,
    ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(VIOLATIONS)],
)
def test_a_violating_template_is_caught(tmp_path: Path, rule: str, resources: Resources) -> None:
    findings = found(tmp_path, resources)
    caught = [finding for finding in findings if (finding.rule, finding.logical_id) == (rule, "X")]

    assert caught
    assert any(finding.verdict is Verdict.VIOLATION for finding in caught)
    assert all(finding.mend and finding.path[0] == "T.X" for finding in caught)
    assert all(finding.says.endswith(".") for finding in findings)


def test_every_rule_has_a_violating_template() -> None:
    no_violation = {
        "way.unseen",
        "way.unseen-network",
        "way.known-range",
        "way.plain-listener",
        "way.managed-mlflow",
    }

    assert {check.id for check in CHECKS} - no_violation == {rule for rule, _ in VIOLATIONS}
    assert len(VIOLATIONS) >= 60


PRIVATE = {"EndpointConfiguration": {"Types": ["PRIVATE"]}}
VPCE = {"Entrance": resource("EC2::VPCEndpoint", ServiceName=CODECOMMIT, VpcId="vpc-1")}
INVOKE = "execute-api:Invoke"
INNOCENT: list[tuple[str, Resources]] = [
    ("way.public-address", {"X": resource("EC2::Instance", SubnetId="s")}),
    (
        "way.foreign-target",
        {
            "X": resource(
                "Logs::SubscriptionFilter", DestinationArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:d:x"
            )
        },
    ),
    (
        "way.private-service",
        {
            "Service": resource("EC2::VPCEndpointService"),
            **endpoint(
                ServiceName={"Fn::Sub": "com.amazonaws.vpce.${AWS::Region}.${Service.ServiceId}"}
            ),
        },
    ),
    ("way.route", routed(GatewayId="local")),
    ("way.ingress", opened(CidrIp="10.1.2.0/24")),
    ("way.ingress", opened(SourceSecurityGroupId="sg-2")),
    (
        "way.ingress",
        {"Vpc": resource("EC2::VPC", CidrBlock="52.0.0.0/16"), **opened(CidrIp="52.0.1.0/24")},
    ),
    ("way.egress", group(SecurityGroupEgress=[{"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}])),
    (
        "way.egress",
        group(SecurityGroupEgress=[{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp"}]),
    ),
    (
        "way.egress",
        {
            **group(),
            "Out": resource(
                "EC2::SecurityGroupEgress", GroupId=att("X", "GroupId"), CidrIp="10.0.0.0/24"
            ),
        },
    ),
    (
        "way.acl",
        {"X": resource("EC2::NetworkAclEntry", CidrBlock="0.0.0.0/0", RuleAction="allow")},
    ),
    ("way.dns-firewall", firewalled(ruled("ALLOW", "Some", 1), ruled("BLOCK", "All", 9))),
    ("way.dns-firewall", {"X": resource("EC2::VPC", EnableDnsSupport=False)}),
    ("way.balancer", {"X": resource("ElasticLoadBalancingV2::LoadBalancer", Scheme="internal")}),
    ("way.public-zone", {"X": resource("Route53::HostedZone", VPCs=[{"VPCId": "v"}])}),
    ("way.private-dns", endpoint(VpcEndpointType="Gateway", PrivateDnsEnabled=False)),
    (
        "way.private-dns",
        endpoint(ServiceName="com.amazonaws.vpce.eu-west-1.vpce-svc-1", PrivateDnsEnabled=False),
    ),
    (
        "way.endpoint-policy",
        endpoint(
            PolicyDocument=policy(
                allow(
                    "*",
                    "secretsmanager:GetSecretValue",
                    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*",
                    StringEquals={"aws:PrincipalAccount": ACCOUNT},
                )
            )
        ),
    ),
    (
        "way.endpoint-policy",
        endpoint(
            PolicyDocument=policy(
                allow("*", "*"),
                deny("*", StringNotEquals={"aws:PrincipalAccount": ACCOUNT}),
                deny("*", StringNotEquals={"aws:ResourceAccount": ACCOUNT}),
            )
        ),
    ),
    (
        "way.endpoint-policy",
        endpoint(
            PolicyDocument=policy(
                allow("*", "s3:GetObject", "arn:aws:s3:::prod-eu-west-1-starport-layer-bucket/*")
            )
        ),
    ),
    (
        "way.rest-api",
        {
            **VPCE,
            **api(allow("*", INVOKE, StringEquals={"aws:SourceVpce": ref("Entrance")})),
        },
    ),
    (
        "way.rest-api",
        {
            **VPCE,
            **api(
                allow("*", INVOKE, "execute-api:/*"),
                deny(INVOKE, "execute-api:/*", StringNotEquals={"aws:SourceVpce": ref("Entrance")}),
            ),
        },
    ),
    ("way.rest-api", api(allow({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, INVOKE))),
    ("way.public-bucket", {"X": resource("S3::Bucket", PublicAccessBlockConfiguration=BLOCKED)}),
    ("way.presigned-url", guarded(StringNotEquals={"aws:SourceVpce": ref("Entrance")})),
    (
        "way.presigned-url",
        guarded(
            StringNotEqualsIfExists={"aws:SourceVpce": ref("Entrance")},
            ArnNotLike={"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/deploy"},
            BoolIfExists={"aws:ViaAWSService": "false"},
        ),
    ),
    (
        "way.stolen-credential",
        with_policy("KMS::Key", "KeyPolicy", deny("kms:*", Null={"kms:ViaService": "true"})),
    ),
    (
        "way.stolen-credential",
        {
            **with_policy(
                "ECR::Repository", "RepositoryPolicyText", deny("ecr:BatchGetImage", **ELSEWHERE)
            ),
            "Entrance": resource("EC2::VPCEndpoint", ServiceName=CODECOMMIT, VpcId="vpc-1"),
        },
    ),
    (
        "way.stolen-credential",
        {
            "X": resource("SecretsManager::Secret"),
            "Entrance": resource("EC2::VPCEndpoint", ServiceName=CODECOMMIT, VpcId="vpc-1"),
            "Policy": resource(
                "SecretsManager::ResourcePolicy",
                SecretId=ref("X"),
                ResourcePolicy=policy(deny("secretsmanager:*", **ELSEWHERE)),
            ),
        },
    ),
    (
        "way.public-database",
        {"X": resource("RDS::DBInstance", PubliclyAccessible=False, DBSubnetGroupName="g")},
    ),
    (
        "way.resource-policy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            {**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT]}}},
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            {
                **ANYBODY,
                "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}},
            },
        ),
    ),
    (
        "way.resource-policy",
        {
            "Role": resource("IAM::Role", AssumeRolePolicyDocument=policy()),
            "X": resource("KMS::Key", KeyPolicy=policy(allow({"AWS": att("Role")}, "kms:Decrypt"))),
        },
    ),
    (
        "way.resource-policy",
        with_policy(
            "KMS::Key",
            "KeyPolicy",
            allow(
                {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}, "kms:*"
            ),
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "S3::BucketPolicy",
            "PolicyDocument",
            allow({"AWS": "arn:aws:iam::127311923021:root"}, "s3:PutObject"),
        ),
    ),
    (
        "way.resource-policy",
        with_policy(
            "EFS::FileSystem",
            "FileSystemPolicy",
            allow(
                "*",
                "elasticfilesystem:ClientMount",
                Bool={"elasticfilesystem:AccessedViaMountTarget": "true"},
            ),
        ),
    ),
    (
        "way.confused-deputy",
        with_policy(
            "KMS::Key",
            "KeyPolicy",
            allow(
                {"Service": "logs.eu-west-1.amazonaws.com"},
                "kms:Decrypt",
                ArnLike={
                    "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:*"
                },
            ),
        ),
    ),
    ("way.job-network", {**machine(TRANSFORM, ModelName="MODEL"), "Model": IN_VPC}),
    ("way.job-network", machine("sagemaker:createTrainingJob.sync", VpcConfig=PLACED)),
    (
        "way.job-network",
        machine("sagemaker:createProcessingJob.sync", NetworkConfig={"VpcConfig": PLACED}),
    ),
    ("way.job-network", machine("lambda:invoke", FunctionName="f")),
    (
        "way.job-network",
        {
            "X": resource(
                "SageMaker::MonitoringSchedule",
                MonitoringScheduleConfig={"MonitoringJobDefinitionName": "d"},
            )
        },
    ),
    (
        "way.confused-deputy",
        {
            "X": resource(
                "Lambda::Permission",
                Principal="events.amazonaws.com",
                SourceArn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r",
            )
        },
    ),
    ("way.trust", trusted(allow({"Service": "ec2.amazonaws.com"}, "sts:AssumeRole"))),
    ("way.trust", trusted(allow({"AWS": ACCOUNT}, "sts:AssumeRole"))),
    (
        "way.trust",
        trusted(
            allow(
                {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com"},
                "sts:AssumeRoleWithWebIdentity",
                StringLike={"token.example.com:sub": "repo:owner/name:*"},
            )
        ),
    ),
    ("way.shared", {"X": resource("RAM::ResourceShare", Principals=[ACCOUNT])}),
]


@pytest.mark.parametrize(
    ("rule", "resources"),
    INNOCENT,
    ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(INNOCENT)],
)
def test_an_innocent_twin_is_not(tmp_path: Path, rule: str, resources: Resources) -> None:
    assert not [
        finding
        for finding in found(tmp_path, resources)
        if (finding.rule, finding.logical_id) == (rule, "X")
    ]


UNKNOWN = {"Type": "String"}
UNDECIDED: list[tuple[str, Resources]] = [
    (
        "way.unseen-network",
        {"X": resource("EC2::SecurityGroup", GroupDescription="Tasks", VpcId="vpc-9")},
    ),
    ("way.ingress", opened(CidrIp=ref("Given"))),
    ("way.balancer", {"X": resource("ElasticLoadBalancingV2::LoadBalancer", Scheme=ref("Given"))}),
    ("way.public-subnet", {"X": resource("EC2::Subnet", MapPublicIpOnLaunch=ref("Given"))}),
    ("way.function", {"X": resource("Lambda::Function", VpcConfig=ref("Given"))}),
    (
        "way.public-database",
        {"X": resource("RDS::DBInstance", PubliclyAccessible=ref("Given"))},
    ),
    (
        "way.resource-policy",
        with_policy("KMS::Key", "KeyPolicy", allow({"AWS": ref("Given")}, "kms:*")),
    ),
    ("way.rest-api", api(allow("*", INVOKE, StringEquals={"aws:SourceVpce": ref("Given")}))),
    ("way.endpoint-policy", endpoint(PolicyDocument=ref("Given"))),
    ("way.trust", trusted(allow({"AWS": ref("Given")}, "sts:AssumeRole"))),
    ("way.known-range", {"X": resource("EC2::VPC", CidrBlock=ref("Given"))}),
    ("way.default-group", {"X": VPC}),
    ("way.unseen", {"X": resource("CloudFormation::Stack", TemplateURL="https://elsewhere")}),
    ("way.unknown-type", {"X": {"Type": "Custom::Opener", "Properties": {}}}),
    ("way.unknown-type", {"X": resource("CloudFormation::CustomResource")}),
    ("way.unknown-type", {"X": {"Type": "Vendor::Network::Tunnel"}}),
    ("way.unknown-type", {"X": resource("Lightsail::Instance")}),
    ("way.route", routed(VpcEndpointId="vpce-1")),
    ("way.job-network", machine(TRANSFORM, ModelName="elsewhere")),
    ("way.job-network", machine(TRANSFORM, **{"ModelName.$": "$.model"})),
    ("way.job-network", machine("sagemaker:createTrainingJob", **{"VpcConfig.$": "$.vpc"})),
    ("way.job-network", {"X": resource("StepFunctions::StateMachine", DefinitionS3Location={})}),
    (
        "way.job-network",
        {"X": resource("StepFunctions::StateMachine", DefinitionString=ref("Given"))},
    ),
    ("way.managed-mlflow", {"X": resource("SageMaker::MlflowApp", Name="mlflow")}),
    ("way.managed-mlflow", {"X": resource("SageMaker::MlflowTrackingServer")}),
]


@pytest.mark.parametrize(
    ("rule", "resources"),
    UNDECIDED,
    ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(UNDECIDED)],
)
@pytest.mark.parametrize("ours", [True, False])
def test_what_is_unknown_is_undecided(
    tmp_path: Path, rule: str, resources: Resources, ours: bool
) -> None:
    template = {"Parameters": {"Given": UNKNOWN}, "Resources": resources}
    findings = proven(tmp_path, {"T": template}, ours=ours).findings

    assert (rule, "X") in marks(findings, Verdict.UNDECIDED)
    assert (rule, "X") not in marks(findings, Verdict.VIOLATION)


def test_without_an_account_nobody_can_tell_whose_an_account_is(tmp_path: Path) -> None:
    resources = trusted(allow(ROOT, "sts:AssumeRole"))
    findings = found(tmp_path, resources, ours=False, account="")

    assert ("way.trust", "X") in marks(findings, Verdict.UNDECIDED)


def test_safeguards_are_asked_of_nobody_who_does_not_claim_them(tmp_path: Path) -> None:
    resources = {"Vpc": VPC, **endpoint(), "Bucket": BUCKET, "Group": group()["X"]}
    findings = found(tmp_path, resources, ours=False)

    assert not marks(findings, Verdict.VIOLATION)
    assert ("way.endpoint-policy", "X") in marks(findings, Verdict.UNDECIDED)


def test_an_outbound_rule_to_anywhere_is_held_by_routes_that_are_seen(tmp_path: Path) -> None:
    rules = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]
    resources = {
        "Vpc": VPC,
        "X": resource("EC2::SecurityGroup", VpcId=ref("Vpc"), SecurityGroupEgress=rules),
    }
    closed = found(tmp_path / "closed", resources, ours=False)
    opened_up = found(
        tmp_path / "open",
        {**resources, "Table": TABLE, "Out": resource("EC2::Route", **ROUTE, GatewayId="igw")},
        ours=False,
    )

    assert ("way.egress", "X") in marks(closed, Verdict.UNDECIDED)
    assert ("way.egress", "X") in marks(opened_up, Verdict.VIOLATION)


NAMED = Expectations(
    attachments=frozenset({"tgw-1"}), accounts=frozenset({OTHER}), organization="o-1"
)


@pytest.mark.parametrize(
    ("rule", "resources"),
    [
        ("way.route", routed(TransitGatewayId="tgw-1")),
        (
            "way.attachment",
            {"X": resource("EC2::TransitGatewayAttachment", TransitGatewayId="tgw-1")},
        ),
        ("way.trust", trusted(allow(ROOT, "sts:AssumeRole"))),
        (
            "way.resource-policy",
            with_policy(
                "SQS::QueuePolicy",
                "PolicyDocument",
                allow("*", "sqs:*", StringEquals={"aws:PrincipalOrgID": "o-1"}),
            ),
        ),
    ],
)
def test_what_is_named_on_purpose_is_expected(
    tmp_path: Path, rule: str, resources: Resources
) -> None:
    assert (rule, "X") in marks(
        found(tmp_path / "unnamed", resources, expectations=Expectations(organization="o-2"))
    )
    assert (rule, "X") not in marks(found(tmp_path / "named", resources, expectations=NAMED))


def test_a_policy_that_passes_everything_is_one_finding(tmp_path: Path) -> None:
    findings = found(tmp_path, endpoint(PolicyDocument=policy(allow("*", "*"))))

    assert len([finding for finding in findings if finding.rule == "way.endpoint-policy"]) == 1


def test_a_macro_hides_resources(tmp_path: Path) -> None:
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Vpc": VPC}}
    findings = proven(tmp_path, {"T": template}).findings

    assert ("way.macro", "Transform") in marks(findings, Verdict.UNDECIDED)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("protocol", "warned"), [("TCP", True), ("HTTP", True), ("TLS", False)])
def test_a_listener_without_tls_is_a_warning(
    tmp_path: Path, protocol: str, warned: bool, ours: bool
) -> None:
    resources = {"X": resource("ElasticLoadBalancingV2::Listener", Port=5000, Protocol=protocol)}
    proof = proven(tmp_path, {"T": {"Resources": resources}}, ours=ours)

    assert marks(proof.warnings) == ({("way.plain-listener", "X")} if warned else set())
    assert proof.findings == proof.warnings
