import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.private_network import PrivateNetwork
from tests.unit.constructs.conftest import Bench


def network(bench: Bench, **changes: object) -> PrivateNetwork:
    arguments: dict[str, object] = {
        "cidr": "10.9.0.0/16",
        "zones": ["eu-west-1a", "eu-west-1b"],
        "services": {"secretsmanager": "a task reads its secret"},
        "naming": bench.naming,
        "s3_prefix_list": "pl-6da54004",
        "log_settings": bench.log_settings,
    }
    return PrivateNetwork(bench.stack, "Network", **{**arguments, **changes})  # type: ignore[arg-type]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        network(bench)
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

    def test_endpoints_are_private_and_let_through_this_account_alone(
        self, template: Template
    ) -> None:
        template.has_resource_properties(
            "AWS::EC2::VPCEndpoint",
            {
                "ServiceName": "com.amazonaws.eu-west-1.secretsmanager",
                "PrivateDnsEnabled": True,
                "VpcEndpointType": "Interface",
                "PolicyDocument": {
                    "Statement": [
                        Match.object_like(
                            {
                                "Effect": "Allow",
                                "Condition": {
                                    "StringEquals": {"aws:PrincipalAccount": "123456789012"}
                                },
                            }
                        )
                    ]
                },
            },
        )

    def test_s3_endpoint_names_our_buckets_and_ecr_layers_alone(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::EC2::VPCEndpoint",
            {
                "VpcEndpointType": "Gateway",
                "PolicyDocument": {
                    "Statement": [
                        Match.object_like({"Resource": "arn:aws:s3:::mlops-blue-*"}),
                        Match.object_like(
                            {
                                "Action": "s3:GetObject",
                                "Resource": "arn:aws:s3:::prod-eu-west-1-starport-layer-bucket/*",
                            }
                        ),
                    ]
                },
            },
        )

    def test_logs_every_flow_encrypted(self, template: Template) -> None:
        template.has_resource_properties("AWS::EC2::FlowLog", {"TrafficType": "ALL"})
        template.has_resource_properties(
            "AWS::Logs::LogGroup", {"RetentionInDays": 30, "KmsKeyId": Match.any_value()}
        )

    def test_no_group_names_an_address(self, template: Template) -> None:
        groups = template.find_resources("AWS::EC2::SecurityGroup")
        rules = [
            rule
            for group in groups.values()
            for side in ("SecurityGroupIngress", "SecurityGroupEgress")
            for rule in group["Properties"].get(side, [])
        ]
        # CDK writes a rule that nothing can match where a group has no way out.
        open_rules = [r for r in rules if "CidrIp" in r and r["CidrIp"] != "255.255.255.255/32"]
        assert open_rules == []


class TestCustom:
    def test_three_zones_of_another_size(self, bench: Bench) -> None:
        network(bench, zones=["eu-west-1a", "eu-west-1b", "eu-west-1c"], subnet_prefix=26)
        template = bench.template()
        template.resource_count_is("AWS::EC2::Subnet", 3)
        template.all_resources_properties(
            "AWS::EC2::Subnet", {"CidrBlock": Match.string_like_regexp("/26$")}
        )

    def test_makes_the_endpoints_that_are_asked_for_and_no_other(self, bench: Bench) -> None:
        made = network(bench, services={"logs": "a", "ecr.api": "b", "sagemaker.runtime": "c"})
        assert set(made.interface_endpoints) == {"logs", "ecr.api", "sagemaker.runtime"}
        names = {
            endpoint["Properties"]["ServiceName"]
            for endpoint in bench.template().find_resources("AWS::EC2::VPCEndpoint").values()
            if endpoint["Properties"].get("VpcEndpointType") == "Interface"
        }
        assert names == {
            f"com.amazonaws.eu-west-1.{name}" for name in ("logs", "ecr.api", "sagemaker.runtime")
        }

    def test_rules_between_stacks_belong_to_the_later_stack(self, bench: Bench) -> None:
        group = bench.network.security_group(bench.stack, "Group", "Of a later stack")
        bench.network.connect_to_aws(group)
        bench.template().has_resource_properties(
            "AWS::EC2::SecurityGroupIngress", {"FromPort": 443, "ToPort": 443}
        )
        Template.from_stack(bench.neighbours)  # no arrow back: this would raise


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            network(bench, zones=["eu-west-1a", "eu-west-1a"], services={"bedrock": "x"})
        assert [fault.path for fault in raised.value.faults] == ["zones", "services"]
        assert "Tested/Network: 2 faults" in str(raised.value)
