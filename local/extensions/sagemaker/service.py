"""The service put together."""

from local.extensions import hooks
from local.extensions.cloudwatch.alarms import Alarms
from local.extensions.heartbeat import Heartbeat
from local.extensions.sagemaker.asynchronous import AsyncInference
from local.extensions.sagemaker.capture import Capture
from local.extensions.sagemaker.components import Components
from local.extensions.sagemaker.containers import Launcher
from local.extensions.sagemaker.control_plane import SageMaker
from local.extensions.sagemaker.deployer import Deployer, PacedClock
from local.extensions.sagemaker.endpoints import Endpoints
from local.extensions.sagemaker.gauges import MemoryGauge, measure, rest
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.resources import (
    ComponentResource,
    EndpointResource,
    SageMakerResource,
)
from local.extensions.sagemaker.rooms import Rooms
from local.extensions.sagemaker.router import Router
from local.extensions.sagemaker.runtime import Runtime
from local.extensions.sagemaker.transform import TransformJobs, run_from_state_machines
from local.host import Host


def make_sagemaker(host: Host, account: str, alarms: Alarms, heartbeat: Heartbeat) -> SageMaker:
    """SageMaker, as it runs on a machine.

    Parameters
    ----------
    host
        The machine.
    account
        The environment's account.
    alarms
        What turns deployments back.
    heartbeat
        What publishes the metrics.
    """
    records, metrics = Records(), Metrics(hooks.record_metric)
    launcher = Launcher(host, account)
    clock = PacedClock(host.pace)
    deployer = Deployer(records, launcher, clock, alarms, str(host.pace))
    router, capture = Router(metrics), Capture(lambda region: host.client("s3", region))
    router.listeners.append(capture.listen)
    queues = AsyncInference(host.client, router, metrics, host.pace)
    jobs = TransformJobs(records, launcher, router, host.client)
    run_from_state_machines(jobs)
    hooks.let_state_machines_call("sagemaker", "SageMaker")
    endpoints = Endpoints(host, records, deployer)
    components = Components(records, launcher, metrics, Rooms(endpoints.found), clock, alarms)
    runtime = Runtime(endpoints, router, queues, components)
    heartbeat.add(lambda: queues.work(endpoints.in_service()))
    heartbeat.add(lambda: measure(endpoints.in_service, metrics))
    heartbeat.add(lambda: rest(endpoints.in_service, host.pace))
    heartbeat.add(components.measure)
    heartbeat.add(MemoryGauge(endpoints.in_service, components, metrics, host.pace).measure)
    heartbeat.add(metrics.flush)
    heartbeat.add(capture.flush)
    return SageMaker(records, endpoints, jobs, components, runtime)


def sagemaker_resources(sagemaker: SageMaker) -> dict[str, hooks.Resource]:
    """Its resource types, for CloudFormation."""
    return {
        "AWS::SageMaker::Model": SageMakerResource(sagemaker, "Model"),
        "AWS::SageMaker::EndpointConfig": SageMakerResource(sagemaker, "EndpointConfig"),
        "AWS::SageMaker::Endpoint": EndpointResource(sagemaker),
        "AWS::SageMaker::InferenceComponent": ComponentResource(sagemaker),
    }
