"""SageMaker's jobs and models stand in the network, or are not made at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam

CREATE_MODEL = "sagemaker:CreateModel"

# The actions that take a VPC configuration, and can be asked for it by a condition. Updates of a
# cluster or a domain can too, and say nothing of a VPC that stays as it is.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
PLACED = (
    "sagemaker:CreateAutoMLJob",
    "sagemaker:CreateAutoMLJobV2",
    "sagemaker:CreateCluster",
    "sagemaker:CreateDataQualityJobDefinition",
    "sagemaker:CreateDomain",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateModel",
    "sagemaker:CreateModelBiasJobDefinition",
    "sagemaker:CreateModelExplainabilityJobDefinition",
    "sagemaker:CreateModelQualityJobDefinition",
    "sagemaker:CreateNotebookInstance",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateTrainingJob",
)

PLACED_BY_ANOTHER: Mapping[tuple[str, ...], Mapping[str, str]] = {
    # A schedule mostly names a definition, which stands in the VPC. One that holds the job instead
    # says what it runs on.
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MonitoringScheduleConfig.html
    ("sagemaker:CreateMonitoringSchedule", "sagemaker:UpdateMonitoringSchedule"): {
        "sagemaker:InstanceTypes": "false"
    },
    # So do the models of an endpoint. Without one, it is for inference components.
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
    ("sagemaker:CreateEndpointConfig",): {"sagemaker:ModelArn": "true"},
}
"""Actions that have a VPC configuration or name what has: what is null, or not, of the first."""

VPC_KEYS = ("sagemaker:VpcSubnets", "sagemaker:VpcSecurityGroupIds")
"""The two halves of a VPC configuration, as conditions name them."""


def only_in(subnets: Sequence[str], groups: Sequence[str] = ()) -> dict[str, Any]:
    """The condition under which a model or a job stands in a VPC.

    Parameters
    ----------
    subnets
        Ids of the subnets it may stand in; any where there is none.
    groups
        Ids of the security groups it may have; any where there is none.
    """
    # ForAllValues holds for a request without any value: Null asks that there is one.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    named = dict(zip(VPC_KEYS, (list(subnets), list(groups)), strict=True))
    bounded = {key: ids for key, ids in named.items() if ids}
    present = {"Null": dict.fromkeys(VPC_KEYS, "false")}
    return {"ForAllValues:StringEquals": bounded, **present} if bounded else present


def deny_elsewhere(*principals: iam.IPrincipal) -> list[iam.PolicyStatement]:
    """Deny whatever of SageMaker would stand outside of a VPC, whoever else allows it.

    Statements for each half of a VPC configuration: conditions of one statement must all hold.

    Parameters
    ----------
    principals
        Whom the statements are about, in the policy of a resource; in that of a role, nobody.
    """
    return [
        iam.PolicyStatement(
            effect=iam.Effect.DENY,
            principals=list(principals) or None,
            actions=list(actions),
            resources=["*"],
            conditions={"Null": {key: "true", **only}},
        )
        for actions, only in ((PLACED, {}), *PLACED_BY_ANOTHER.items())
        for key in VPC_KEYS
    ]
