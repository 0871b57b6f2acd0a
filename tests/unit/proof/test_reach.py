"""Which component reaches which, and whether services and endpoints match."""

from pathlib import Path
from typing import Any

import pytest

from proof.model import Expectations, Proof, Reach, Verdict
from proof.reach.components import readable
from proof.services.needs import endpoints_of
from tests.unit.proof.builders import (
    ACCOUNT,
    REGION,
    Resources,
    Templates,
    att,
    closed,
    deny,
    interface,
    marks,
    policy,
    proven,
    ref,
    resource,
    role,
    rule,
)


@pytest.fixture
def proof(tmp_path: Path) -> Proof:
    """The closed system, proven."""
    return proven(tmp_path, closed())


def reached(proof: Proof, source: str, target: str) -> list[Reach]:
    return [found for found in proof.reaches if (found.source, found.target) == (source, target)]


def test_everything_holds_in_the_closed_system(proof: Proof) -> None:
    assert proof.findings == ()
    assert proof.templates == ("App.json", "Network.json")
    assert len(proof.rules) > 80


def test_groups_that_name_each_other_connect(proof: Proof) -> None:
    (found,) = reached(proof, "App.Function", "App.Database")

    assert found.port == "tcp/5432"
    assert found.identity == "App.Role"
    assert found.evidence == ("App.ToDatabase", "App.IntoDatabase")


def test_a_group_is_followed_through_exports(proof: Proof) -> None:
    (found,) = reached(proof, "App.Function", "Network.Secrets")

    assert found.evidence == ("App.Out", "App.In")


def test_a_service_is_reached_as_a_role_through_its_endpoint(proof: Proof) -> None:
    (found,) = reached(proof, "App.Function", "aws:secretsmanager")

    assert found.identity == "App.Role"
    assert found.evidence == ("App.Out", "App.In", "Network.Secrets", "App.Role")
    assert not reached(proof, "App.Function", "aws:execute-api")


def test_buckets_are_reached_through_the_gateway_endpoint(proof: Proof) -> None:
    (service,) = reached(proof, "App.Function", "aws:s3")
    (bucket,) = reached(proof, "App.Function", "App.Bucket")

    assert service.evidence == ("App.Files", "Network.S3", "App.Role")
    assert bucket.evidence == service.evidence


def test_a_private_api_is_reached_through_its_endpoint(proof: Proof) -> None:
    assert reached(proof, "Network.Apis", "App.Api")


def test_components_have_labels_for_people(proof: Proof) -> None:
    labels = {component.id: (component.label, component.kind) for component in proof.components}

    assert labels["App.Database"] == ("Database (postgres)", "database")
    assert labels["Network.S3"] == ("s3 endpoint", "endpoint")
    assert labels["aws:s3"] == ("s3", "service")
    assert readable("MlflowServiceC8B373FD") == "Mlflow service"
    assert readable("PreparationRunbook1AB548427841F1FB") == "Preparation runbook"


@pytest.mark.parametrize("name", ["ToDatabase", "IntoDatabase"])
def test_one_rule_of_two_connects_nothing(tmp_path: Path, name: str) -> None:
    templates = closed()
    del templates["App"]["Resources"][name]

    assert not reached(proven(tmp_path, templates), "App.Function", "App.Database")


def test_a_group_that_is_not_named_connects_nothing(tmp_path: Path) -> None:
    templates = closed()
    resources = templates["App"]["Resources"]
    resources["Other"] = resource(
        "EC2::SecurityGroup", GroupDescription="Other", VpcId={"Fn::ImportValue": "VpcId"}
    )
    resources["IntoDatabase"]["Properties"]["SourceSecurityGroupId"] = att("Other", "GroupId")

    assert not reached(proven(tmp_path, templates), "App.Function", "App.Database")


@pytest.mark.parametrize(("last", "ports"), [(79, []), (90, ["tcp/80-90"]), (80, ["tcp/80"])])
def test_rules_let_through_what_both_allow(tmp_path: Path, last: int, ports: list[str]) -> None:
    templates = closed()
    resources = templates["App"]["Resources"]
    caller, callee = "DatabaseGroup", "FunctionGroup"
    resources["Caller"] = resource(
        "EC2::Instance",
        SubnetId={"Fn::ImportValue": "SubnetId"},
        SecurityGroupIds=[att(caller, "GroupId")],
    )
    resources["A"] = rule(False, att(caller, "GroupId"), att(callee, "GroupId"))
    resources["B"] = rule(True, att(callee, "GroupId"), att(caller, "GroupId"))
    resources["A"]["Properties"].update(FromPort=1, ToPort=last)
    resources["B"]["Properties"].update(FromPort=80, ToPort=8080)
    proof = proven(tmp_path, templates)

    assert [found.port for found in reached(proof, "App.Caller", "App.Function")] == ports


