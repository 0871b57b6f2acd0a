from typing import Any

import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from mlops_constructs.endpoint_policies import RESOURCES, Principals
from mlops_constructs.faults import FaultsError
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.service_call import SERVICES, ServiceCall
from mlops_constructs.shared_endpoints import HubConnection, SharedEndpoints
from mlops_constructs.tracking_server import TrackingServer
from tests.unit.constructs.conftest import ACCOUNT, Bench

SECRET = ServiceCall(
    "secretsmanager", "task", "reads its secret", ("secretsmanager:GetSecretValue",)
)
FILES = ServiceCall("s3", "task", "keeps files", ("s3:GetObject", "s3:PutObject"))
MODELS = ServiceCall(
    "sagemaker.api", "pipeline", "deploys", ("sagemaker:CreateModel", "sagemaker:UpdateEndpoint")
)


def network(bench: Bench, *calls: ServiceCall, **changes: object) -> PrivateNetwork:
    arguments: dict[str, object] = {
        "vpc": bench.vpc(bench.stack),
        "calls": calls or [SECRET, FILES],
        "naming": bench.naming,
        "principals": Principals(ACCOUNT),
        "s3_prefix_list": "pl-6da54004",
    }
    return PrivateNetwork(bench.stack, "Network", **{**arguments, **changes})  # type: ignore[arg-type]


def policy(bench: Bench, service: str) -> list[dict[str, Any]]:
    """The statements of the policy of a service's endpoint."""
    for endpoint in bench.template().find_resources("AWS::EC2::VPCEndpoint").values():
        if service in str(endpoint["Properties"]["ServiceName"]):
            statements: list[dict[str, Any]] = endpoint["Properties"]["PolicyDocument"]["Statement"]
            return statements
    raise AssertionError(service)


