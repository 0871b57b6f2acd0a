from typing import Any

import pytest

from proof.model import Finding, Verdict
from proof.rights.rights import RolePolicy
from tests.unit.proof.test_rights import (
    ACCOUNT,
    HERE,
    LAMBDA,
    LAMBDA_ONLY,
    ROLES,
    found,
    role,
    statement,
)

PASS = statement("iam:PassRole", f"{ROLES}/mlops/prod/*", Condition=LAMBDA_ONLY)
PASS_TO_GLUE = statement(
    "iam:PassRole",
    f"{ROLES}/mlops/prod/*",
    Condition={"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}},
)
FUNCTION = f"arn:aws:lambda:{HERE}:function:mlops-prod-*"
RUN = statement("lambda:CreateFunction", FUNCTION)
GRAVE = statement("iam:PutRolePolicy", f"{ROLES}/mlops/prod/*")
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def ways(*policies: RolePolicy, start: str = "Release") -> list[Finding]:
    """What is found of ways that start at one role."""
    return [
        each
        for each in found(*policies)
        if each.rule == "right.escalation" and each.path[0] == f"App.{start}"
    ]


def test_a_role_that_is_passed_and_run_gives_its_rights() -> None:
    (finding,) = ways(role("Release", PASS, RUN), role("Deploy", GRAVE))
    assert finding.verdict is Verdict.VIOLATION
    assert finding.logical_id == "ReleasePolicy"
    assert finding.path == (
        "App.Release",
        "iam:PassRole and lambda:CreateFunction (App.ReleasePolicy)",
        "App.Deploy",
        "gains iam:PutRolePolicy",
    )
    assert "App.Deploy" in finding.says


@pytest.mark.parametrize(
    "policies",
    [
        # What the service was meant to do with it is no more than that.
        (role("Release", PASS, RUN), role("Model", statement("s3:GetObject", "arn:aws:s3:::a/*"))),
        (role("Release", PASS), role("Deploy", GRAVE)),
        (role("Release", PASS_TO_GLUE, RUN), role("Deploy", GRAVE)),
        (role("Release", RUN), role("Deploy", GRAVE)),
        (role("Release", PASS, RUN), role("Deploy", GRAVE, principal={"Service": "a.b"})),
        (role("Release", PASS, RUN), role("Deploy", GRAVE, arn=f"{ROLES}/mlops/dev/Deploy")),
        (
            role("Release", PASS, RUN),
            role("Deploy", GRAVE, boundary={"Statement": statement("s3:*", "*")}),
        ),
        (role("Release", PASS, statement("lambda:GetFunction", FUNCTION)), role("Deploy", GRAVE)),
    ],
    ids=[
        "narrow",
        "not run",
        "passed elsewhere",
        "not passed",
        "other service",
        "other path",
        "boundary",
        "look",
    ],
)
def test_there_is_no_way(policies: tuple[RolePolicy, ...]) -> None:
    assert ways(*policies) == []


def test_a_way_may_have_several_steps() -> None:
    assume = statement("sts:AssumeRole", f"{ROLES}/mlops/prod/Deploy")
    (finding,) = ways(
        role("Release", PASS, RUN), role("Step", assume), role("Deploy", GRAVE, principal=ROOT)
    )
    assert finding.path == (
        "App.Release",
        "iam:PassRole and lambda:CreateFunction (App.ReleasePolicy)",
        "App.Step",
        "sts:AssumeRole (App.StepPolicy)",
        "App.Deploy",
        "gains iam:PutRolePolicy",
    )


class TestAssuming:
    ASSUME = statement("sts:AssumeRole", f"{ROLES}/mlops/prod/Deploy")

    @pytest.mark.parametrize("principal", [ROOT, {"AWS": ACCOUNT}, {"AWS": "${App.Release.Arn}"}])
    def test_gives_the_rights_of_a_role_that_trusts(self, principal: Any) -> None:
        deploy = role("Deploy", GRAVE, principal=principal)
        assert len(ways(role("Release", self.ASSUME), deploy)) == 1

    @pytest.mark.parametrize("principal", [LAMBDA, {"AWS": "${App.Other.Arn}"}])
    def test_gives_nothing_where_the_role_does_not_trust(self, principal: Any) -> None:
        deploy = role("Deploy", GRAVE, principal=principal)
        assert ways(role("Release", self.ASSUME), deploy) == []

    def test_circles_end(self) -> None:
        back = statement("sts:AssumeRole", f"{ROLES}/mlops/prod/Release")
        one = role("Release", self.ASSUME, principal=ROOT)
        assert ways(one, role("Deploy", back, principal=ROOT)) == []


class TestChanging:
    CHANGE = statement("lambda:UpdateFunctionCode", "${App.Function.Arn}")
    READS = statement("s3:GetObject", "arn:aws:s3:::models/*")
    LOGS = statement("logs:PutLogEvents", "${App.Log.Arn}")

    def test_what_runs_as_a_role_gives_any_right_of_it(self) -> None:
        (finding,) = ways(role("Release", self.CHANGE), role("Function", self.READS))
        assert finding.path[1:3] == (
            "EditExistingLambdaFunctionWithRole (App.ReleasePolicy)",
            "App.Function",
        )
        assert finding.path[3] == "gains s3:GetObject"

    def test_own_rights_and_logs_are_no_gain(self) -> None:
        policies = role("Release", self.CHANGE, self.READS), role("Function", self.READS, self.LOGS)
        assert ways(*policies) == []

    def test_a_wider_right_on_the_same_action_is_a_gain(self) -> None:
        less = statement("s3:GetObject", "arn:aws:s3:::models/a/*")
        assert len(ways(role("Release", self.CHANGE, less), role("Function", self.READS))) == 1

    def test_only_the_role_that_it_runs_as_counts_where_that_is_known(self) -> None:
        runs = role("Function", self.LOGS, runs=("App.Function",))
        other = role("Other", self.READS, runs=("App.Other",))
        assert ways(role("Release", self.CHANGE), runs, other) == []


class TestPassing:
    def passing(self, *policies: RolePolicy) -> list[Finding]:
        return [each for each in found(*policies) if each.rule == "right.pass-role"]

    def test_a_named_role_of_one_service_needs_no_condition(self) -> None:
        named = statement("iam:PassRole", "${App.Model.Arn}")
        assert self.passing(role("Release", named), role("Model")) == []
        two = role("Model", principal={"Service": ["lambda.amazonaws.com", "a.b"]})
        assert len(self.passing(role("Release", named), two)) == 1

    def test_a_path_is_only_known_from_the_roles(self) -> None:
        rootless = role("Release", PASS, arn=f"{ROLES}/Release")
        (finding,) = self.passing(rootless)
        assert "every role that matches" in finding.says


def test_an_administrator_gains_nothing_from_others() -> None:
    findings = ways(role("Release", statement("*", "*")), role("Deploy", GRAVE))
    assert any("It can give itself rights" in each.says for each in findings)
    assert not any("gets at" in each.says for each in findings)
