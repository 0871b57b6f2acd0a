"""An endpoint with all that observes it, and its batch: as every pack and the proof see it."""

from pathlib import Path

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.alarms import AlarmTopic
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.batch_transform import BatchTransform
from mlops_constructs.capture_plan import CAPTURE_PREFIX
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.encryption_key import EncryptionKey
from mlops_constructs.endpoint_dashboard import EndpointDashboard
from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.endpoint_rights import execution_role
from mlops_constructs.isolated_vpc import IsolatedVpc
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.monitoring_job import DataQuality, ModelQuality
from mlops_constructs.monitoring_schedule import MonitoringSchedule
from mlops_constructs.naming import Naming
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.transform_job import TransformJob
from proof.model import Question
from proof.prove import prove
from proof.rights.role_policies import examine_rights
from stacks.packs import PACKS, attach_packs
from tests.unit.constructs.conftest import ACCOUNT, REGION, ZonedStack

ZONES = ["eu-west-1a", "eu-west-1b"]
BASELINE = "mlflow/1/models/m-1/artifacts/baseline/"


def observe(data: Stack, stack: Stack, naming: Naming) -> None:
    """Data, network and topic in one stack, and the endpoint in another."""
    key = EncryptionKey(data, "Key", description="Data")
    log_key = EncryptionKey(data, "LogKey", description="Logs")
    log_key.allow_log_groups()
    log_settings = LogSettings(log_key.key, logs.RetentionDays.ONE_YEAR)
    vpc = IsolatedVpc(data, "Vpc", cidr="10.1.0.0/16", zones=ZONES, log_settings=log_settings).vpc
    network = PrivateNetwork(
        data,
        "Network",
        vpc=vpc,
        calls=[*BatchTransform.CALLS, *MonitoringSchedule.CALLS],
        naming=naming,
        principals=Principals(ACCOUNT),
        s3_prefix_list="pl-6da54004",
    )
    artifacts = ArtifactStore(
        data, "Artifacts", naming=naming, key=key.key, expiring={CAPTURE_PREFIX: 30}
    )
    alarms = AlarmTopic(data, "Alarms", key=key, namespace=naming.prefix).alarms
    role = execution_role(stack, "Role", "Runs the model", naming)
    group = network.security_group(stack, "ModelGroup", "Model containers")
    network.connect_to_s3(group)
    model = sagemaker.CfnModel(
        stack,
        "Model",
        execution_role_arn=role.role_arn,
        enable_network_isolation=True,
        vpc_config=sagemaker.CfnModel.VpcConfigProperty(
            subnets=[subnet.subnet_id for subnet in vpc.isolated_subnets],
            security_group_ids=[group.security_group_id],
        ),
    )
    capture = DataCapture(artifacts)
    capture.grant(role, naming.endpoint("iris"))
    config = sagemaker.CfnEndpointConfig(
        stack,
        "Config",
        kms_key_id=key.key.key_arn,
        data_capture_config=capture.property(),
        production_variants=[
            sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                variant_name="main",
                model_name=model.attr_model_name,
                instance_type="ml.m5.large",
                initial_instance_count=2,
            )
        ],
    )
    endpoint = sagemaker.CfnEndpoint(
        stack, "Endpoint", endpoint_config_name=config.attr_endpoint_config_name
    )
    watched: dict[str, DataQuality | ModelQuality] = {
        "Data quality": DataQuality(BASELINE, features=["sex"]),
        "Model quality": ModelQuality(
            BASELINE, truth="truth/iris/", inference="0", limits={"rmse": 2.2, "r2": 0.4}
        ),
    }
    schedules = {
        title: MonitoringSchedule(
            stack,
            title.title().replace(" ", ""),
            naming=naming,
            name="iris",
            endpoint=endpoint,
            capture=capture,
            network=network,
            artifacts=artifacts,
            quality=quality,
            alarms=alarms,
        )
        for title, quality in watched.items()
    }
    batch = BatchTransform(
        stack,
        "Batch",
        naming=naming,
        name="iris",
        network=network,
        model=model,
        role=role,
        artifacts=artifacts,
        job=TransformJob("batch/in/", "batch/out/"),
        alarms=alarms,
        log_settings=log_settings,
    )
    EndpointDashboard(
        stack,
        "Dashboard",
        endpoint=endpoint.attr_endpoint_name,
        alarms=[batch.failed, *(alarm for each in schedules.values() for alarm in each.all)],
        monitoring={title: each.metrics for title, each in schedules.items()},
    )


@pytest.fixture
def assembly(feature_flags: dict[str, object], tmp_path: Path) -> Path:
    """The templates, which no pack finds anything in: a finding fails the synth."""
    app = App(context=feature_flags, outdir=str(tmp_path / "cdk.out"))
    target = Environment(account=ACCOUNT, region=REGION)
    observe(
        ZonedStack(app, "Data", env=target),
        ZonedStack(app, "Endpoint", env=target),
        Naming("mlops", "blue"),
    )
    attach_packs(app, PACKS)
    app.synth()
    return tmp_path / "cdk.out"


def test_every_pack_and_the_proof_hold(assembly: Path) -> None:
    proof = prove(
        assembly, "blue", account=ACCOUNT, region=REGION, ours=True, rights=examine_rights
    )
    assert [found for found in proof.findings if found.template == "Endpoint.template.json"] == []
    assert not [found for found in proof.findings if found.question is not Question.WAYS]
    jobs = {each.label: each.kind for each in proof.components if "quality" in each.label}
    assert jobs == {"Endpoint data quality": "model", "Endpoint model quality": "model"}
    (s3,) = proof.services
    assert any("what was captured" in caller for caller in s3.callers)