def test_ports_that_do_not_meet_connect_nothing(tmp_path: Path) -> None:
    templates = closed()
    templates["App"]["Resources"]["ToDatabase"]["Properties"].update(FromPort=1, ToPort=1024)

    assert not reached(proven(tmp_path, templates), "App.Function", "App.Database")


def test_ranges_are_matched_against_subnets(tmp_path: Path) -> None:
    templates = closed()
    resources = templates["App"]["Resources"]
    for name, group in (("IntoDatabase", "DatabaseGroup"), ("ToDatabase", "FunctionGroup")):
        resources[name]["Properties"] = {
            "GroupId": att(group, "GroupId"),
            "IpProtocol": "-1",
            "CidrIp": "10.0.0.0/25",
        }
    (found,) = reached(proven(tmp_path / "in", templates), "App.Function", "App.Database")
    assert found.port == "tcp/5432"

    resources["IntoDatabase"]["Properties"]["CidrIp"] = "10.0.9.0/24"
    assert not reached(proven(tmp_path / "out", templates), "App.Function", "App.Database")


def test_a_database_is_asked_for_its_port(tmp_path: Path) -> None:
    templates = closed()
    resources = templates["App"]["Resources"]
    port = att("Database", "Endpoint.Port")
    resources["Database"]["Properties"]["Port"] = "6000"
    for name in ("ToDatabase", "IntoDatabase"):
        resources[name]["Properties"].update(FromPort=port, ToPort=port)

    (found,) = reached(proven(tmp_path, templates), "App.Function", "App.Database")
    assert found.port == "tcp/6000"


