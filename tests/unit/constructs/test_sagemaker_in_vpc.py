from aws_cdk import aws_iam as iam
from policy_sentry.querying.actions import get_actions_matching_condition_key

from mlops_constructs.sagemaker_in_vpc import (
    PLACED,
    PLACED_BY_ANOTHER,
    VPC_KEYS,
    deny_elsewhere,
    only_in,
)

UPDATES = {"sagemaker:UpdateCluster", "sagemaker:UpdateDomain"}
"""They say nothing of a VPC that stays as it is."""


def test_every_action_that_takes_a_vpc_is_known() -> None:
    by_another = {action for actions in PLACED_BY_ANOTHER for action in actions}
    taking = get_actions_matching_condition_key("sagemaker", "sagemaker:VpcSubnets")
    assert set(taking) == {*PLACED, *by_another, *UPDATES}


def test_each_half_of_a_vpc_configuration_is_asked_for() -> None:
    conditions = [
        (statement.actions, statement.conditions)
        for statement in deny_elsewhere(iam.AnyPrincipal())
    ]
    schedules = ["sagemaker:CreateMonitoringSchedule", "sagemaker:UpdateMonitoringSchedule"]
    holds_the_job, no_model = {"sagemaker:InstanceTypes": "false"}, {"sagemaker:ModelArn": "true"}
    assert conditions == [
        (actions, {"Null": {key: "true", **only}})
        for actions, only in (
            (list(PLACED), {}),
            (schedules, holds_the_job),
            (["sagemaker:CreateEndpointConfig"], no_model),
        )
        for key in VPC_KEYS
    ]


def test_a_place_without_bounds_is_a_place() -> None:
    assert only_in([]) == {"Null": dict.fromkeys(VPC_KEYS, "false")}
