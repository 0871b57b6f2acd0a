import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from mlops_constructs.client_network import ACTIONS, ClientNetwork
from mlops_constructs.faults import FaultsError
from tests.unit.constructs.conftest import Bench

ENDPOINT = "AWS::EC2::VPCEndpoint"
SERVICE = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0"


def client(bench: Bench, **changes: object) -> ClientNetwork:
    scope = bench.stack
    arguments: dict[str, object] = {
        "vpc": ec2.Vpc.from_vpc_attributes(
            scope, "Vpc", vpc_id="vpc-0a1b2c3d", availability_zones=["eu-west-1a"]
        ),
        "subnets": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
        "clients": [
            ec2.SecurityGroup.from_security_group_id(scope, "Group", "sg-0a1b2c3d", mutable=False)
        ],
        "services": ["sagemaker.api", "sagemaker.runtime"],
        "naming": bench.naming,
        "platform": bench.neighbours,
        "endpoint_service": SERVICE,
        "private_dns": "mlflow.blue.internal",
    }
    return ClientNetwork(scope, "Network", **{**arguments, **changes})  # type: ignore[arg-type]


def endpoint(template: Template, service: str) -> dict[str, object]:
    (found,) = [
        entry["Properties"]
        for entry in template.find_resources(ENDPOINT).values()
        if entry["Properties"]["ServiceName"] == service
    ]
    properties: dict[str, object] = found
    return properties


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        client(bench)
        return bench.template()

    def test_endpoints_stand_in_the_clients_subnets(self, template: Template) -> None:
        template.resource_count_is(ENDPOINT, 3)
        template.all_resources_properties(
            ENDPOINT,
            {
                "VpcId": "vpc-0a1b2c3d",
                "VpcEndpointType": "Interface",
                "SubnetIds": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
            },
        )

    def test_what_is_let_through_is_the_platforms(self, template: Template) -> None:
        for service in ("api", "runtime"):
            policy = endpoint(template, f"com.amazonaws.eu-west-1.sagemaker.{service}")
            for statement in policy["PolicyDocument"]["Statement"]:  # type: ignore[index]
                if statement["Effect"] == "Allow":
                    account = {"aws:PrincipalAccount": "123456789012"}
                    assert statement["Condition"]["StringEquals"] == account
                    assert "mlops-blue-*" in str(statement["Resource"])

    def test_the_name_is_an_alias_of_the_endpoint_in_a_zone_of_its_own(
        self, template: Template
    ) -> None:
        template.has_resource_properties(
            "AWS::Route53::HostedZone",
            {
                "Name": "mlflow.blue.internal.",
                "VPCs": [{"VPCId": "vpc-0a1b2c3d", "VPCRegion": Match.any_value()}],
            },
        )
        template.has_resource_properties(
            "AWS::Route53::RecordSet",
            {
                "Name": "mlflow.blue.internal",
                "Type": "A",
                "AliasTarget": {"DNSName": Match.any_value(), "HostedZoneId": Match.any_value()},
            },
        )

    def test_only_the_clients_groups_come_in(self, template: Template) -> None:
        rules = [
            rule["Properties"]
            for rule in template.find_resources("AWS::EC2::SecurityGroupIngress").values()
        ]
        assert {(r["SourceSecurityGroupId"], r["FromPort"], r["ToPort"]) for r in rules} == {
            ("sg-0a1b2c3d", 443, 443),
            ("sg-0a1b2c3d", 5000, 5000),
        }
        template.all_resources_properties(
            "AWS::EC2::SecurityGroup", {"SecurityGroupIngress": Match.absent()}
        )

    def test_the_clients_vpc_is_left_as_it_is(self, template: Template) -> None:
        template.resource_count_is("AWS::EC2::SecurityGroupEgress", 0)
        template.resource_count_is("AWS::EC2::Route", 0)


class TestCustom:
    def test_images_can_be_pushed_through_the_endpoints(self, bench: Bench) -> None:
        client(bench, services=["ecr.api", "ecr.dkr"])
        template = bench.template()
        for service in ("ecr.api", "ecr.dkr"):
            policy = str(endpoint(template, f"com.amazonaws.eu-west-1.{service}"))
            assert "ecr:PutImage" in policy
            assert "arn:aws:ecr:eu-west-1:123456789012:repository/mlops/blue/*" in policy

    def test_s3_keeps_its_own_name_for_the_neighbours(self, bench: Bench) -> None:
        client(bench, services=["s3", "ecr.api"])
        template = bench.template()
        s3 = endpoint(template, "com.amazonaws.eu-west-1.s3")
        assert s3["PrivateDnsEnabled"] is False
        assert "arn:aws:s3:::mlops-blue-*" in str(s3["PolicyDocument"]).replace("', '", "")
        assert endpoint(template, "com.amazonaws.eu-west-1.ecr.api")["PrivateDnsEnabled"] is True

    def test_every_service_has_a_policy(self, bench: Bench) -> None:
        made = client(bench, services=ACTIONS)
        assert set(made.interface_endpoints) == set(ACTIONS)
        for service in ACTIONS:
            assert made.interface_endpoints[service].policy_document is not None


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            client(bench, subnets=[], clients=[], services=["ec2", "s3"])
        assert [fault.path for fault in raised.value.faults] == ["subnets", "clients", "services"]


class TestManaged:
    """Where AWS runs MLflow, its own service gets an endpoint, and keeps its own name."""

    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        client(bench, endpoint_service="", private_dns="")
        return bench.template()

    def test_mlflow_is_one_more_service_of_aws(self, template: Template) -> None:
        template.resource_count_is(ENDPOINT, 3)
        template.resource_count_is("AWS::Route53::HostedZone", 0)
        mlflow = endpoint(template, "aws.sagemaker.eu-west-1.mlflow")
        assert mlflow["PrivateDnsEnabled"] is True
        (statement,) = mlflow["PolicyDocument"]["Statement"]  # type: ignore[index]
        assert statement["Action"] == "sagemaker:CallMlflowAppApi"
        assert ":123456789012:mlflow-app/*" in str(statement["Resource"])

    def test_clients_call_no_port_of_a_server(self, template: Template) -> None:
        rules = template.find_resources("AWS::EC2::SecurityGroupIngress").values()
        assert {rule["Properties"]["FromPort"] for rule in rules} == {443}


@pytest.mark.parametrize("missing", ["endpoint_service", "private_dns"])
def test_a_service_and_its_name_come_together(missing: str, bench: Bench) -> None:
    with pytest.raises(FaultsError, match="neither where AWS runs MLflow"):
        client(bench, **{missing: ""})
