from typing import Any

import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.tls_name import Tls
from mlops_constructs.tracking_server import FILES, TrackingServer
from tests.unit.constructs.conftest import DIGEST, Bench
from tracking_server.settings import DIRECT, PROXIED, Settings
from tracking_server.webhooks import check_address

TASK = "AWS::ECS::TaskDefinition"


def server(bench: Bench, *, webhooks: bool = False, **changes: Any) -> TrackingServer:
    arguments: dict[str, object] = {
        "network": bench.network,
        "repository": bench.repository(),
        "digest": DIGEST,
        "database": bench.database(),
        "artifacts": bench.artifacts(),
        "access": bench.access(webhooks=webhooks),
        "log_settings": bench.log_settings,
    }
    return TrackingServer(bench.stack, "Mlflow", **{**arguments, **changes})


def container(template: Template) -> dict[str, object]:
    task = next(iter(template.find_resources(TASK).values()))
    (only,) = task["Properties"]["ContainerDefinitions"]
    found: dict[str, object] = only
    return found


def attributes(template: Template) -> list[object]:
    balancers = template.find_resources("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    return [a for b in balancers for a in b["Properties"]["LoadBalancerAttributes"]]


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        server(bench)
        return bench.template()

    def test_load_balancer_is_internal(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal", "Type": "network"}
        )

    def test_load_balancer_is_protected(self, template: Template) -> None:
        assert {"Key": "deletion_protection.enabled", "Value": "true"} in attributes(template)

    def test_tasks_have_no_public_address(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::ECS::Service",
            {
                "DesiredCount": 2,
                "NetworkConfiguration": {
                    "AwsvpcConfiguration": Match.object_like({"AssignPublicIp": "DISABLED"})
                },
                "DeploymentConfiguration": Match.object_like(
                    {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}
                ),
            },
        )

    def test_container_is_confined(self, template: Template) -> None:
        found = container(template)
        assert found["ReadonlyRootFilesystem"] is True
        assert found["User"] == "10001"
        assert found["LinuxParameters"] == {
            "Capabilities": {"Drop": ["ALL"]},
            "InitProcessEnabled": True,
        }

    def test_image_is_named_by_digest(self, template: Template) -> None:
        assert DIGEST in str(container(template)["Image"])

    def test_no_secret_enters_the_task_definition(self, template: Template) -> None:
        found = container(template)
        assert "Secrets" not in found
        assert "resolve:secretsmanager" not in str(found)

    def test_environment_is_what_the_image_reads(self, template: Template) -> None:
        given = {
            variable["Name"]: "x" if isinstance(variable["Value"], dict) else variable["Value"]
            for variable in container(template)["Environment"]  # type: ignore[attr-defined]
        }
        settings = Settings.read({**given, "DATABASE_CA": __file__})
        assert settings.workers == 2
        assert given["DATABASE_CONNECTIONS"] == "72"
        assert settings.port == 5000

    def test_clients_reach_the_balancer_and_only_it_the_tasks(self, template: Template) -> None:
        sources = [
            rule["Properties"]["SourceSecurityGroupId"]
            for rule in template.find_resources("AWS::EC2::SecurityGroupIngress").values()
            if rule["Properties"].get("FromPort") == 5000
        ]
        assert len(sources) == 2
        assert all("CidrIp" not in str(source) for source in sources)

    def test_a_failover_of_the_database_is_outlasted(self, template: Template) -> None:
        (group,) = template.find_resources("AWS::ElasticLoadBalancingV2::TargetGroup").values()
        health = group["Properties"]
        assert health["HealthCheckPath"] == "/health"
        assert health["HealthCheckIntervalSeconds"] * health["UnhealthyThresholdCount"] > 120

    def test_no_other_vpc_comes_in(self, template: Template) -> None:
        template.resource_count_is("AWS::EC2::VPCEndpointService", 0)
        template.has_resource_properties(
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": Match.absent()},
        )


class TestEndpointService:
    PRINCIPAL = "arn:aws:iam::210987654321:root"

    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        server(
            bench,
            allowed_principals=[iam.ArnPrincipal(self.PRINCIPAL)],
            private_dns="mlflow.blue.internal",
        )
        return bench.template()

    def test_each_request_of_the_principals_waits_for_acceptance(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::EC2::VPCEndpointService", {"AcceptanceRequired": True}
        )
        template.has_resource_properties(
            "AWS::EC2::VPCEndpointServicePermissions", {"AllowedPrincipals": [self.PRINCIPAL]}
        )

    def test_rules_are_not_asked_about_addresses_of_other_vpcs(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": "off"},
        )

    def test_the_server_knows_both_names(self, template: Template) -> None:
        (hosts,) = [
            variable["Value"]
            for variable in container(template)["Environment"]  # type: ignore[attr-defined]
            if variable["Name"] == "ALLOWED_HOSTS"
        ]
        name, rest = hosts["Fn::Join"][1]
        assert name["Fn::GetAtt"][1] == "DNSName"
        settings = Settings.read(
            {
                "DATABASE_SECRET_ARN": "x",
                "SESSION_SECRET_ARN": "x",
                "ARTIFACTS_DESTINATION": "x",
                "ALLOWED_HOSTS": f"balancer{rest}",
                "DATABASE_CA": __file__,
            }
        )
        assert settings.allowed_hosts == ("balancer", "mlflow.blue.internal")


class TestWebhooks:
    def test_lead_to_apis_of_the_region(self, bench: Bench) -> None:
        server(bench, webhooks=True)
        given = {
            variable["Name"]: variable["Value"]
            for variable in container(bench.template())["Environment"]  # type: ignore[attr-defined]
        }
        assert "Webhooks" in str(given["WEBHOOK_KEY_SECRET_ARN"])
        _, (start, suffix) = given["WEBHOOK_HOSTS"]["Fn::Join"]
        assert suffix == {"Ref": "AWS::URLSuffix"}
        address = f"https://a1b2.{start.removeprefix('.')}amazonaws.com/v1/promotions"
        check_address(address, [f"{start}amazonaws.com"])

    def test_there_are_none_unless_they_are_asked_for(self, bench: Bench) -> None:
        server(bench)
        assert "WEBHOOK" not in str(container(bench.template()))

    def test_need_the_endpoint_of_apis(self, bench: Bench) -> None:
        del bench.network.endpoints["execute-api"]
        with pytest.raises(FaultsError, match="tells of its registry"):
            server(bench, webhooks=True)


class TestFiles:
    def test_go_through_the_server(self, bench: Bench) -> None:
        server(bench)
        assert self.variable(bench) == "proxied"

    def test_go_to_the_bucket_where_that_is_chosen(self, bench: Bench) -> None:
        server(bench, files="direct")
        assert self.variable(bench) == "direct"

    def test_go_no_third_way(self, bench: Bench) -> None:
        with pytest.raises(FaultsError, match="proxied or direct"):
            server(bench, files="presigned")

    def test_are_the_ways_that_the_image_knows(self) -> None:
        assert (PROXIED, DIRECT) == FILES

    def variable(self, bench: Bench) -> object:
        (value,) = [
            variable["Value"]
            for variable in container(bench.template())["Environment"]  # type: ignore[attr-defined]
            if variable["Name"] == "ARTIFACTS"
        ]
        return value


class TestTls:
    TLS = Tls("arn:aws:acm:eu-west-1:123456789012:certificate/1", "mlflow.blue.internal")

    def test_clients_are_shown_the_certificate_and_tasks_are_not(self, bench: Bench) -> None:
        found = server(bench, tls=self.TLS)
        assert found.uri == "https://mlflow.blue.internal:5000"
        template = bench.template()
        template.has_resource_properties(
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "Protocol": "TLS",
                "Port": 5000,
                "Certificates": [{"CertificateArn": self.TLS.certificate}],
                "SslPolicy": Match.string_like_regexp("^ELBSecurityPolicy-TLS13-"),
            },
        )
        template.has_resource_properties(
            "AWS::ElasticLoadBalancingV2::TargetGroup",
            {"Protocol": "TCP", "HealthCheckProtocol": "HTTP", "HealthCheckPath": "/health"},
        )

    def test_the_vpc_and_the_server_know_the_name(self, bench: Bench) -> None:
        server(bench, tls=self.TLS)
        template = bench.template()
        template.has_resource_properties(
            "AWS::Route53::HostedZone",
            {"Name": "mlflow.blue.internal.", "VPCs": [Match.any_value()]},
        )
        template.has_resource_properties(
            "AWS::Route53::RecordSet",
            {"Name": "mlflow.blue.internal.", "Type": "A", "AliasTarget": Match.any_value()},
        )
        assert ",mlflow.blue.internal" in str(container(template)["Environment"])

    def test_tcp_is_passed_on_without_it(self, bench: Bench) -> None:
        assert server(bench).uri.startswith("http://")
        template = bench.template()
        template.has_resource_properties(
            "AWS::ElasticLoadBalancingV2::Listener", {"Protocol": "TCP"}
        )
        template.resource_count_is("AWS::Route53::HostedZone", 0)


class TestCustom:
    def test_sizes(self, bench: Bench) -> None:
        server(bench, cpu=2048, memory_mib=8192, tasks=3, workers=4)
        template = bench.template()
        template.has_resource_properties(TASK, {"Cpu": "2048", "Memory": "8192"})
        template.has_resource_properties("AWS::ECS::Service", {"DesiredCount": 3})
        assert {"Name": "WORKERS", "Value": "4"} in container(template)["Environment"]  # type: ignore[operator]

    def test_load_balancer_may_be_deleted(self, bench: Bench) -> None:
        server(bench, deletion_protection=False)
        protection = {"Key": "deletion_protection.enabled", "Value": "true"}
        assert protection not in attributes(bench.template())


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            server(bench, tasks=0, workers=0, connections=0)
        paths = [fault.path for fault in raised.value.faults]
        assert paths == ["tasks", "workers", "connections"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"private_dns": "mlflow.blue.internal"},
            {"allowed_principals": [iam.ArnPrincipal("arn:aws:iam::210987654321:root")]},
        ],
    )
    def test_principals_and_the_name_come_together(
        self, changes: dict[str, Any], bench: Bench
    ) -> None:
        with pytest.raises(FaultsError, match="private_dns"):
            server(bench, **changes)
