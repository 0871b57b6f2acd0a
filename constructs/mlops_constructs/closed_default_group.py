"""The default security group of a VPC, without the rules that it is born with."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.sites import site_of

RUNBOOK = "AWSConfigRemediation-RemoveVPCDefaultSecurityGroupRules"

PATIENCE_SECONDS = 300


class ClosedDefaultGroup(Construct):
    """Takes every rule out of the default group now, and every day again.

    CloudFormation has no resource for the default group, and the CDK's way round is a function
    outside of the VPC. Here Systems Manager runs AWS's own runbook, with a role that may do this
    one thing to this one group:
    https://docs.aws.amazon.com/systems-manager-automation-runbooks/latest/userguide/automation-aws-remove-default-secg-rules.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    vpc
        The VPC whose group it is.

    Examples
    --------
    >>> ClosedDefaultGroup(stack, "DefaultGroup", vpc=vpc)  # doctest: +SKIP
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.Vpc) -> None:
        super().__init__(scope, construct_id)
        role = self._role(vpc.vpc_default_security_group)
        association = ssm.CfnAssociation(
            self,
            "Association",
            name=RUNBOOK,
            automation_target_parameter_name="GroupId",
            targets=[
                ssm.CfnAssociation.TargetProperty(
                    key="ParameterValues", values=[vpc.vpc_default_security_group]
                )
            ],
            parameters={"AutomationAssumeRole": [role.role_arn]},
            max_concurrency="1",
            # The first failure is one too many: with one allowed, the association would succeed.
            # https://docs.aws.amazon.com/systems-manager/latest/userguide/running-automations-scale-controls.html
            max_errors="0",
            schedule_expression="rate(1 day)",
            wait_for_success_timeout_seconds=PATIENCE_SECONDS,
        )
        association.node.add_dependency(role)

    def _role(self, group: str) -> iam.Role:
        site = site_of(self)
        role = PlatformRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "ssm.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site.account}},
            ),
            description="Takes the rules out of the default security group",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
                resources=[site.arn("ec2", f"security-group/{group}")],
            )
        )
        definition = site.arn("ssm", f"automation-definition/{RUNBOOK}:*")
        execution = site.arn("ssm", "automation-execution/*")
        role.add_to_policy(
            iam.PolicyStatement(actions=["ssm:StartAutomationExecution"], resources=[definition])
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["ssm:GetAutomationExecution"], resources=[execution])
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["ec2:DescribeSecurityGroups"], resources=["*"])
        )
        acknowledge(
            role,
            "EC2 describes nothing narrower; a run of the one runbook has no name before it.",
            "AwsSolutions-IAM5[Resource::*]",
            f"AwsSolutions-IAM5[Resource::{definition}]",
            f"AwsSolutions-IAM5[Resource::{execution}]",
        )
        return role
