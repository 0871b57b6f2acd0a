"""Ways through services: public APIs, addresses, buckets, and what calls the outside."""

import re
from collections.abc import Iterator

from proof.model import Question
from proof.system.system import System, View
from proof.system.values import Unknown, as_list, is_unknown, named, truth
from proof.ways.audience import Who, doors
from proof.ways.checks import Register, Sight, broken, lacking, unsure
from proof.ways.network import leads_out

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]

_KNOWN = """
    AmazonMQ ApiGateway ApiGatewayV2 AppConfig AppRunner AppSync ApplicationAutoScaling Athena
    AutoScaling Backup Batch Budgets CDK CE CertificateManager CloudFormation CloudFront CloudTrail
    CloudWatch CodeArtifact CodeBuild CodeCommit CodePipeline CodeDeploy Cognito Config DAX DMS
    DirectConnect DocDB DynamoDB EC2 ECR ECS EFS EKS ElastiCache ElasticLoadBalancing
    ElasticLoadBalancingV2 Elasticsearch Events FIS GlobalAccelerator Glue GuardDuty IAM
    ImageBuilder Inspector InspectorV2 KMS Kinesis KinesisFirehose Lambda Logs MSK MWAA Macie
    Neptune NetworkFirewall NetworkManager OpenSearchService Pipes RAM RDS Redshift
    RedshiftServerless ResourceGroups Route53 Route53Profiles Route53Resolver S3 SNS SQS SSM
    SageMaker Scheduler SecretsManager SecurityHub ServiceCatalog ServiceCatalogAppRegistry
    ServiceDiscovery Signer StepFunctions Transfer WAFv2 XRay
"""
KNOWN_SERVICES = frozenset(_KNOWN.split())
"""Services whose ways in and out the rules know."""


@RULES.rule(
    "way.public-address",
    "AWS::EC2::Instance",
    "AWS::EC2::LaunchTemplate",
    "AWS::AutoScaling::LaunchConfiguration",
    "AWS::EC2::SpotFleet",
    says="No instance gets a public address.",
    mend="Set AssociatePublicIpAddress to false.",
)
def public_address(view: View, system: System) -> Sights:
    """Addresses that instances ask for themselves."""
    data = view.get("LaunchTemplateData", view.properties)
    interfaces = as_list(data.get("NetworkInterfaces")) if isinstance(data, dict) else [data]
    for body in [*interfaces, view.properties]:
        if isinstance(body, Unknown):
            yield unsure(f"Its network interfaces are unknown: {body.why}.")
            continue
        given = truth(body.get("AssociatePublicIpAddress"), False)
        if given or truth(body.get("AssociateCarrierIpAddress"), False):
            yield broken("Instances get a public address.")
        elif given is None:
            yield unsure("Nobody can tell whether instances get a public address.")
    placed = ("SubnetId", "NetworkInterfaces", "LaunchTemplate")
    if view.type.endswith("::Instance") and not any(view.get(name) for name in placed):
        yield broken("The instance stands in the default VPC, which gives it a public address.")


@RULES.rule(
    "way.scheduled-task",
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
    "AWS::Pipes::Pipe",
    "AWS::Batch::JobDefinition",
    "AWS::StepFunctions::StateMachine",
    says="No task that something else starts gets a public address.",
    mend="Set AssignPublicIp to DISABLED.",
)
def scheduled_task(view: View, system: System) -> Sights:
    """Tasks that are started by rules, schedules, jobs and state machines."""
    if re.search(r"AssignPublicIp\W+ENABLED", str(view.properties)):
        yield broken("The task that it starts gets a public address.")


