import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.naming import Naming
from mlops_constructs.tracking_access import Grant, Team, TrackingAccess
from tests.unit.constructs.conftest import Bench

Statements = Callable[[Template], list[dict[str, Any]]]
SECRET = "AWS::SecretsManager::Secret"


def access(bench: Bench, **changes: Any) -> TrackingAccess:
    arguments: dict[str, Any] = {
        "naming": Naming("platform", "blue"),
        "key": kms.Key(bench.stack, "Key"),
    }
    return TrackingAccess(bench.stack, "Access", **{**arguments, **changes})


def declared(found: TrackingAccess) -> Any:
    return json.loads(found.preparation_environment["ACCESS"])


class TestDefault:
    def test_there_is_an_administrator_and_nobody_else(self, bench: Bench) -> None:
        found = access(bench)
        template = bench.template()
        template.resource_count_is(SECRET, 2)
        template.has_resource(
            SECRET,
            {
                "DeletionPolicy": "Retain",
                "Properties": {
                    "Name": "platform-blue/mlflow/administrator",
                    "KmsKeyId": Match.any_value(),
                    "GenerateSecretString": {
                        "SecretStringTemplate": '{"username": "administrator"}',
                        "GenerateStringKey": "password",
                        "PasswordLength": 32,
                        "ExcludePunctuation": True,
                    },
                },
            },
        )
        assert declared(found) == {"users": {}, "teams": {}}

    def test_what_no_permission_names_nobody_may_do(self, bench: Bench) -> None:
        assert access(bench).server_environment["DEFAULT_PERMISSION"] == "NO_PERMISSIONS"

    def test_no_password_stands_in_the_template(self, bench: Bench) -> None:
        access(bench, users=["ana"])
        for secret in bench.template().find_resources(SECRET).values():
            assert "SecretString" not in secret["Properties"]


class TestCustom:
    def test_each_user_has_a_login_and_each_team_its_permissions(self, bench: Bench) -> None:
        grants = [Grant("registered_model", "iris", "manage"), Grant("experiment", "*", "edit")]
        found = access(
            bench,
            users=["ben", "ana"],
            administrators=["ben"],
            teams={"scientists": Team(["ben", "ana"], create=True, grants=grants)},
            default_permission="read",
        )
        bench.template().resource_count_is(SECRET, 4)
        said = declared(found)
        assert {name: user["administrator"] for name, user in said["users"].items()} == {
            "ana": False,
            "ben": True,
        }
        assert said["teams"]["scientists"] == {
            "members": ["ana", "ben"],
            "create": True,
            "grants": [
                {"kind": "experiment", "name": "*", "permission": "EDIT"},
                {"kind": "registered_model", "name": "iris", "permission": "MANAGE"},
            ],
        }
        assert found.server_environment["DEFAULT_PERMISSION"] == "READ"
        assert len(found.secrets) == 4

    def test_the_order_of_the_file_changes_nothing(self, bench: Bench) -> None:
        grants = [Grant("experiment", "b", "edit"), Grant("experiment", "a", "edit")]
        one = access(bench, users=["a", "b"], teams={"t": Team(["a", "b"], False, grants)})
        other = TrackingAccess(
            bench.stack,
            "Other",
            naming=Naming("platform", "green"),
            key=kms.Key(bench.stack, "OtherKey"),
            users=["b", "a"],
            teams={"t": Team(["b", "a"], False, grants[::-1])},
        )
        assert declared(one)["teams"] == declared(other)["teams"]

    def test_the_server_reads_the_key_of_sessions_and_no_password(
        self, bench: Bench, statements: Statements
    ) -> None:
        found = access(bench, users=["ana"])
        role = iam.Role(bench.stack, "R", assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"))
        found.grant_read_keys(role)
        read, decrypt = statements(bench.template())
        assert read["Action"] == "secretsmanager:GetSecretValue"
        assert "Session" in str(read["Resource"])
        assert "User" not in str(read["Resource"])
        assert decrypt["Action"] == "kms:Decrypt"
        assert "kms:ViaService" in str(decrypt["Condition"])

    def test_webhooks_have_a_key_of_their_own_where_there_are_any(
        self, bench: Bench, statements: Statements
    ) -> None:
        found = access(bench, webhooks=True)
        role = iam.Role(bench.stack, "R", assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"))
        found.grant_read_keys(role)
        template = bench.template()
        template.resource_count_is(SECRET, 3)
        read, _ = statements(template)
        assert ["Session" in str(each) for each in read["Resource"]] == [True, False]
        assert "Webhooks" in str(read["Resource"][1])
        assert found.server_environment.keys() >= {"WEBHOOK_KEY_SECRET_ARN"}
        assert found.webhooks in found.secrets

    def test_without_them_there_is_none(self, bench: Bench) -> None:
        found = access(bench)
        assert found.webhooks is None
        assert "WEBHOOK_KEY_SECRET_ARN" not in found.server_environment
        assert len(found.secrets) == 2

    def test_the_preparation_reads_every_password(
        self, bench: Bench, statements: Statements
    ) -> None:
        found = access(bench, users=["ana", "ben"])
        role = iam.Role(bench.stack, "R", assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"))
        found.grant_read_logins(role)
        read, _ = statements(bench.template())
        assert len(read["Resource"]) == 3
        assert "Session" not in str(read["Resource"])


class TestBadInput:
    def test_a_member_who_is_no_user_is_named(self, bench: Bench) -> None:
        with pytest.raises(FaultsError, match="'eve'"):
            access(bench, users=["ana"], teams={"t": Team(["ana", "eve"], False, [])})

    def test_all_faults_come_together(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            access(bench, users=["ana"], administrators=["ben"], default_permission="some")
        assert "'ben'" in str(raised.value)
        assert "'some'" in str(raised.value)