def balanced() -> Templates:
    """The closed system with tasks behind a load balancer."""
    templates = closed()
    imported: Any = {"Fn::ImportValue": "SubnetId"}
    groups: Resources = {}
    for name in ("BalancerGroup", "TaskGroup", "CallerGroup"):
        groups[name] = resource(
            "EC2::SecurityGroup",
            GroupDescription=name,
            VpcId={"Fn::ImportValue": "VpcId"},
            SecurityGroupEgress=[{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp"}],
        )

    def between(source: str, target: str, port: int) -> Resources:
        one, other = att(source, "GroupId"), att(target, "GroupId")
        return {
            f"{source}To{target}": rule(False, one, other, port),
            f"{target}From{source}": rule(True, other, one, port),
        }

    endpoints = {"Fn::ImportValue": "GroupId"}
    templates["Network"]["Resources"]["Logs"] = interface("logs", "logs:PutLogEvents")
    templates["Network"]["Resources"]["EcrApi"] = interface("ecr.api", "ecr:BatchGetImage")
    templates["Network"]["Resources"]["EcrDkr"] = interface("ecr.dkr", "ecr:BatchGetImage")
    templates["App"]["Resources"] |= {
        **groups,
        **between("BalancerGroup", "TaskGroup", 8080),
        **between("CallerGroup", "BalancerGroup", 80),
        **between("BalancerGroup", "DatabaseGroup", 5432),
        "TaskOut": rule(False, att("TaskGroup", "GroupId"), endpoints),
        "TaskIn": rule(True, endpoints, att("TaskGroup", "GroupId")),
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            Scheme="internal",
            Subnets=[imported],
            SecurityGroups=[att("BalancerGroup", "GroupId")],
        ),
        "Listener": resource(
            "ElasticLoadBalancingV2::Listener",
            LoadBalancerArn=ref("Balancer"),
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": ref("Targets")}],
        ),
        "Targets": resource("ElasticLoadBalancingV2::TargetGroup", Port=8080),
        "TaskRole": role("ecs-tasks", "logs:PutLogEvents"),
        "Task": resource(
            "ECS::TaskDefinition",
            NetworkMode="awsvpc",
            TaskRoleArn=att("TaskRole"),
            ContainerDefinitions=[
                {
                    "Image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/app:1",
                    "PortMappings": [{"ContainerPort": 8080}],
                    "LogConfiguration": {"LogDriver": "awslogs"},
                    "Secrets": [{"Name": "P", "ValueFrom": ref("Secret")}],
                }
            ],
        ),
        "Secret": resource("SecretsManager::Secret"),
        "SecretPolicy": resource(
            "SecretsManager::ResourcePolicy",
            SecretId=ref("Secret"),
            ResourcePolicy=policy(
                deny(
                    "secretsmanager:GetSecretValue",
                    StringNotEquals={"aws:SourceVpce": {"Fn::ImportValue": "S3Id"}},
                )
            ),
        ),
        "Service": resource(
            "ECS::Service",
            TaskDefinition=ref("Task"),
            LoadBalancers=[{"TargetGroupArn": ref("Targets"), "ContainerPort": 8080}],
            NetworkConfiguration={
                "AwsvpcConfiguration": {
                    "Subnets": [imported],
                    "SecurityGroups": [att("TaskGroup", "GroupId")],
                }
            },
        ),
    }
    return templates


def test_a_load_balancer_reaches_its_targets_only(tmp_path: Path) -> None:
    proof = proven(tmp_path, balanced())
    (found,) = reached(proof, "App.Balancer", "App.Service")
    (caller,) = reached(proof, "App.CallerGroup", "App.Balancer")

    assert proof.findings == ()
    assert found.port == "tcp/8080"
    assert found.evidence[2:] == ("App.Listener", "App.Targets")
    assert caller.port == "tcp/80"
    assert not reached(proof, "App.Balancer", "App.Database")


def runbook(inputs: dict[str, Any], **association: Any) -> Templates:
    """The balanced system, where a runbook runs the task of the service once more."""
    templates = balanced()
    app = templates["App"]["Resources"]
    network = app["Service"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    place = {"subnets": network["Subnets"], "securityGroups": network["SecurityGroups"]}
    step = {
        "name": "Run",
        "action": "aws:executeAwsApi",
        "inputs": {
            "Service": "ecs",
            "Api": "RunTask",
            "networkConfiguration": {"awsvpcConfiguration": place},
            **inputs,
        },
    }
    app["Runbook"] = resource(
        "SSM::Document",
        DocumentType="Automation",
        Content={"schemaVersion": "0.3", "mainSteps": [step, {**step, "name": "Again"}]},
    )
    app["Binding"] = resource("SSM::Association", Name=ref("Runbook"), **association)
    return templates


@pytest.mark.parametrize(
    "association",
    [
        {
            "AutomationTargetParameterName": "Definition",
            "Targets": [{"Key": "ParameterValues", "Values": [ref("Task")]}],
        },
        {"Parameters": {"Definition": [ref("Task")]}},
    ],
)
def test_a_task_that_a_runbook_runs_reaches_what_the_services_do(
    association: dict[str, Any], tmp_path: Path
) -> None:
    proof = proven(tmp_path, runbook({"taskDefinition": "{{ Definition }}"}, **association))

    def ways(source: str) -> set[tuple[str, str, str]]:
        return {
            (reach.target, reach.port, reach.identity)
            for reach in proof.reaches
            if reach.source == source
        }

    assert proof.findings == ()
    assert ways("App.Runbook") == ways("App.Service") != set()
    assert not reached(proof, "App.Balancer", "App.Runbook")


def test_what_a_runbook_runs_may_be_written_out(tmp_path: Path) -> None:
    templates = runbook({"taskDefinition": ref("Task")})
    document = templates["App"]["Resources"]["Runbook"]["Properties"]
    assert reached(proven(tmp_path, templates), "App.Runbook", "aws:logs")

    document["Content"] = "not: JSON"
    proof = proven(tmp_path / "text", templates)
    assert not [reach for reach in proof.reaches if reach.source == "App.Runbook"]


def test_what_a_task_calls_in_any_case_needs_endpoints(tmp_path: Path) -> None:
    templates = balanced()
    for name in ("EcrDkr", "Logs", "Secrets", "S3"):
        del templates["Network"]["Resources"][name]
    templates["Network"]["Outputs"].pop("S3Id")
    findings = [
        finding
        for finding in proven(tmp_path, templates).findings
        if finding.rule == "service.endpoint" and finding.logical_id == "Service"
    ]

    assert {finding.path[-1] for finding in findings} == {
        "aws:ecr.dkr",
        "aws:logs",
        "aws:s3",
        "aws:secretsmanager",
    }
    assert all(finding.verdict is Verdict.VIOLATION and finding.mend for finding in findings)


def test_an_endpoint_that_is_missing_names_its_caller(tmp_path: Path) -> None:
    templates = closed()
    statement = templates["App"]["Resources"]["Role"]["Properties"]["Policies"][0]
    statement["PolicyDocument"]["Statement"][0]["Action"].append("states:StartExecution")
    (finding,) = proven(tmp_path, templates).findings

    assert (finding.rule, finding.logical_id) == ("service.endpoint", "Function")
    assert "states (states:StartExecution)" in finding.says
    assert finding.path == ("App.Function", "App.Role", "aws:states")


def test_an_endpoint_without_a_caller_is_found(tmp_path: Path) -> None:
    templates = closed()
    templates["Network"]["Resources"]["Spare"] = interface("glue", "glue:GetTable")

    assert marks(proven(tmp_path / "ours", templates).findings, Verdict.VIOLATION) == {
        ("service.caller", "Spare")
    }
    assert marks(proven(tmp_path / "others", templates, ours=False).findings) == {
        ("service.caller", "Spare")
    }
    templates["Network"]["Resources"]["Spare"]["Metadata"] = {"Callers": {"jobs": "run there"}}
    proof = proven(tmp_path / "named", templates)
    assert not proof.findings
    assert ("jobs: run there",) in {use.callers for use in proof.services}


def test_a_shared_endpoint_serves(tmp_path: Path) -> None:
    templates = closed()
    del templates["Network"]["Resources"]["Secrets"]
    expected = Expectations(shared_endpoints=(("secretsmanager", "vpce-1"),))
    proof = proven(tmp_path, templates, expectations=expected)

    assert not proof.findings
    (use,) = [use for use in proof.services if use.kind == "shared"]
    assert use.endpoint == "vpce-1"
    assert use.callers == ("App.Role: secretsmanager:GetSecretValue",)


def test_services_have_kinds_and_zones(proof: Proof) -> None:
    table = {use.service: (use.kind, use.zones, use.callers) for use in proof.services}

    assert table["secretsmanager"][:2] == ("interface", 1)
    assert table["s3"][:2] == ("gateway", 0)
    assert table["execute-api"][2] == ("App.Api: a private API",)


def test_a_policy_that_is_not_seen_is_undecided(tmp_path: Path) -> None:
    templates = closed()
    properties = templates["App"]["Resources"]["Role"]["Properties"]
    properties["ManagedPolicyArns"] = [
        "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
        "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",
    ]
    (finding,) = proven(tmp_path, templates).findings

    assert (finding.rule, finding.verdict) == ("service.policy", Verdict.UNDECIDED)
    assert "AmazonSageMakerFullAccess" in finding.says


def test_a_group_that_is_not_seen_is_undecided(tmp_path: Path) -> None:
    templates = closed()
    config = templates["App"]["Resources"]["Function"]["Properties"]["VpcConfig"]
    config["SecurityGroupIds"].append("sg-1")

    assert ("reach.groups", "Function") in marks(
        proven(tmp_path, templates).findings, Verdict.UNDECIDED
    )


@pytest.mark.parametrize(
    ("action", "endpoints"),
    [
        ("ecr:GetAuthorizationToken", ("ecr.api",)),
        ("ecr:BatchGetImage", ("ecr.api", "ecr.dkr")),
        ("ecr:GetDownloadUrlForLayer", ("ecr.api", "ecr.dkr", "s3")),
        ("ecr:*", ("ecr.api", "ecr.dkr", "s3")),
        ("sagemaker:InvokeEndpoint", ("sagemaker.runtime",)),
        ("sagemaker:CallMlflowAppApi", ("sagemaker.mlflow",)),
        ("sagemaker:CreateModel", ("sagemaker.api",)),
        ("cloudwatch:PutMetricData", ("monitoring",)),
        ("iam:PassRole", ()),
        ("kinesis:PutRecord", ("kinesis-streams",)),
        ("unheard-of:Call", ()),
        ("*", ("*",)),
    ],
)
def test_actions_are_called_through_endpoints(action: str, endpoints: tuple[str, ...]) -> None:
    assert endpoints_of(action) == endpoints
