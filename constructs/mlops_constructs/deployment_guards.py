"""A deployment as SageMaker takes it: the traffic's steps, and the alarms that roll it back."""

from collections.abc import Sequence

from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.deployment import Deployment, Strategy

_endpoint = sagemaker.CfnEndpoint

ROUTING = {"all_at_once": "ALL_AT_ONCE", "canary": "CANARY", "linear": "LINEAR"}


def deployment_config(
    deployment: Deployment, strategy: Strategy, alarms: Sequence[str]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """The guard rails of an endpoint.

    Parameters
    ----------
    deployment
        How it is updated.
    strategy
        The strategy that was chosen.
    alarms
        Names of the alarms that roll an update back.

    Examples
    --------
    >>> deployment_config(Deployment(), "canary", ["Errors"])  # doctest: +SKIP
    """
    rollback = _endpoint.AutoRollbackConfigProperty(
        alarms=[_endpoint.AlarmProperty(alarm_name=name) for name in alarms]
    )
    size = _endpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=deployment.step)
    if strategy == "rolling":
        rolling = _endpoint.RollingUpdatePolicyProperty(
            maximum_batch_size=size,
            wait_interval_in_seconds=deployment.bake,
            maximum_execution_timeout_in_seconds=deployment.longest(strategy),
        )
        return _endpoint.DeploymentConfigProperty(
            rolling_update_policy=rolling, auto_rollback_configuration=rollback
        )
    blue_green = _endpoint.BlueGreenUpdatePolicyProperty(
        traffic_routing_configuration=_endpoint.TrafficRoutingConfigProperty(
            type=ROUTING[strategy],
            wait_interval_in_seconds=deployment.bake,
            canary_size=size if strategy == "canary" else None,
            linear_step_size=size if strategy == "linear" else None,
        ),
        termination_wait_in_seconds=deployment.keep,
        maximum_execution_timeout_in_seconds=deployment.longest(strategy),
    )
    return _endpoint.DeploymentConfigProperty(
        blue_green_update_policy=blue_green, auto_rollback_configuration=rollback
    )
