"""An Endpoint stack: one SageMaker endpoint, redeployed by itself."""

from typing import Any

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs.async_plan import AsyncPlaces
from mlops_constructs.batch_model import BatchModel
from mlops_constructs.component_endpoint import ComponentEndpoint
from mlops_constructs.component_plan import Fleet
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.endpoint_dashboard import EndpointDashboard
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.monitoring_schedule import MonitoringSchedule
from stacks.config import Environment
from stacks.endpoint_parts import components, containers, qualities, queue, variants
from stacks.foundation import Foundation
from stacks.platform_stack import PlatformStack
from stacks.releases import Release
from stacks.serving_checks import INSTANCES, LEAST_INSTANCES, SERVERLESS


class EndpointStack(PlatformStack):
    """One endpoint, serving the model versions that its release names.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    name
        Name of the endpoint in the configuration.
    release
        What it serves.
    foundation
        What it stands on.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        name: str,
        release: Release,
        foundation: Foundation,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds=f"Endpoint {name}: model {release.summary}",
        )
        settings = environment.endpoints[name]
        network, artifacts, alarms = foundation.network, foundation.artifacts, foundation.alarms
        repositories = foundation.repositories
        common: dict[str, Any] = {
            "naming": environment.naming,
            "name": name,
            "network": network,
            "artifacts": artifacts,
            "log_settings": foundation.log_settings,
            "alarms": alarms,
        }
        if settings.batch:
            model = BatchModel(
                self,
                "Batch",
                containers=containers(settings.parts, release, repositories),
                job=settings.batch.job(settings.instance),
                **common,
            )
            CfnOutput(self, "StateMachineArn", value=model.batch.machine.state_machine_arn)
            return
        capture = DataCapture(artifacts, settings.capture.plan) if settings.capture else None
        common |= {
            "key": foundation.key,
            "limits": settings.limits.plan(settings.kind),
            "deployment": settings.deployment.plan,
            "rollback_alarms": [arn.split(":", 6)[6] for arn in settings.deployment.alarms],
            "capture": capture,
        }
        answers_at_once = settings.kind in ("realtime", "components")
        if answers_at_once and settings.least_instances < LEAST_INSTANCES:
            self.opt_out(INSTANCES, self)
        if settings.components:
            fleet = ComponentEndpoint(
                self,
                "Endpoint",
                fleet=Fleet(
                    settings.instance,
                    settings.components.min_instances,
                    settings.components.max_instances,
                ),
                components=components(settings.components, release, repositories),
                **common,
            )
            EndpointDashboard(
                self,
                "Dashboard",
                endpoint=fleet.endpoint_name,
                components=list(fleet.component_names.values()),
                alarms=fleet.alarms,
            )
            CfnOutput(self, "EndpointName", value=fleet.endpoint_name)
            CfnOutput(self, "Components", value=",".join(fleet.component_names.values()))
            return
        endpoint = ModelEndpoint(
            self,
            "Endpoint",
            variants=list(variants(settings, release, repositories)),
            scaling=settings.scaling.plan if settings.scaling else None,
            asynchronous=queue(settings),
            **common,
        )
        schedules = {
            title: MonitoringSchedule(
                self,
                title.title().replace(" ", ""),
                naming=environment.naming,
                name=name,
                endpoint=endpoint.endpoint,
                capture=capture,
                network=network,
                artifacts=artifacts,
                quality=quality,
                alarms=alarms,
            )
            for title, quality in qualities(settings, release).items()
            if capture  # a check asks for it
        }
        EndpointDashboard(
            self,
            "Dashboard",
            endpoint=endpoint.endpoint_name,
            variants=list(settings.serving),
            kind=settings.kind,
            alarms=[*endpoint.alarms, *(it for each in schedules.values() for it in each.all)],
            monitoring={title: schedule.metrics for title, schedule in schedules.items()},
        )
        if settings.kind == "serverless":
            self.opt_out(SERVERLESS, endpoint)
        if settings.kind == "async":
            places = AsyncPlaces(name)
            CfnOutput(self, "Requests", value=artifacts.uri(places.requests))
            CfnOutput(self, "Answers", value=artifacts.uri(places.answers))
            for kind, topic in endpoint.topics.items():
                CfnOutput(self, f"{kind}Topic", value=topic.topic_arn)
        CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)