@RULES.rule(
    "way.public-database",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBCluster",
    says="No database is publicly accessible.",
    mend="Set PubliclyAccessible to false, and give it a subnet group of isolated subnets.",
)
def public_database(view: View, system: System) -> Sights:
    """Without a word, a database is public where its VPC has an internet gateway."""
    given = view.get("PubliclyAccessible")
    public = truth(given, False)
    group = view.get("DBSubnetGroupName")
    if public:
        yield broken("The database is publicly accessible.")
    elif public is None:
        yield unsure("Nobody can tell whether the database is publicly accessible.")
    elif given is None and not view.get("DBClusterIdentifier"):
        subnets = system.view(group, "AWS::RDS::DBSubnetGroup")
        subnet = system.view((subnets.items("SubnetIds") or [None])[0]) if subnets else None
        if group is None:
            yield broken("The database stands in the default VPC, which has an internet gateway.")
        elif subnet is None:
            yield unsure("It is public if the VPC of its subnet group has an internet gateway.")
        elif leads_out(subnet.get("VpcId"), system):
            yield broken("It is public, since its VPC has a way out and nobody says otherwise.")


@RULES.rule(
    "way.function-url",
    "AWS::Lambda::Url",
    says="No function has an address on the internet.",
    mend="Remove the URL, and call the function through a private API.",
)
def function_url(view: View, system: System) -> Sights:
    """Every function URL is public; with AuthType NONE everybody may call it."""
    anybody = " without any authorization" if view.get("AuthType") == "NONE" else ""
    yield broken(f"The function is called from the internet{anybody}.")


def _exists(identity: str, types: tuple[str, ...], holds: str, found: str, mend: str) -> None:
    @RULES.rule(identity, *types, says=holds, mend=mend)
    def judge(view: View, system: System) -> Sights:
        yield broken(found)


_exists(
    "way.cdn",
    ("AWS::CloudFront::Distribution", "AWS::CloudFront::DistributionTenant"),
    "Nothing is published through CloudFront.",
    "CloudFront publishes it to the internet.",
    "Remove the distribution.",
)
_exists(
    "way.accelerator",
    ("AWS::GlobalAccelerator::Accelerator", "AWS::GlobalAccelerator::EndpointGroup"),
    "No accelerator leads in.",
    "Global Accelerator leads in from the internet.",
    "Remove the accelerator.",
)
_exists(
    "way.http-api",
    ("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::DomainName"),
    "There is no HTTP or WebSocket API, which would be public.",
    "HTTP and WebSocket APIs are always public.",
    "Use a REST API with the endpoint type PRIVATE.",
)
_exists(
    "way.sign-in",
    ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolDomain", "AWS::Cognito::IdentityPool"),
    "Nobody signs in from the internet.",
    "Cognito answers on the internet.",
    "Authorize with IAM, or with a provider inside the network.",
)
_exists(
    "way.outbound-call",
    ("AWS::Events::ApiDestination", "AWS::Events::Connection"),
    "No event is sent to addresses on the internet.",
    "Events are sent to an address on the internet.",
    "Remove it.",
)


@RULES.rule(
    "way.managed-mlflow",
    "AWS::SageMaker::MlflowApp",
    "AWS::SageMaker::MlflowTrackingServer",
    says="No MLflow of AWS's own answers outside of the network.",
    mend=(
        "Give nobody the right without a condition on aws:SourceVpce, by a service control policy"
        " if need be; or run MLflow inside the network."
    ),
)
def managed_mlflow(view: View, system: System) -> Sights:
    """It has no policy that could ask where a call comes from: only its callers' roles can."""
    yield unsure(
        "AWS's MLflow answers whoever has the right, from any network: its metadata is outside."
    )


@RULES.rule(
    "way.subscription",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    says="No notification leaves AWS.",
    mend="Subscribe a queue or a function of this account.",
)
def subscription(view: View, system: System) -> Sights:
    """Mail, telephones and web addresses are outside, whoever reads them."""
    bodies = view.items("Subscription") if view.type.endswith("Topic") else [view.properties]
    for body in bodies:
        protocol = body.get("Protocol") if isinstance(body, dict) else body
        if protocol in ("http", "https"):
            yield broken(f"Notifications are sent to {named(body.get('Endpoint'))}.")
        elif protocol in ("email", "email-json", "sms"):
            yield lacking(f"Notifications leave AWS by {protocol}.")
        elif is_unknown(protocol):
            yield unsure("Nobody can tell where notifications are sent.")


