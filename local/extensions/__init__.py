"""The resource types and services that the emulator lacks, run for real where this machine can."""

from local.extensions import hooks
from local.extensions.associations import Association, Document
from local.extensions.autoscaling.scaler import Scaler
from local.extensions.autoscaling.service import (
    PREFIX,
    AutoScaling,
    ScalableTarget,
    ScalingPolicy,
)
from local.extensions.aws_only import AwsOnly
from local.extensions.cloudwatch.alarms import AlarmResource, Alarms
from local.extensions.codebuild import service as codebuild
from local.extensions.codepipeline import service as codepipeline
from local.extensions.database import DbInstance
from local.extensions.endpoints import (
    EndpointService,
    EndpointServicePermissions,
    EndpointServices,
    RecordSet,
    VpcEndpoint,
)
from local.extensions.heartbeat import Heartbeat
from local.extensions.iam import ask_between_accounts
from local.extensions.image_layers import ImageLayers
from local.extensions.installed_images import InstalledImages
from local.extensions.load_balancer import Listener, LoadBalancer, LoadBalancers
from local.extensions.network import FlowLog, SecurityGroupRule
from local.extensions.recorded import Recorded
from local.extensions.rotation import Rotations, RotationSchedule
from local.extensions.sagemaker.service import make_sagemaker, sagemaker_resources
from local.extensions.secrets import SecretPolicy
from local.extensions.tasks import OneOffTasks, Programs, Service
from local.host import Host

BEAT_SECONDS = 0.2
"""How often metrics are published and alarms are looked at."""


def extend(host: Host, account: str) -> None:
    """Add everything to the emulator of this process.

    Parameters
    ----------
    host
        What the resources run on.
    account
        The environment's account.

    Raises
    ------
    ContractError
        Where the emulator is not as we know it.
    """
    hooks.verify()
    hooks.let_resources_block()
    balancers = LoadBalancers(host)
    services = EndpointServices(host, balancers)
    hooks.evaluate_no_alarms()
    hooks.keep_math_alarms()
    alarms, heartbeat = Alarms(host.pace), Heartbeat(BEAT_SECONDS)
    sagemaker = make_sagemaker(host, account, alarms, heartbeat)
    heartbeat.add(alarms.evaluate)
    scaler = Scaler(sagemaker, alarms, host.pace)
    heartbeat.add(scaler.evaluate)
    hooks.add_service("application-autoscaling", PREFIX, AutoScaling(scaler).answer)
    hooks.add_service("sagemaker", "SageMaker.", sagemaker.answer)
    builds = codebuild.CodeBuild(host)
    pipelines = codepipeline.make_codepipeline(host, builds)
    hooks.replace_operation("ecr", "DescribeImages", InstalledImages().answer)
    layers = ImageLayers(host.url)
    for operation in layers.operations:
        hooks.replace_operation("ecr", operation, layers.answer)
    ask_between_accounts()
    hooks.add_service("codebuild", codebuild.PREFIX, builds.answer)
    hooks.add_service("codepipeline", codepipeline.PREFIX, pipelines.answer)
    hooks.add_event_target("codebuild", builds.start_for_rule)
    hooks.add_event_target("codepipeline", pipelines.start_for_rule)
    hooks.name_versions_in_events()
    hooks.let_functions_reach(host.here)
    hooks.describe_stacks_as_declared()
    programs, documents = Programs(host), Document()
    tasks = OneOffTasks(programs)
    hooks.run_tasks(tasks.start, tasks.stop)
    rotations = Rotations(host)
    hooks.replace_operation("secretsmanager", "RotateSecret", rotations.answer)
    resources: dict[str, hooks.Resource] = {
        "AWS::EC2::SecurityGroupIngress": SecurityGroupRule(host, "ingress"),
        "AWS::EC2::SecurityGroupEgress": SecurityGroupRule(host, "egress"),
        "AWS::EC2::FlowLog": FlowLog(host),
        "AWS::Route53Resolver::FirewallDomainList": Recorded(),
        "AWS::Route53Resolver::FirewallRuleGroup": Recorded(),
        "AWS::Route53Resolver::FirewallRuleGroupAssociation": Recorded(),
        "AWS::SSM::Document": documents,
        "AWS::SSM::Association": Association(host, documents),
        "AWS::EC2::VPCEndpoint": VpcEndpoint(services),
        "AWS::EC2::VPCEndpointService": EndpointService(services),
        "AWS::EC2::VPCEndpointServicePermissions": EndpointServicePermissions(services),
        "AWS::Route53::RecordSet": RecordSet(services),
        "AWS::RDS::DBInstance": DbInstance(host),
        "AWS::ElasticLoadBalancingV2::LoadBalancer": LoadBalancer(),
        "AWS::ElasticLoadBalancingV2::Listener": Listener(balancers),
        "AWS::ECS::Service": Service(host, balancers, programs),
        "AWS::SecretsManager::ResourcePolicy": SecretPolicy(host),
        "AWS::SecretsManager::RotationSchedule": RotationSchedule(rotations),
        "AWS::Backup::BackupSelection": Recorded(),
        "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTarget(scaler),
        "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicy(scaler),
        "AWS::SageMaker::DataQualityJobDefinition": Recorded("JobDefinitionArn"),
        "AWS::SageMaker::ModelQualityJobDefinition": Recorded("JobDefinitionArn"),
        "AWS::SageMaker::MonitoringSchedule": Recorded("MonitoringScheduleArn"),
        "AWS::SageMaker::MlflowApp": AwsOnly("A managed MLflow App", "tracking.kind: fargate"),
        "AWS::CloudWatch::Alarm": AlarmResource(),
        "AWS::CodeBuild::Project": codebuild.Project(builds),
        "AWS::CodePipeline::Pipeline": codepipeline.PipelineResource(pipelines),
        **sagemaker_resources(sagemaker),
    }
    for resource_type, resource in resources.items():
        hooks.add_resource(resource_type, resource)
    host.on_stop(heartbeat.stop)
    heartbeat.start()