def test_every_service_that_can_be_called_has_its_bounds() -> None:
    assert set(RESOURCES) == set(SERVICES)


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        network(bench)
        return bench.template()

    def test_endpoints_are_private_and_let_declared_calls_of_this_account_through(
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
                        {
                            "Action": "secretsmanager:GetSecretValue",
                            "Effect": "Allow",
                            "Principal": {"AWS": "*"},
                            "Resource": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*",
                            "Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
                        }
                    ]
                },
            },
        )

    def test_s3_endpoint_names_our_buckets_and_ecr_layers_alone(self, bench: Bench) -> None:
        network(bench)
        ours, layers = policy(bench, ".s3")
        assert ours["Resource"] == "arn:aws:s3:::mlops-blue-*"
        assert ours["Condition"] == {
            "StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:ResourceAccount": ACCOUNT}
        }
        assert layers["Action"] == "s3:GetObject"
        assert layers["Resource"] == "arn:aws:s3:::prod-eu-west-1-starport-layer-bucket/*"

    def test_each_endpoint_says_who_calls_and_what_for(self, template: Template) -> None:
        template.has_resource(
            "AWS::EC2::VPCEndpoint",
            {
                "Properties": {"VpcEndpointType": "Interface"},
                "Metadata": {"Callers": {"task": "reads its secret"}},
            },
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
    def test_makes_the_endpoints_that_are_called_and_no_other(self, bench: Bench) -> None:
        made = network(bench, *TrackingServer.CALLS)
        assert set(made.endpoints) == {"logs", "ecr.api", "ecr.dkr", "s3", "secretsmanager"}
        names = {
            endpoint["Properties"]["ServiceName"]
            for endpoint in bench.template().find_resources("AWS::EC2::VPCEndpoint").values()
            if endpoint["Properties"]["VpcEndpointType"] == "Interface"
        }
        assert names == {
            f"com.amazonaws.eu-west-1.{name}"
            for name in ("logs", "ecr.api", "ecr.dkr", "secretsmanager")
        }

    def test_calls_of_several_are_let_through_together(self, bench: Bench) -> None:
        network(
            bench,
            ServiceCall("logs", "a", "logs", ("logs:PutLogEvents",)),
            ServiceCall("logs", "b", "logs too", ("logs:CreateLogStream", "logs:PutLogEvents")),
        )
        (statement,) = policy(bench, ".logs")
        assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]

    def test_models_are_created_in_our_subnets_or_not_at_all(self, bench: Bench) -> None:
        network(bench, MODELS)
        other, create, *denied = policy(bench, "sagemaker.api")
        assert other["Action"] == "sagemaker:UpdateEndpoint"
        assert create["Action"] == "sagemaker:CreateModel"
        assert len(create["Condition"]["ForAllValues:StringEquals"]["sagemaker:VpcSubnets"]) == 2
        assert create["Condition"]["Null"] == {
            "sagemaker:VpcSubnets": "false",
            "sagemaker:VpcSecurityGroupIds": "false",
        }
        assert {statement["Effect"] for statement in denied} == {"Deny"}
        jobs = [it for it in denied if "sagemaker:CreateTrainingJob" in it["Action"]]
        assert [statement["Condition"] for statement in jobs] == [
            {"Null": {"sagemaker:VpcSubnets": "true"}},
            {"Null": {"sagemaker:VpcSecurityGroupIds": "true"}},
        ]

    def test_an_organization_may_pass(self, bench: Bench) -> None:
        network(bench, principals=Principals(ACCOUNT, organization="o-a1b2c3d4e5"))
        (statement,) = policy(bench, "secretsmanager")
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}

    def test_neighbours_of_a_shared_vpc_go_on_as_before(self, bench: Bench) -> None:
        role = "arn:aws:iam::123456789012:role/billing"
        network(bench, principals=Principals(ACCOUNT, neighbours=[role]))
        _, neighbours = policy(bench, "secretsmanager")
        assert neighbours["Action"] == "secretsmanager:*"
        assert neighbours["Condition"] == {
            "ArnLike": {"aws:PrincipalArn": [role]},
            "StringEqualsIfExists": {"aws:ResourceAccount": ACCOUNT},
        }

    def test_an_existing_vpc_gets_endpoints_alone(self, bench: Bench) -> None:
        existing = ec2.Vpc.from_vpc_attributes(
            bench.stack,
            "Existing",
            vpc_id="vpc-0a1b2c3d",
            availability_zones=["eu-west-1a", "eu-west-1b"],
            isolated_subnet_ids=["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
            isolated_subnet_route_table_ids=["rtb-0a1b2c3d", "rtb-1a1b2c3d"],
        )
        network(bench, vpc=existing)
        template = bench.template()
        template.has_resource_properties(
            "AWS::EC2::VPCEndpoint",
            {
                "VpcEndpointType": "Gateway",
                "VpcId": "vpc-0a1b2c3d",
                "RouteTableIds": ["rtb-0a1b2c3d", "rtb-1a1b2c3d"],
            },
        )
        template.has_resource_properties(
            "AWS::EC2::VPCEndpoint",
            {"VpcEndpointType": "Interface", "SubnetIds": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]},
        )

    def test_what_is_shared_is_not_made_again(self, bench: Bench) -> None:
        shared = SharedEndpoints(
            {"secretsmanager": "vpce-1", "s3": "vpce-2"},
            security_groups=["sg-0a1b2c3d"],
            cidrs=["10.250.0.0/24"],
        )
        made = network(bench, shared=shared)
        template = bench.template()
        template.resource_count_is("AWS::EC2::VPCEndpoint", 0)
        assert made.endpoints["secretsmanager"].vpc_endpoint_id == "vpce-1"
        assert made.endpoints["s3"].vpc_endpoint_id == "vpce-2"
        for place in ({"DestinationSecurityGroupId": "sg-0a1b2c3d"}, {"CidrIp": "10.250.0.0/24"}):
            assert "443" in str(
                [
                    rule
                    for rule in _rules(template)
                    if place.items() <= rule.items() and rule["FromPort"] == rule["ToPort"] == 443
                ]
            )

    def test_rules_between_stacks_belong_to_the_later_stack(self, bench: Bench) -> None:
        group = bench.network.security_group(bench.stack, "Group", "Of a later stack")
        bench.network.connect_to_aws(group)
        bench.template().has_resource_properties(
            "AWS::EC2::SecurityGroupIngress", {"FromPort": 443, "ToPort": 443}
        )
        Template.from_stack(bench.neighbours)  # no arrow back: this would raise


