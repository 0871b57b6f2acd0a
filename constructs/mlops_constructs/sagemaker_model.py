"""A SageMaker model: its containers in the closed network, isolated from it."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.artifacts import Artifacts
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.container_settings import Invocation
from mlops_constructs.content_name import content_name
from mlops_constructs.model_container import ModelContainer


class SageMakerModel(sagemaker.CfnModel):
    """A model of one to fifteen containers, named by what it holds.

    The containers have no network at all: SageMaker fetches images and files for them, the files
    through the VPC.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    start
        What its name starts with.
    containers
        What it runs. Several are an inference pipeline, or are invoked each by its name.
    instance_type
        What it runs on; empty where AWS chooses.
    invocation
        How several containers are invoked: one after the other, or each by its name.
    role
        What SageMaker acts as.
    artifacts
        The store that has the files.
    subnets
        Where the containers stand; outside of the VPC where there is none.
    group
        Their security group.
    variant
        The variant it is for, where there are several: two may hold the same.

    Attributes
    ----------
    content : dict
        What the model holds.

    Examples
    --------
    >>> SageMakerModel(  # doctest: +SKIP
    ...     self, "Model", start="mlops-blue-iris", containers=[container], role=role,
    ...     instance_type="ml.m5.large", artifacts=artifacts, subnets=ids, group=group)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        start: str,
        containers: Sequence[ModelContainer],
        instance_type: str,
        role: iam.IRole,
        artifacts: Artifacts,
        subnets: Sequence[str],
        group: ec2.ISecurityGroup | None,
        invocation: Invocation = "serial",
        variant: str = "",
    ) -> None:
        definitions = [
            container.definition(scope, artifacts, instance_type) for container in containers
        ]
        content: dict[str, Any] = {"execution_role_arn": role.role_arn}
        if len(definitions) == 1:
            content["primary_container"] = definitions[0]
        else:
            content["containers"] = definitions
        if invocation == "direct":
            content["inference_execution_config"] = (
                sagemaker.CfnModel.InferenceExecutionConfigProperty(mode="Direct")
            )
        if group:
            content["enable_network_isolation"] = True
            content["vpc_config"] = sagemaker.CfnModel.VpcConfigProperty(
                subnets=list(subnets), security_group_ids=[group.security_group_id]
            )
        self.content = content
        named_by = {**content, "variant": variant} if variant else content
        super().__init__(
            scope, construct_id, model_name=content_name(scope, start, named_by), **content
        )
        # SageMaker reads the images and the files with the role while it creates the model.
        self.node.add_dependency(role)


def place_models(scope: Construct, network: ClosedNetwork, role: iam.IRole) -> ec2.ISecurityGroup:
    """Let models stand in the network: their security group.

    Parameters
    ----------
    scope
        Whose models they are.
    network
        The network.
    role
        Their execution role.
    """
    network.grant_attach(role, lend=True)
    group = network.security_group(scope, "ModelGroup", "Model containers")
    network.connect_to_s3(group)
    return group
