import subprocess
import sys
from typing import Any

import pytest

from proof.model import Expectations, Finding, Question, Verdict
from proof.rights.patterns import covers
from proof.rights.rights import RolePolicy, examine

ACCOUNT = "222222222222"
OTHER = "333333333333"
HERE = f"eu-west-1:{ACCOUNT}"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"
LAMBDA = {"Service": "lambda.amazonaws.com"}
OBJECT = "arn:aws:s3:::models/*"
LAMBDA_ONLY = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def statement(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    return {
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more}
        ]
    }


def role(name: str, *statements: Any, principal: Any = None, **more: Any) -> RolePolicy:
    more.setdefault("arn", f"{ROLES}/mlops/prod/{name}")
    return RolePolicy(
        role=f"App.{name}",
        policy=f"App.{name}Policy",
        template="App.template.json",
        document={"Statement": list(statements)},
        trust=trust(principal or LAMBDA),
        **more,
    )


def found(*policies: RolePolicy, expected: Expectations | None = None) -> list[Finding]:
    return examine(policies, ACCOUNT, expected)[1]


def rules(*statements: Any, **more: Any) -> set[tuple[str, Verdict]]:
    return {(each.rule, each.verdict) for each in found(role("Role", *statements, **more))}


V, U = Verdict.VIOLATION, Verdict.UNDECIDED