class TestBootstrap:
    """What `cdk deploy` asks of its own roles and bucket, where something inside deploys."""

    def test_its_roles_are_let_through_beside_ours(self, bench: Bench) -> None:
        network(
            bench,
            ServiceCall("sts", "a", "asks", ("sts:GetCallerIdentity",)),
            ServiceCall("sts", "cdk", "deploys", ("sts:AssumeRole",), bootstrap=True),
        )
        taken, asked = policy(bench, ".sts")
        assert taken["Resource"] == [
            "arn:aws:iam::123456789012:role/cdk-hnb659fds-deploy-role-123456789012-eu-west-1",
            "arn:aws:iam::123456789012:role/"
            "cdk-hnb659fds-file-publishing-role-123456789012-eu-west-1",
        ]
        assert asked["Resource"] == "*"

    def test_its_bucket_is_this_accounts(self, bench: Bench) -> None:
        network(
            bench, FILES, ServiceCall("s3", "cdk", "publishes", ("s3:PutObject",), bootstrap=True)
        )
        ours, published, _ = policy(bench, ".s3")
        assert "cdk-hnb659fds" not in str(ours["Resource"])
        bucket = "arn:aws:s3:::cdk-hnb659fds-assets-123456789012-eu-west-1"
        assert published["Resource"] == [bucket, f"{bucket}/*"]
        assert published["Condition"]["StringEquals"]["aws:ResourceAccount"] == ACCOUNT

    def test_who_deploys_nothing_reaches_none_of_it(self, bench: Bench) -> None:
        network(bench)
        assert "hnb659fds" not in str(bench.template().find_resources("AWS::EC2::VPCEndpoint"))


def _rules(template: Template) -> list[dict[str, Any]]:
    """Every rule of what may leave, inside of its group or beside it."""
    groups = template.find_resources("AWS::EC2::SecurityGroup").values()
    inside = [r for g in groups for r in g["Properties"].get("SecurityGroupEgress", [])]
    beside = template.find_resources("AWS::EC2::SecurityGroupEgress").values()
    return inside + [rule["Properties"] for rule in beside]


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        unknown = ServiceCall("bedrock", "task", "asks", ("bedrock:InvokeModel",))
        with pytest.raises(FaultsError) as raised:
            network(bench, unknown, shared=SharedEndpoints({"logs": "vpce-1"}))
        assert [fault.path for fault in raised.value.faults] == ["calls", "shared.services.logs"]
        assert "Tested/Network: 2 faults" in str(raised.value)

    def test_a_caller_without_an_endpoint_is_named(self, bench: Bench) -> None:
        made = network(bench, SECRET)
        role = bench.role()
        with pytest.raises(FaultsError) as raised:
            made.require(role, TrackingServer.CALLS)
        assert str(raised.value).startswith("Tested/Role: 4 faults")
        assert "the tracking server pulls its image" in str(raised.value)


class TestHub:
    def test_a_hub_is_reached_by_routes_to_its_endpoints_alone(self, bench: Bench) -> None:
        shared = SharedEndpoints(
            {"logs": "vpce-1"},
            cidrs=["10.250.0.0/24"],
            transit_gateway="tgw-1",
            dns_profile="rp-1",
        )
        HubConnection(bench.stack, "Hub", vpc=bench.vpc(bench.stack), shared=shared, name="mlops")
        template = bench.template()
        template.resource_count_is("AWS::EC2::Route", 2)
        template.all_resources_properties(
            "AWS::EC2::Route",
            {"DestinationCidrBlock": "10.250.0.0/24", "TransitGatewayId": "tgw-1"},
        )
        template.has_resource_properties(
            "AWS::Route53Profiles::ProfileAssociation",
            {"ProfileId": "rp-1", "ResourceId": Match.any_value()},
        )
