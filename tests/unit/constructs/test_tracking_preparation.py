import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.tracking_preparation import TrackingPreparation
from mlops_constructs.tracking_server import TrackingServer
from tests.unit.constructs.conftest import DIGEST, Bench

DOCUMENT, ASSOCIATION = "AWS::SSM::Document", "AWS::SSM::Association"
Statements = Callable[[Template], list[dict[str, object]]]


def prepare(bench: Bench, digest: str = DIGEST, **access: Any) -> TrackingPreparation:
    database = bench.database()
    users = bench.access(**access)
    server = TrackingServer(
        bench.stack,
        "Mlflow",
        network=bench.network,
        repository=bench.repository(),
        digest=digest,
        database=database,
        artifacts=bench.artifacts(),
        access=users,
        log_settings=bench.log_settings,
    )
    return TrackingPreparation(
        bench.stack,
        "Preparation",
        server=server,
        version=digest,
        database=database,
        naming=bench.naming,
        log_settings=bench.log_settings,
        access=users,
    )


def the(template: Template, kind: str) -> tuple[str, Mapping[str, Any]]:
    ((name, resource),) = template.find_resources(kind).items()
    return name, resource


def environment(template: Template) -> dict[str, Any]:
    (task,) = [
        resource["Properties"]
        for name, resource in template.find_resources("AWS::ECS::TaskDefinition").items()
        if name.startswith("Preparation")
    ]
    (container,) = task["ContainerDefinitions"]
    return {variable["Name"]: variable["Value"] for variable in container["Environment"]}


def names(bench: Bench) -> set[str]:
    """The logical ids of the runbook and its association."""
    template = bench.template()
    return {the(template, DOCUMENT)[0], the(template, ASSOCIATION)[0]}


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        prepare(bench)
        return bench.template()

    def test_the_service_waits_for_the_success_of_the_runbook(self, template: Template) -> None:
        name, association = the(template, ASSOCIATION)
        assert 15 <= association["Properties"]["WaitForSuccessTimeoutSeconds"] <= 172800
        assert association["Properties"]["MaxErrors"] == "0"
        assert name in the(template, "AWS::ECS::Service")[1]["DependsOn"]

    def test_the_runbook_is_run_for_a_task_of_its_own(self, template: Template) -> None:
        document = the(template, DOCUMENT)[0]
        (task,) = [
            name
            for name in template.find_resources("AWS::ECS::TaskDefinition")
            if name.startswith("Preparation")
        ]
        template.has_resource_properties(
            ASSOCIATION,
            {
                "Name": {"Ref": document},
                "AutomationTargetParameterName": "TaskDefinition",
                "Targets": [{"Key": "ParameterValues", "Values": [{"Ref": task}]}],
                "ScheduleExpression": Match.absent(),
            },
        )

    def test_what_the_tasks_need_is_there_before(self, template: Template) -> None:
        needed = set(the(template, ASSOCIATION)[1]["DependsOn"])
        for kind in ("AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress"):
            rules = {name for name in template.find_resources(kind) if "ServerGroup" in name}
            assert {name for name in rules if name.startswith("MlflowServerGroup")} <= needed
        policies = template.find_resources("AWS::IAM::ManagedPolicy")
        assert {name for name in policies if name.startswith("Preparation")} <= needed

    def test_the_tasks_have_what_the_server_has_and_more(self, template: Template) -> None:
        given = environment(template)
        assert given["WORKERS"] == "2"
        assert json.loads(given["ACCESS"]) == {"users": {}, "teams": {}}
        assert given["DATABASE_MASTER_SECRET_ARN"] != given["DATABASE_SECRET_ARN"]

    def test_their_requests_are_not_counted_as_the_services(self, template: Template) -> None:
        template.resource_count_is("AWS::Logs::LogGroup", 2)

    def test_it_may_run_the_one_task_and_take_snapshots_of_one_name(
        self, template: Template, statements: Statements
    ) -> None:
        found = {
            str(statement["Action"]): statement
            for statement in statements(template)
            if re.match(r"ecs:|rds:|iam:", str(statement["Action"]))
        }
        assert set(found) == {
            "ecs:RunTask",
            "ecs:DescribeTasks",
            "iam:PassRole",
            "rds:CreateDBSnapshot",
            "rds:DescribeDBInstances",
        }
        assert "PreparationTaskDefinition" in str(found["ecs:RunTask"]["Resource"])
        assert "ecs:cluster" in str(found["ecs:RunTask"]["Condition"])
        assert "snapshot:mlops-blue-mlflow-before-*" in str(found["rds:CreateDBSnapshot"])
        assert "ecs-tasks.amazonaws.com" in str(found["iam:PassRole"]["Condition"])

    def test_only_systems_manager_of_this_account_acts_as_it(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": Match.object_like(
                    {
                        "Statement": [
                            Match.object_like(
                                {
                                    "Principal": {"Service": "ssm.amazonaws.com"},
                                    "Condition": {
                                        "StringEquals": {"aws:SourceAccount": "123456789012"}
                                    },
                                }
                            )
                        ]
                    }
                )
            },
        )


class TestVersions:
    """Each version has an association of its own: a rollback so runs no old one again."""

    @pytest.fixture
    def other(self, bench: Bench, feature_flags: dict[str, object], tmp_path: Any) -> Bench:
        return Bench(feature_flags, tmp_path / "other")

    def test_the_same_is_named_the_same(self, bench: Bench, other: Bench) -> None:
        prepare(bench)
        prepare(other)
        assert names(bench) == names(other)

    def test_another_image_is_another(self, bench: Bench, other: Bench) -> None:
        prepare(bench)
        prepare(other, f"sha256:{'b' * 64}")
        assert not names(bench) & names(other)

    def test_other_access_is_another(self, bench: Bench, other: Bench) -> None:
        prepare(bench)
        prepare(other, users=["ana"])
        assert not names(bench) & names(other)


class TestCustom:
    def test_the_logins_of_all_users_are_read(self, bench: Bench, statements: Statements) -> None:
        prepare(bench, users=["ana", "ben"])
        template = bench.template()
        logins = {
            name
            for name, secret in template.find_resources("AWS::SecretsManager::Secret").items()
            if "SecretStringTemplate" in secret["Properties"]["GenerateSecretString"]
        }
        assert len(logins) == 3
        (readable,) = [
            str(statement["Resource"])
            for statement in statements(template)
            if "AccessUserana" in str(statement["Resource"])
        ]
        assert all(name in readable for name in logins)
        said = str(environment(template)["ACCESS"])
        assert "AccessUserana" in said
        assert "AccessUserben" in said