@RULES.rule(
    "way.foreign-target",
    "AWS::Logs::SubscriptionFilter",
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
    "AWS::Pipes::Pipe",
    "AWS::SNS::Subscription",
    "AWS::Backup::BackupPlan",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::CodePipeline::Pipeline",
    "AWS::Config::DeliveryChannel",
    says="Logs, events and copies are sent to this account only.",
    mend="Send them to a resource of this account, or name the account in the configuration.",
)
def foreign_target(view: View, system: System) -> Sights:
    """Whatever passes data on by the ARN of where it goes."""
    for account in sorted(
        set(re.findall(r"arn:[^:]+:[^:]*:[^:]*:(\d{12}):", str(view.properties)))
    ):
        owned = system.owns(account)
        if owned is False:
            yield broken(f"It passes data on to the account {account}.")
        elif owned is None:
            yield unsure(f"Nobody can tell whether the account {account} is ours.")


@RULES.rule(
    "way.delivery-stream",
    "AWS::KinesisFirehose::DeliveryStream",
    says="No stream is delivered outside AWS.",
    mend="Deliver to a bucket of this account.",
)
def delivery_stream(view: View, system: System) -> Sights:
    """Destinations that are web addresses."""
    for name in ("HttpEndpointDestinationConfiguration", "SplunkDestinationConfiguration"):
        if view.get(name) is not None:
            yield broken("The stream is delivered to an address outside AWS.")
    snow = view.get("SnowflakeDestinationConfiguration")
    if snow is not None:
        yield broken("The stream is delivered to Snowflake.")


@RULES.rule(
    "way.rest-api",
    "AWS::ApiGateway::RestApi",
    says="Every REST API is private, and answers to VPC endpoints of ours only.",
    mend=(
        "Set EndpointConfiguration.Types to [PRIVATE], with a policy that allows"
        " execute-api:Invoke where aws:SourceVpce is an endpoint of yours."
    ),
)
def rest_api(view: View, system: System) -> Sights:
    """A private API is called from every VPC of the world, unless its policy says otherwise."""
    types = view.get("EndpointConfiguration.Types", ["EDGE"])
    for kind in as_list(types):
        if is_unknown(kind):
            yield unsure("Nobody can tell whether the API is private.")
        elif kind != "PRIVATE":
            yield broken(f"The API is public: its endpoint type is {kind}.")
            return
    policy = view.get("Policy")
    if policy is None:
        policy = view.get("Body.x-amazon-apigateway-policy")
    if policy is None:
        if is_unknown(view.get("Body")) or view.get("BodyS3Location"):
            yield unsure("The policy is in a body that is not among the templates.")
        else:
            yield lacking("The private API has no policy.")
        return
    for door in doors(policy, system):
        say = unsure if door.who is Who.UNKNOWN else broken
        yield say(door.sentence)


@RULES.rule(
    "way.api-domain",
    "AWS::ApiGateway::DomainName",
    says="No API has a public domain name.",
    mend="Call the API by the name of its VPC endpoint, or use a private custom domain name.",
)
def api_domain(view: View, system: System) -> Sights:
    """Custom domain names of the edge and of the region are public."""
    for kind in as_list(view.get("EndpointConfiguration.Types", ["EDGE"])):
        if kind != "PRIVATE":
            yield broken(f"The domain name is public: its endpoint type is {kind}.")


def known(kind: str) -> bool:
    """Whether the rules know what resources of a type can open."""
    words = kind.split("::")
    return len(words) == 3 and words[0] == "AWS" and words[1] in KNOWN_SERVICES
