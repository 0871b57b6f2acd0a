"""Which endpoint an action of IAM is called through, and which calls AWS makes by itself.

The names are those of the endpoints' services without their region. Sources:
https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html and
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections import defaultdict

from proof.system.policies import Statement, matches, overlaps
from proof.system.roles import Roles
from proof.system.values import Unknown

EVERYTHING = "*"
"""Stands for every service: what ``Action: "*"`` may call."""

ACTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Images are pulled and pushed with Docker's protocol at ecr.dkr; their layers lie in S3.
    ("ecr:BatchGetImage", ("ecr.api", "ecr.dkr")),
    ("ecr:GetDownloadUrlForLayer", ("ecr.api", "ecr.dkr", "s3")),
    ("ecr:BatchCheckLayerAvailability", ("ecr.api", "ecr.dkr")),
    ("ecr:InitiateLayerUpload", ("ecr.dkr",)),
    ("ecr:UploadLayerPart", ("ecr.dkr",)),
    ("ecr:CompleteLayerUpload", ("ecr.dkr",)),
    ("ecr:PutImage", ("ecr.dkr",)),
    ("ecr:*", ("ecr.api",)),
    ("sagemaker:CallMlflowAppApi", ("sagemaker.mlflow",)),
    ("sagemaker:InvokeEndpoint*", ("sagemaker.runtime",)),
    ("sagemaker:PutRecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:GetRecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:BatchPutMetrics", ("sagemaker.metrics",)),
    ("sagemaker:*", ("sagemaker.api",)),
    ("bedrock:InvokeModel*", ("bedrock-runtime",)),
    ("bedrock:*", ("bedrock",)),
    ("codecommit:GitPull", ("git-codecommit",)),
    ("codecommit:GitPush", ("git-codecommit",)),
    ("codeartifact:ReadFromRepository", ("codeartifact.repositories",)),
    ("codeartifact:*", ("codeartifact.api",)),
    ("iam:PassRole", ()),  # a right that a call of another service needs, not a call
    ("rds-db:connect", ()),  # a connection to the database itself
    ("s3express:*", ("s3express",)),
)
"""Actions whose endpoint is not their service's only one; the first that fits decides."""

SERVICES = {
    "acm-pca": "acm-pca",
    "apigateway": "apigateway",
    "application-autoscaling": "application-autoscaling",
    "athena": "athena",
    "autoscaling": "autoscaling",
    "cloudformation": "cloudformation",
    "cloudtrail": "cloudtrail",
    "cloudwatch": "monitoring",
    "codebuild": "codebuild",
    "codecommit": "codecommit",
    "codepipeline": "codepipeline",
    "dynamodb": "dynamodb",
    "ec2": "ec2",
    "ec2messages": "ec2messages",
    "ecs": "ecs",
    "eks": "eks",
    "elasticfilesystem": "elasticfilesystem",
    "elasticloadbalancing": "elasticloadbalancing",
    "events": "events",
    "execute-api": "execute-api",
    "firehose": "kinesis-firehose",
    "glue": "glue",
    "iam": "iam",
    "kinesis": "kinesis-streams",
    "kms": "kms",
    "lakeformation": "lakeformation",
    "lambda": "lambda",
    "logs": "logs",
    "rds": "rds",
    "rds-data": "rds-data",
    "redshift-data": "redshift-data",
    "s3": "s3",
    "scheduler": "scheduler",
    "secretsmanager": "secretsmanager",
    "servicediscovery": "servicediscovery",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "ssmmessages": "ssmmessages",
    "states": "states",
    "sts": "sts",
    "xray": "xray",
}
"""Endpoint of each prefix of actions that has one."""

MONITORING = tuple(
    f"AWS::SageMaker::{kind}JobDefinition"
    for kind in ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
)
"""Monitoring jobs: SageMaker runs their containers as it runs those of a model."""

_SAGEMAKER = ("ecr:*", "logs:*", "ec2:*", "cloudwatch:PutMetricData", "kms:CreateGrant")

BY_THE_SERVICE = {
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html: Lambda makes the
    # interfaces, writes the log, sends traces and polls its event sources outside the VPC.
    "AWS::Lambda::Function": (
        "logs:*",
        "ec2:*",
        "xray:*",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "kinesis:Get*",
        "kinesis:Describe*",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:DescribeStream",
        "dynamodb:ListStreams",
    ),
    # https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html: SageMaker pulls the image,
    # writes log and metrics and makes the interfaces; only S3 is reached through the VPC.
    "AWS::SageMaker::Model": _SAGEMAKER,
    # https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html
    **dict.fromkeys(MONITORING, _SAGEMAKER),
    "AWS::SageMaker::Domain": ("ec2:*",),
    "AWS::CodeBuild::Project": ("ec2:*",),
    "AWS::Glue::Connection": ("ec2:*",),
}
"""Actions of a workload's role that its service uses itself, past the VPC."""


def endpoints_of(action: str) -> tuple[str, ...]:
    """The endpoints that an action, or a pattern of actions, is called through.

    Examples
    --------
    >>> endpoints_of("secretsmanager:GetSecretValue"), endpoints_of("ecr:GetAuthorizationToken")
    (('secretsmanager',), ('ecr.api',))
    """
    if action == "*":
        return (EVERYTHING,)
    prefix = action.split(":")[0].lower()
    special = [(pattern, ends) for pattern, ends in ACTIONS if pattern.startswith(f"{prefix}:")]
    if "*" in action:
        found = [end for pattern, ends in special if overlaps(action, pattern) for end in ends]
        found += [SERVICES[prefix]] if prefix in SERVICES else []
        return tuple(dict.fromkeys(found))
    for pattern, ends in special:
        if matches(pattern, action):
            return ends
    return (SERVICES[prefix],) if prefix in SERVICES else ()


def calls_of(statement: Statement, by_the_service: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The endpoints that a statement's actions are called through, and these actions.

    Keys that are only used through another service need no endpoint of their own.
    """
    found: dict[str, list[str]] = defaultdict(list)
    if statement.effect != "Allow" or statement.not_actions:
        return found
    for action in statement.actions:
        if isinstance(action, Unknown):
            continue
        if any(matches(pattern, action) for pattern in by_the_service):
            continue
        via = any(test.key == "kms:viaservice" for test in statement.conditions)
        for endpoint in endpoints_of(action):
            if not (endpoint == "kms" and via):
                found[endpoint].append(action)
    return found


def allowed_services(roles: Roles, role: str) -> dict[str, tuple[str, ...]]:
    """The services that a role's policies allow something at, and these policies."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for attached in roles.policies(role):
        for statement in attached.statements:
            for endpoint in calls_of(statement):
                found[endpoint][attached.source] = None
    return {service: tuple(policies) for service, policies in found.items()}
