"""Resources in plain words: what a type is called, and which types hold data."""

import re
from typing import Any

from proof.system.values import named

NOUNS = {
    "AWS::EC2::SecurityGroup": "security group",
    "AWS::EC2::SecurityGroupEgress": "outbound rule",
    "AWS::EC2::SecurityGroupIngress": "inbound rule",
    "AWS::EC2::VPC": "VPC",
    "AWS::EC2::VPCEndpoint": "VPC endpoint",
    "AWS::EC2::VPCEndpointService": "endpoint service",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancer",
    "AWS::IAM::ManagedPolicy": "policy",
    "AWS::KMS::Key": "key",
    "AWS::Logs::LogGroup": "log group",
    "AWS::RDS::DBCluster": "database",
    "AWS::RDS::DBInstance": "database",
    "AWS::S3::BucketPolicy": "bucket policy",
    "AWS::SageMaker::EndpointConfig": "endpoint configuration",
}
"""What a type is called where its own last word, in small letters, says it badly."""

STATEFUL = frozenset(
    {
        "AWS::Backup::BackupVault",
        "AWS::CloudFormation::Stack",
        "AWS::Cognito::UserPool",
        "AWS::DocDB::DBCluster",
        "AWS::DocDB::DBInstance",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::EC2::Instance",
        "AWS::EC2::Volume",
        "AWS::ECR::Repository",
        "AWS::EFS::FileSystem",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::ElastiCache::ServerlessCache",
        "AWS::Elasticsearch::Domain",
        "AWS::FSx::FileSystem",
        "AWS::Glue::Database",
        "AWS::Glue::Table",
        "AWS::KMS::Key",
        "AWS::KMS::ReplicaKey",
        "AWS::Kinesis::Stream",
        "AWS::Logs::LogGroup",
        "AWS::MSK::Cluster",
        "AWS::Neptune::DBCluster",
        "AWS::Neptune::DBInstance",
        "AWS::OpenSearchService::Domain",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::RDS::GlobalCluster",
        "AWS::Redshift::Cluster",
        "AWS::Route53::HostedZone",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SSM::Parameter",
        "AWS::SageMaker::Domain",
        "AWS::SageMaker::FeatureGroup",
        "AWS::SageMaker::MlflowTrackingServer",
        "AWS::SageMaker::ModelPackageGroup",
        "AWS::SageMaker::NotebookInstance",
        "AWS::SecretsManager::Secret",
        "AWS::Timestream::Table",
    }
)
"""Types that hold data, or what data cannot be read without."""

MAX_TEXT = 80
HASH = re.compile(r"[0-9a-f]{64}")


def noun(kind: str) -> str:
    """What a type is called.

    Parameters
    ----------
    kind
        The type.

    Examples
    --------
    >>> noun("AWS::RDS::DBInstance"), noun("AWS::ApiGateway::UsagePlan")
    ('database', 'usage plan')
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", kind.rpartition("::")[2])
    return NOUNS.get(kind) or " ".join(word.lower() for word in words)


def shown(value: Any) -> str:
    """A value of a property on one line, short.

    Parameters
    ----------
    value
        The value, resolved; ``None`` where there is none.
    """
    if value is None:
        return "none"
    if isinstance(value, dict):
        return f"{len(value)} settings"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return f"{len(value)} entries"
    text = str(value).lower() if isinstance(value, bool) else named(value)
    text = " ".join(HASH.sub(lambda found: f"{found[0][:8]}…", text).split())
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def listed(names: list[str], most: int = 6) -> str:
    """Names in one sentence; of many, the first ones.

    Parameters
    ----------
    names
        The names.
    most
        How many are shown.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def count(number: int, what: str) -> str:
    """A number of things.

    Examples
    --------
    >>> count(1, "stack"), count(2, "stack")
    ('1 stack', '2 stacks')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"