VIOLATING: list[tuple[str, Verdict, Any]] = [
    ("action-wildcard", V, statement("*", OBJECT)),
    ("action-wildcard", V, statement("s3:*", OBJECT)),
    ("action-wildcard", V, statement("s*:GetObject", OBJECT)),
    ("action-wildcard", V, statement("s3:Put*", OBJECT)),
    ("action-wildcard", V, statement("s3:*Object", OBJECT)),
    ("action-wildcard", V, statement("kms:?reateGrant", f"arn:aws:kms:{HERE}:key/a")),
    ("action-wildcard", U, statement("nonsense:Do*", "*")),
    ("resource-wildcard", V, statement("s3:ListBucket", "*")),
    ("resource-wildcard", V, statement("s3:ListBucket", "arn:aws:s3:::*")),
    ("resource-wildcard", V, statement("sagemaker:AddTags", "*")),
    ("resource-wildcard", V, statement(["ec2:DescribeSubnets", "ecr:BatchGetImage"], "*")),
    ("write-wildcard", V, statement("s3:PutObject", "arn:aws:s3:::*/*")),
    ("write-wildcard", V, statement("sagemaker:DeleteEndpoint", "*")),
    ("write-wildcard", V, statement("kms:GenerateDataKey*", "arn:aws:kms:*:*:key/*")),
    (
        "write-wildcard",
        V,
        statement("sqs:SendMessage", "*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
    ),
    (
        "write-wildcard",
        V,
        statement("sqs:SendMessage", Condition={"StringLike": {"aws:ResourceAccount": "*"}}),
    ),
    (
        "write-wildcard",
        V,
        statement(
            "sqs:SendMessage", Condition={"StringEqualsIfExists": {"aws:ResourceAccount": "2"}}
        ),
    ),
    (
        "write-wildcard",
        V,
        statement("sqs:SendMessage", Condition={"StringNotEquals": {"aws:ResourceTag/a": "b"}}),
    ),
    ("exfiltration", V, statement("s3:GetObject", "*")),
    ("exfiltration", V, statement("s3:GetObject", "arn:aws:s3:::*")),
    (
        "exfiltration",
        V,
        statement("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:*"),
    ),
    ("exfiltration", V, statement("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:*/*")),
    ("exposure", V, statement("s3:PutBucketPolicy", "arn:aws:s3:::models")),
    ("exposure", V, statement("s3:DeleteBucketPolicy", "arn:aws:s3:::models")),
    ("exposure", V, statement("kms:PutKeyPolicy", f"arn:aws:kms:{HERE}:key/a")),
    ("exposure", V, statement("kms:CreateGrant", f"arn:aws:kms:{HERE}:key/a")),
    ("exposure", V, statement("ecr:SetRepositoryPolicy", "${App.Repository.Arn}")),
    ("exposure", V, statement("ec2:CreateNetworkInterfacePermission", f"arn:aws:ec2:{HERE}:*/*")),
    ("not-action", V, {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
    ("not-resource", V, {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": OBJECT}),
    ("no-effect", V, {"Action": "s3:GetObject", "Resource": OBJECT}),
    ("no-effect", V, {"Effect": "allow", "Action": "s3:GetObject", "Resource": OBJECT}),
    ("no-effect", V, {"Effect": "Allow", "Resource": OBJECT}),
    ("no-effect", V, {"Effect": "Allow", "Action": "s3:GetObject"}),
    ("no-effect", U, statement("s3:GetObjects", OBJECT)),
    ("no-effect", U, statement("s3:GetObject", "arn:aws:s3:::models")),
    ("no-effect", U, statement("ecr:GetAuthorizationToken", f"arn:aws:ecr:{HERE}:repository/a")),
    ("unreadable", U, "${?}"),
    ("unreadable", U, statement("${?}", OBJECT)),
    ("unreadable", U, statement("s3:GetObject", "${?}")),
    ("unreadable", U, statement("s3:GetObject", "arn:aws:s3:::${?}/*")),
    ("unreadable", U, statement("s3:GetObject", OBJECT, Effect="${?}")),
    ("unreadable", U, statement("s3:GetObject", OBJECT, Condition="${?}")),
    ("unreadable", U, statement("s3:GetObject", OBJECT, Condition={"StringEquals": "${?}"})),
    ("pass-role", V, statement("iam:PassRole", "*", Condition=LAMBDA_ONLY)),
    ("pass-role", V, statement("iam:PassRole", f"{ROLES}/*", Condition=LAMBDA_ONLY)),
    ("pass-role", V, statement("iam:PassRole", f"{ROLES}/mlops/*", Condition=LAMBDA_ONLY)),
    ("pass-role", V, statement("iam:PassRole", f"{ROLES}/mlops/prod/*")),
    (
        "pass-role",
        V,
        statement(
            "iam:PassRole",
            f"{ROLES}/mlops/prod/*",
            Condition={"StringLike": {"iam:PassedToService": "*"}},
        ),
    ),
    ("pass-role", U, statement("iam:PassRole", f"{ROLES}/elsewhere", Condition=LAMBDA_ONLY)),
    ("assume-role", V, statement("sts:AssumeRole", "*")),
    ("assume-role", V, statement("sts:AssumeRole", f"{ROLES}/*")),
    ("escalation", V, statement("iam:PutRolePolicy", f"{ROLES}/mlops/prod/Other")),
    ("escalation", V, statement("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/a")),
    ("escalation", V, statement("iam:UpdateAssumeRolePolicy", "${App.Other.Arn}")),
    ("escalation", U, statement("lambda:UpdateFunctionCode", f"arn:aws:lambda:{HERE}:function:*")),
]


@pytest.mark.parametrize(
    ("rule", "verdict", "spoiled"),
    VIOLATING,
    ids=[f"{number}-{each[0]}" for number, each in enumerate(VIOLATING)],
)
def test_is_found(rule: str, verdict: Verdict, spoiled: Any) -> None:
    findings = [each for each in found(role("Role", spoiled)) if each.rule == f"right.{rule}"]
    assert [each.verdict for each in findings] == [verdict]
    (finding,) = findings
    assert finding.question is Question.RIGHTS
    assert (finding.template, finding.logical_id) == ("App.template.json", "RolePolicy")
    assert finding.path[:2] == ("App.Role", "App.RolePolicy")
    assert finding.says
    assert finding.mend


INNOCENT: list[dict[str, Any]] = [
    statement(["s3:GetObject", "s3:PutObject"], OBJECT),
    statement("s3:GetObject*", "${Data.Bucket.Arn}/*"),
    statement("s3:ListBucket", "arn:aws:s3:::models"),
    statement("s3:GetObject", "arn:aws:s3:::models-*"),
    statement("s3:GetObject", "arn:aws:s3:::models-${?}/*"),
    statement("S3:getobject", OBJECT),
    statement("apigateway:GET", "arn:aws:apigateway:eu-west-1::/apikeys/a1b2c3"),
    statement(["kms:GenerateDataKey*", "kms:ReEncrypt*"], f"arn:aws:kms:{HERE}:key/a"),
    statement(
        ["ec2:DescribeSubnets", "ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"], "*"
    ),
    # Whole accounts are bounds where neither data nor permissions are at stake.
    statement(
        ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"], f"arn:aws:ec2:{HERE}:*/*"
    ),
    statement(["logs:CreateLogStream", "logs:DescribeLogGroups"], f"arn:aws:logs:{HERE}:*"),
    statement("sqs:SendMessage", "*", Condition={"StringEquals": {"aws:ResourceTag/a": "b"}}),
    statement("sqs:SendMessage", "*", Condition={"StringEquals": {"aws:ResourceAccount": ACCOUNT}}),
    statement("ecs:StopTask", "*", Condition={"ArnEquals": {"ecs:cluster": "${App.C.Arn}"}}),
    statement("s3:GetObject", "*", Condition={"StringEquals": {"s3:ResourceTag/a": "b"}}),
    statement(
        "kms:CreateGrant",
        "${Data.Key.Arn}",
        Condition={"Bool": {"kms:GrantIsForAWSResource": True}},
    ),
    statement(
        ["kms:RetireGrant", "lambda:RemovePermission"], ["${A.Key.Arn}", "${A.Function.Arn}"]
    ),
    statement(
        "ec2:CreateNetworkInterfacePermission",
        f"arn:aws:ec2:{HERE}:network-interface/*",
        Condition={"StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"}},
    ),
    statement(
        "iam:PutRolePolicy",
        f"{ROLES}/mlops/prod/*",
        Condition={"ArnEquals": {"iam:PermissionsBoundary": "${App.Boundary.Arn}"}},
    ),
    statement("iam:PassRole", f"{ROLES}/mlops/prod/*", Condition=LAMBDA_ONLY),
    statement("iam:PassRole", "${App.Role.Arn}"),
    statement("sts:AssumeRole", f"{ROLES}/mlops/prod/Other"),
    statement("lambda:UpdateFunctionCode", f"arn:aws:lambda:{HERE}:function:mlops-prod-*"),
    {"Effect": "Deny", "Action": "*", "Resource": "*"},
    {"Effect": "Deny", "NotAction": "s3:GetObject", "NotResource": OBJECT},
]


@pytest.mark.parametrize("innocent", INNOCENT, ids=range(len(INNOCENT)))
def test_is_fine(innocent: dict[str, Any]) -> None:
    assert rules(innocent) == set()


def test_a_right_that_sagemaker_asks_for_is_its_own_only() -> None:
    permission = statement(
        "ec2:CreateNetworkInterfacePermission", f"arn:aws:ec2:{HERE}:network-interface/*"
    )
    assert rules(permission, principal={"Service": "sagemaker.amazonaws.com"}) == set()
    both = {"Service": "sagemaker.amazonaws.com", "AWS": ACCOUNT}
    assert rules(permission, principal=both) == {("right.exposure", V)}


def test_a_right_that_backups_ask_for_is_their_own_only() -> None:
    share = statement("rds:ModifyDBSnapshotAttribute", f"arn:aws:rds:{HERE}:snapshot:awsbackup:*")
    assert rules(share, principal={"Service": "backup.amazonaws.com"}) == set()
    assert rules(share) == {("right.exposure", V)}


def test_what_may_allow_counts_as_if_it_did() -> None:
    unclear = statement("s3:PutBucketPolicy", "arn:aws:s3:::models", Effect="${?}")
    assert rules(unclear) == {("right.unreadable", U), ("right.exposure", V)}


def test_one_sign_does_not_cover_any_text() -> None:
    assert covers("models-*", "models-*")
    assert covers("models-*", "models-a?")
    assert covers("models-?", "models-a")
    assert not covers("models-?", "models-*")


class TestDeny:
    ALLOW = statement("s3:PutBucketPolicy", "arn:aws:s3:::models")

    @pytest.mark.parametrize("resource", ["*", "arn:aws:s3:::models", "arn:aws:s3:::m*"])
    def test_takes_rights_away(self, resource: str) -> None:
        deny = statement("s3:*Policy", resource, Effect="Deny")
        assert rules(self.ALLOW, deny) == set()

    @pytest.mark.parametrize(
        "deny",
        [
            statement("s3:PutBucketPolicy", "arn:aws:s3:::model", Effect="Deny"),
            statement("s3:GetBucketPolicy", "*", Effect="Deny"),
            statement(
                "s3:*", "*", Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}
            ),
            {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::models"},
        ],
    )
    def test_leaves_what_it_does_not_cover(self, deny: dict[str, Any]) -> None:
        assert ("right.exposure", V) in rules(self.ALLOW, deny)

    def test_stands_in_another_policy_of_the_role(self) -> None:
        deny = statement("s3:*", "*", Effect="Deny")
        one = role("Role", self.ALLOW)
        other = RolePolicy(
            "App.Role", "App.More", "App.template.json", {"Statement": deny}, one.trust
        )
        assert found(one, other) == []


class TestBoundary:
    def test_limits_what_policies_allow(self) -> None:
        allow = statement(["s3:PutBucketPolicy", "s3:PutObject"], "*")
        within = {"Statement": statement("s3:PutObject", "*")}
        findings = found(role("Role", allow, boundary=within))
        assert [(each.rule, "s3:PutObject on *." in each.says) for each in findings] == [
            ("right.write-wildcard", True)
        ]

    def test_allows_nothing_itself(self) -> None:
        assert found(role("Role", boundary={"Statement": statement("*", "*")})) == []


def spoiled_trust(principal: Any, **more: Any) -> list[Finding]:
    policy = role("Role")
    changed = RolePolicy(policy.role, policy.role, policy.template, {}, trust(principal, **more))
    return found(changed, expected=Expectations(frozenset({OTHER}), frozenset({OTHER}), "o-1"))


@pytest.mark.parametrize(
    ("principal", "more", "verdict"),
    [
        ("*", {}, V),
        ({"AWS": "*"}, {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-2"}}}, V),
        ({"AWS": "*"}, {"Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}, V),
        ({"AWS": "arn:aws:iam::444444444444:root"}, {}, V),
        ({"AWS": "444444444444"}, {}, V),
        ({"Service": ["lambda.amazonaws.com", "glue.amazonaws.com"]}, {}, V),
        ({"Federated": "accounts.google.com"}, {}, V),
        ({"Federated": "p"}, {"Condition": {"StringEquals": {"p:sub": "repo:a"}}}, U),
        ({"AWS": "${?}"}, {}, U),
        ({"Service": "${?}"}, {}, U),
    ],
)
def test_trusts_too_many(principal: Any, more: dict[str, Any], verdict: Verdict) -> None:
    findings = [each for each in spoiled_trust(principal, **more) if each.rule == "right.trust"]
    assert [(each.verdict, each.logical_id) for each in findings] == [(verdict, "Role")]


def test_trusts_everybody_but_some() -> None:
    body = {"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": "a"}}
    policy = RolePolicy("App.Role", "App.Role", "App.json", {}, {"Statement": body})
    assert [each.rule for each in found(policy)] == ["right.trust"]


@pytest.mark.parametrize(
    ("principal", "more"),
    [
        (LAMBDA, {}),
        ({"AWS": ACCOUNT}, {}),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {}),
        ({"AWS": "arn:${AWS.Partition}:iam::${AWS.AccountId}:root"}, {}),
        ({"AWS": "${App.Deployer.Arn}"}, {}),
        ({"AWS": f"arn:aws:iam::{OTHER}:root"}, {}),
        ("*", {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}),
        ("*", {"Condition": {"ArnLike": {"aws:PrincipalArn": f"{ROLES}/deploy"}}}),
    ],
)
def test_trusts_its_own(principal: Any, more: dict[str, Any]) -> None:
    assert spoiled_trust(principal, **more) == []


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("AdministratorAccess", V), ("AmazonS3FullAccess", V), ("service-role/Basic", U)],
)
def test_an_attached_policy_is_not_seen(name: str, verdict: Verdict) -> None:
    attached = role("Role", managed=(f"arn:aws:iam::aws:policy/{name}",))
    (finding,) = found(attached)
    assert (finding.rule, finding.verdict) == ("right.managed-policy", verdict)
    assert (finding.logical_id, name in finding.says) == ("Role", True)


def test_a_policy_that_is_not_known_at_all_is_undecided() -> None:
    policy = RolePolicy("App.Role", "App.Role", "App.json", "${?}", "${?}")  # type: ignore[arg-type]
    assert {(each.rule, each.verdict) for each in found(policy)} == {("right.unreadable", U)}


class TestTable:
    def test_has_every_statement_that_allows(self) -> None:
        condition = {"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com"]}}
        policy = role(
            "Role",
            statement(["kms:Encrypt", "kms:Decrypt"], "${Data.Key.Arn}", Condition=condition),
            statement("ecr:GetAuthorizationToken", "*"),
            statement("s3:PutObject", "*", Effect="Deny"),
        )
        checked, findings, rights = examine([policy], ACCOUNT)
        assert findings == []
        assert {each.examined for each in checked} == {1, 3}
        token, keys = rights
        assert keys.actions == ("kms:Decrypt", "kms:Encrypt")
        assert keys.resources == ("${Data.Key.Arn}",)
        assert keys.conditions == ("StringEquals kms:ViaService: s3.eu-west-1.amazonaws.com",)
        assert (keys.role, keys.evidence) == ("App.Role", "App.RolePolicy")
        assert keys.trusted == ("lambda.amazonaws.com",)
        assert token.resources == ("* (these actions know no narrower resource)",)

    def test_does_not_hang_on_the_order_of_policies(self) -> None:
        policies = [role(name, statement("*", "*")) for name in ("A", "B", "C")]
        assert examine(policies, ACCOUNT) == examine(reversed(policies), ACCOUNT)

    def test_is_empty_without_roles(self) -> None:
        checked, findings, rights = examine([], "")
        assert ({each.examined for each in checked}, findings, rights) == ({0}, [], [])


def test_the_library_is_loaded_when_it_is_asked() -> None:
    loaded = "{'policy_sentry', 'cloudsplaining'} & set(sys.modules)"
    code = f"import sys, proof.rights.rights; print({loaded})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
