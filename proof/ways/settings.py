"""Ways that one property opens: a table of settings, and what they have to be."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proof.model import Question
from proof.reach.components import is_private_service
from proof.system.system import System, View
from proof.system.values import Unknown, is_unknown, named
from proof.ways.checks import Register, Sight, broken, lacking, unsure

RULES = Register(Question.WAYS)

PRESENT = object()
"""Any value will do, as long as there is one."""


@dataclass(frozen=True)
class Setting:
    """A property that has to have one of some values.

    Parameters
    ----------
    id
        Id of the rule.
    types
        Types of resources that have it.
    path
        Dotted path of the property.
    closed
        The values that are closed, as lower-case text; or ``PRESENT``.
    default
        What AWS takes where it is absent, as text.
    says, found, mend
        What holds, what is found otherwise, and what to do.
    safeguard
        Whether it is a safeguard that AWS's published private networks lack.
    unless
        Properties that make the setting pointless, such as a service's other mode.
    """

    id: str
    types: tuple[str, ...]
    path: str
    closed: Any
    default: str
    says: str
    found: str
    mend: str
    safeguard: bool = False
    unless: tuple[tuple[str, str], ...] = field(default=())


def _judge(setting: Setting, view: View, system: System) -> Iterator[Sight]:
    if any(str(view.get(path, "")) == text for path, text in setting.unless):
        return
    value = view.get(setting.path)
    if isinstance(value, Unknown):
        yield unsure(f"{setting.path} is unknown: {value.why}.")
        return
    if setting.closed is PRESENT:
        if value in (None, [], {}, ""):
            yield (lacking if setting.safeguard else broken)(setting.found)
        return
    texts = (
        [str(item).lower() for item in (value if isinstance(value, list) else [value])]
        if value is not None
        else [setting.default.lower()]
    )
    if all(text in setting.closed for text in texts):
        return
    if any(is_unknown(text) or "${" in text for text in texts):
        yield unsure(f"{setting.path} is {named(value)}.")
        return
    yield (lacking if setting.safeguard else broken)(setting.found)


SETTINGS = (
    Setting(
        "way.public-subnet",
        ("AWS::EC2::Subnet",),
        "MapPublicIpOnLaunch",
        ("false",),
        "false",
        "No subnet gives out public addresses.",
        "The subnet gives a public address to whatever starts in it.",
        "Set MapPublicIpOnLaunch to false.",
    ),
    Setting(
        "way.nat-instance",
        ("AWS::EC2::Instance", "AWS::EC2::NetworkInterface"),
        "SourceDestCheck",
        ("true",),
        "true",
        "No instance passes on what is not its own.",
        "The source and destination check is off, as on a NAT instance.",
        "Remove the instance, or set SourceDestCheck to true.",
    ),
    Setting(
        "way.balancer",
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancing::LoadBalancer"),
        "Scheme",
        ("internal",),
        "internet-facing",
        "Every load balancer is internal.",
        "The load balancer faces the internet, as it does unless its Scheme is internal.",
        "Set Scheme to internal.",
    ),
    Setting(
        "way.notebook",
        ("AWS::SageMaker::NotebookInstance",),
        "DirectInternetAccess",
        ("disabled",),
        "enabled",
        "No notebook has an internet connection of its own.",
        "The notebook has an internet connection of its own, as it has by default.",
        "Set DirectInternetAccess to Disabled, and give it a subnet.",
    ),
    Setting(
        "way.notebook-subnet",
        ("AWS::SageMaker::NotebookInstance",),
        "SubnetId",
        PRESENT,
        "",
        "Every notebook stands in the VPC.",
        "The notebook stands in no subnet.",
        "Give it a SubnetId.",
    ),
    Setting(
        "way.studio",
        ("AWS::SageMaker::Domain",),
        "AppNetworkAccessType",
        ("vpconly",),
        "publicinternetonly",
        "Every SageMaker domain is VpcOnly.",
        "The domain's applications reach the internet, as they do by default.",
        "Set AppNetworkAccessType to VpcOnly.",
    ),
    Setting(
        "way.model-network",
        ("AWS::SageMaker::Model",),
        "VpcConfig",
        PRESENT,
        "",
        "Every model stands in the VPC.",
        "The model's containers stand in a network of AWS that reaches the internet.",
        "Give it a VpcConfig.",
    ),
    Setting(
        "way.monitor-network",
        (
            "AWS::SageMaker::DataQualityJobDefinition",
            "AWS::SageMaker::ModelQualityJobDefinition",
            "AWS::SageMaker::ModelBiasJobDefinition",
            "AWS::SageMaker::ModelExplainabilityJobDefinition",
        ),
        "NetworkConfig.VpcConfig",
        PRESENT,
        "",
        "Every monitoring job stands in the VPC.",
        "The job's containers stand in a network of AWS that reaches the internet.",
        "Give it a NetworkConfig with a VpcConfig.",
    ),
    Setting(
        "way.model-isolation",
        ("AWS::SageMaker::Model",),
        "EnableNetworkIsolation",
        ("true",),
        "false",
        "Every model's containers are isolated.",
        "The model's containers may call whatever the network lets them.",
        "Set EnableNetworkIsolation to true.",
        safeguard=True,
    ),
    Setting(
        "way.monitor-isolation",
        (
            "AWS::SageMaker::DataQualityJobDefinition",
            "AWS::SageMaker::ModelQualityJobDefinition",
            "AWS::SageMaker::ModelBiasJobDefinition",
            "AWS::SageMaker::ModelExplainabilityJobDefinition",
        ),
        "NetworkConfig.EnableNetworkIsolation",
        ("true",),
        "false",
        "Every monitoring job's containers are isolated.",
        "The job's containers may call whatever the network lets them.",
        "Set EnableNetworkIsolation to true.",
        safeguard=True,
    ),
    Setting(
        "way.function",
        ("AWS::Lambda::Function", "AWS::Serverless::Function"),
        "VpcConfig.SubnetIds",
        PRESENT,
        "",
        "Every function stands in the VPC.",
        "The function stands outside the VPC, where it reaches the internet.",
        "Give it a VpcConfig with the subnets and a security group.",
    ),
    Setting(
        "way.task-network",
        ("AWS::ECS::TaskDefinition",),
        "NetworkMode",
        ("awsvpc", "none"),
        "bridge",
        "Every task has an interface of its own in the VPC.",
        "Tasks share the network of their host, where no security group of theirs applies.",
        "Set NetworkMode to awsvpc.",
    ),
    Setting(
        "way.service-address",
        ("AWS::ECS::Service", "AWS::ECS::TaskSet"),
        "NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp",
        ("disabled",),
        "disabled",
        "No task gets a public address.",
        "Tasks get a public address.",
        "Set AssignPublicIp to DISABLED.",
    ),
    Setting(
        "way.build",
        ("AWS::CodeBuild::Project",),
        "VpcConfig",
        PRESENT,
        "",
        "Every build runs in the VPC.",
        "Builds run outside the VPC, where they reach the internet.",
        "Give the project a VpcConfig.",
    ),
    Setting(
        "way.glue-job",
        ("AWS::Glue::Job",),
        "Connections.Connections",
        PRESENT,
        "",
        "Every Glue job runs in the VPC.",
        "The job has no connection, and runs where it reaches the internet.",
        "Give it a connection of the type NETWORK.",
    ),
    Setting(
        "way.glue-connection",
        ("AWS::Glue::Connection",),
        "ConnectionInput.PhysicalConnectionRequirements.SubnetId",
        PRESENT,
        "",
        "Every Glue connection stands in the VPC.",
        "The connection stands in no subnet.",
        "Give it a subnet and security groups.",
    ),
    Setting(
        "way.cluster-api",
        ("AWS::EKS::Cluster",),
        "ResourcesVpcConfig.EndpointPublicAccess",
        ("false",),
        "true",
        "No Kubernetes API is public.",
        "The cluster's API is public, as it is by default.",
        "Set EndpointPublicAccess to false and EndpointPrivateAccess to true.",
    ),
    Setting(
        "way.database",
        ("AWS::Redshift::Cluster", "AWS::RedshiftServerless::Workgroup"),
        "PubliclyAccessible",
        ("false",),
        "false",
        "No warehouse is publicly accessible.",
        "The warehouse is publicly accessible.",
        "Set PubliclyAccessible to false.",
    ),
    Setting(
        "way.replication",
        ("AWS::DMS::ReplicationInstance",),
        "PubliclyAccessible",
        ("false",),
        "true",
        "No replication instance is publicly accessible.",
        "The replication instance is publicly accessible, as it is by default.",
        "Set PubliclyAccessible to false.",
    ),
    Setting(
        "way.cluster-network",
        ("AWS::Neptune::DBCluster", "AWS::DocDB::DBCluster"),
        "DBSubnetGroupName",
        PRESENT,
        "",
        "Every cluster stands in subnets that are named.",
        "The cluster stands in the default VPC, which has an internet gateway.",
        "Give it a subnet group.",
    ),
    Setting(
        "way.cache",
        ("AWS::ElastiCache::ReplicationGroup", "AWS::ElastiCache::CacheCluster"),
        "CacheSubnetGroupName",
        PRESENT,
        "",
        "Every cache stands in subnets that are named.",
        "The cache stands in the default VPC, which has an internet gateway.",
        "Give it a subnet group.",
    ),
    Setting(
        "way.search",
        ("AWS::OpenSearchService::Domain", "AWS::Elasticsearch::Domain"),
        "VPCOptions.SubnetIds",
        PRESENT,
        "",
        "Every search domain stands in the VPC.",
        "The search domain has a public address.",
        "Give it VPCOptions.",
    ),
    Setting(
        "way.stream",
        ("AWS::MSK::Cluster",),
        "BrokerNodeGroupInfo.ConnectivityInfo.PublicAccess.Type",
        ("disabled",),
        "disabled",
        "No Kafka broker is public.",
        "The brokers have public addresses.",
        "Set PublicAccess to DISABLED.",
    ),
    Setting(
        "way.broker",
        ("AWS::AmazonMQ::Broker",),
        "PubliclyAccessible",
        ("false",),
        "true",
        "No message broker is public.",
        "The broker is publicly accessible.",
        "Set PubliclyAccessible to false.",
    ),
    Setting(
        "way.airflow",
        ("AWS::MWAA::Environment",),
        "WebserverAccessMode",
        ("private_only",),
        "private_only",
        "No Airflow console is public.",
        "The Airflow console is public.",
        "Set WebserverAccessMode to PRIVATE_ONLY.",
    ),
    Setting(
        "way.app-runner-in",
        ("AWS::AppRunner::Service",),
        "NetworkConfiguration.IngressConfiguration.IsPubliclyAccessible",
        ("false",),
        "true",
        "No App Runner service is public.",
        "The service is public, as it is by default.",
        "Set IsPubliclyAccessible to false, and use a VPC ingress connection.",
    ),
    Setting(
        "way.app-runner-out",
        ("AWS::AppRunner::Service",),
        "NetworkConfiguration.EgressConfiguration.EgressType",
        ("vpc",),
        "default",
        "Every App Runner service calls through the VPC.",
        "The service reaches the internet.",
        "Set EgressType to VPC, with a connector.",
    ),
    Setting(
        "way.graph-api",
        ("AWS::AppSync::GraphQLApi",),
        "Visibility",
        ("private",),
        "global",
        "No AppSync API is public.",
        "The API is public, as it is by default.",
        "Set Visibility to PRIVATE.",
    ),
    Setting(
        "way.transfer",
        ("AWS::Transfer::Server",),
        "EndpointType",
        ("vpc", "vpc_endpoint"),
        "public",
        "No transfer server is public.",
        "The server is public, as it is by default.",
        "Set EndpointType to VPC.",
    ),
    Setting(
        "way.endpoint-service",
        ("AWS::EC2::VPCEndpointService",),
        "AcceptanceRequired",
        ("true",),
        "true",
        "Whoever connects to an endpoint service is accepted by hand.",
        "Connections to the endpoint service are accepted unseen.",
        "Set AcceptanceRequired to true.",
    ),
    Setting(
        "way.private-dns",
        ("AWS::EC2::VPCEndpoint",),
        "PrivateDnsEnabled",
        ("true",),
        "false",
        "Every interface endpoint of AWS answers to the service's own name.",
        "The service's own name leads past the endpoint.",
        "Set PrivateDnsEnabled to true.",
        safeguard=True,
        unless=(("VpcEndpointType", "Gateway"), ("VpcEndpointType", "GatewayLoadBalancer")),
    ),
    Setting(
        "way.build-public",
        ("AWS::CodeBuild::Project",),
        "Visibility",
        ("private",),
        "private",
        "No build shows its results to everybody.",
        "The builds' logs and artifacts are public.",
        "Set Visibility to PRIVATE.",
    ),
    Setting(
        "way.image-public",
        ("AWS::ECR::PublicRepository",),
        "Closed",
        PRESENT,
        "",
        "No image is published.",
        "The repository is public.",
        "Use AWS::ECR::Repository.",
    ),
)
"""Every setting, one rule each."""


def _is_endpoint_of_aws(view: View) -> bool:
    """Private DNS of other services is a private hosted zone, and gateways have none."""
    service = str(view.get("ServiceName", ""))
    kind = view.get("VpcEndpointType", "Gateway")
    aws = service.startswith(("com.amazonaws.", "aws.")) and not is_private_service(service)
    return kind == "Interface" and aws


def _register(setting: Setting) -> None:
    @RULES.rule(setting.id, *setting.types, says=setting.says, mend=setting.mend)
    def judge(view: View, system: System) -> Iterator[Sight]:
        if view.type != "AWS::EC2::VPCEndpoint" or _is_endpoint_of_aws(view):
            yield from _judge(setting, view, system)


for _setting in SETTINGS:
    _register(_setting)
