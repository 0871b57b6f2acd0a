import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.isolated_vpc import IsolatedVpc
from tests.unit.constructs.conftest import Bench


def isolated(bench: Bench, **changes: object) -> IsolatedVpc:
    arguments: dict[str, object] = {
        "cidr": "10.9.0.0/16",
        "zones": ["eu-west-1a", "eu-west-1b"],
        "log_settings": bench.log_settings,
    }
    return IsolatedVpc(bench.stack, "Vpc", **{**arguments, **changes})  # type: ignore[arg-type]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        isolated(bench)
        return bench.template()

    def test_has_no_way_out(self, template: Template) -> None:
        for kind in (
            "InternetGateway",
            "NatGateway",
            "EgressOnlyInternetGateway",
            "Route",
            "VPNGateway",
            "EIP",
        ):
            template.resource_count_is(f"AWS::EC2::{kind}", 0)

    def test_makes_one_subnet_in_each_zone_without_public_addresses(
        self, template: Template
    ) -> None:
        template.resource_count_is("AWS::EC2::Subnet", 2)
        template.all_resources_properties(
            "AWS::EC2::Subnet",
            {"MapPublicIpOnLaunch": False, "CidrBlock": Match.string_like_regexp("/24$")},
        )

    def test_logs_every_flow_encrypted(self, template: Template) -> None:
        template.has_resource_properties("AWS::EC2::FlowLog", {"TrafficType": "ALL"})
        template.has_resource_properties(
            "AWS::Logs::LogGroup", {"RetentionInDays": 30, "KmsKeyId": Match.any_value()}
        )

    def test_closes_the_default_group_without_a_function(self, template: Template) -> None:
        template.resource_count_is("AWS::Lambda::Function", 0)
        template.has_resource_properties(
            "AWS::SSM::Association",
            {
                "Name": "AWSConfigRemediation-RemoveVPCDefaultSecurityGroupRules",
                "Targets": [
                    {
                        "Key": "ParameterValues",
                        "Values": [{"Fn::GetAtt": [Match.any_value(), "DefaultSecurityGroup"]}],
                    }
                ],
                "ScheduleExpression": "rate(1 day)",
                "WaitForSuccessTimeoutSeconds": 300,
            },
        )

    def test_the_one_who_closes_it_may_change_that_group_alone(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::IAM::ManagedPolicy",
            {
                "PolicyDocument": {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Action": [
                                        "ec2:RevokeSecurityGroupEgress",
                                        "ec2:RevokeSecurityGroupIngress",
                                    ],
                                    "Resource": {
                                        "Fn::Join": [
                                            "",
                                            [
                                                Match.string_like_regexp(
                                                    "arn:aws:ec2:eu-west-1:123456789012"
                                                    ":security-group/$"
                                                ),
                                                {
                                                    "Fn::GetAtt": [
                                                        Match.any_value(),
                                                        "DefaultSecurityGroup",
                                                    ]
                                                },
                                            ],
                                        ]
                                    },
                                }
                            )
                        ]
                    )
                }
            },
        )

    def test_leaves_the_rest_of_the_account_alone(self, template: Template) -> None:
        template.resource_count_is("AWS::EC2::VPCBlockPublicAccessOptions", 0)


class TestCustom:
    def test_three_zones_of_another_size(self, bench: Bench) -> None:
        isolated(bench, zones=["eu-west-1a", "eu-west-1b", "eu-west-1c"], subnet_prefix=26)
        template = bench.template()
        template.resource_count_is("AWS::EC2::Subnet", 3)
        template.all_resources_properties(
            "AWS::EC2::Subnet", {"CidrBlock": Match.string_like_regexp("/26$")}
        )

    def test_refuses_internet_gateways_in_the_account(self, bench: Bench) -> None:
        isolated(bench, block_public_access=True)
        bench.template().has_resource_properties(
            "AWS::EC2::VPCBlockPublicAccessOptions",
            {"InternetGatewayBlockMode": "block-bidirectional"},
        )


class TestBadInput:
    def test_one_zone_is_not_enough(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            isolated(bench, zones=["eu-west-1a", "eu-west-1a"])
        assert [fault.path for fault in raised.value.faults] == ["zones"]
