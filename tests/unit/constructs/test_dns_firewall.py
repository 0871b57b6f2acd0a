import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.dns_firewall import DnsFirewall, allowed_domains
from mlops_constructs.service_call import SERVICES
from tests.unit.constructs.conftest import Bench


@pytest.fixture
def template(bench: Bench) -> Template:
    DnsFirewall(
        bench.stack,
        "Dns",
        vpc=bench.vpc(bench.stack),
        region="eu-west-1",
        services=["logs", "ecr.dkr"],
        zones=["bank.internal"],
    )
    return bench.template()


def test_answers_for_what_is_called_and_the_own_zones(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Route53Resolver::FirewallDomainList",
        {
            "Domains": [
                "*.bank.internal",
                "*.dkr.ecr.eu-west-1.amazonaws.com",
                "*.elb.eu-west-1.amazonaws.com",
                "*.eu-west-1.compute.internal",
                "*.eu-west-1.rds.amazonaws.com",
                "*.eu-west-1.vpce.amazonaws.com",
                "bank.internal",
                "logs.eu-west-1.amazonaws.com",
            ]
        },
    )


def test_refuses_everything_else_last(template: Template) -> None:
    template.has_resource_properties("AWS::Route53Resolver::FirewallDomainList", {"Domains": ["*"]})
    template.has_resource_properties(
        "AWS::Route53Resolver::FirewallRuleGroup",
        {
            "FirewallRules": [
                Match.object_like({"Action": "ALLOW", "Priority": 100}),
                Match.object_like({"Action": "BLOCK", "Priority": 200}),
            ]
        },
    )
    template.resource_count_is("AWS::Route53Resolver::FirewallRuleGroupAssociation", 1)


def test_the_names_of_managed_mlflow_stand_in_a_domain_of_their_own() -> None:
    added = set(allowed_domains("eu-west-1", ["sagemaker.mlflow"], []))
    assert added - set(allowed_domains("eu-west-1", [], [])) == {
        "mlflow.sagemaker.eu-west-1.app.aws"
    }


def test_no_domain_is_anybodys() -> None:
    """Whoever runs a domain sees what is asked of it: AWS runs all of these."""
    domains = allowed_domains("eu-west-1", SERVICES, [])
    assert all(
        name.endswith((".amazonaws.com", ".compute.internal", ".app.aws")) for name in domains
    )
    assert all("eu-west-1" in name for name in domains)
