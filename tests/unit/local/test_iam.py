"""Whoever reaches from one account into another is judged, and nobody else."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from ministack import app
from ministack.core.responses import request_scope
from ministack.services import iam, s3, sts

from local.extensions.iam import ask_between_accounts

HERE, THERE = "000000000000", "333333333333"
PATH, BUCKET = "/mlops/blue/", "mlops-blue-records"
ROLE = f"arn:aws:iam::{THERE}:role{PATH}reader"
DELIVERY = f"arn:aws:sts::{HERE}:assumed-role/delivery/any"
OK: tuple[int, dict[str, str], bytes] = (200, {}, b"answered")


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def denied_elsewhere(role: str) -> str:
    """A perimeter that lets in what a role signs itself."""
    whole = {"Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    elsewhere = {"aws:SourceVpce": "vpce-1"}
    others = {"ArnNotLike": {"aws:PrincipalArn": role}, "StringNotEquals": elsewhere}
    links = {
        "ArnLike": {"aws:PrincipalArn": role},
        "StringNotEquals": {**elsewhere, "s3:authType": "REST-HEADER"},
    }
    statements = [{"Effect": "Deny", **whole, "Condition": it} for it in (others, links)]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A role there that delivery may take to read a bucket, and sessions of both."""

    async def answered(*_: object) -> tuple[int, dict[str, str], bytes]:
        return OK

    monkeypatch.setattr(app, "_dispatch_service_request", answered)
    ask_between_accounts()
    trust = policy(
        Action="sts:AssumeRole",
        Principal={"AWS": f"arn:aws:iam::{HERE}:role/delivery"},
        Condition={"StringEquals": {"sts:ExternalId": "word"}},
    )
    reads = policy(Action="s3:GetObject", Resource=f"arn:aws:s3:::{BUCKET}/records/*")
    with request_scope(THERE, "eu-west-1"):
        iam._roles["reader"] = {
            "Arn": ROLE,
            "AssumeRolePolicyDocument": trust,
            "InlinePolicies": {"reads": reads},
        }
        s3._buckets[BUCKET] = {"objects": {}}
        s3._bucket_policies[BUCKET] = denied_elsewhere(ROLE)
    for key, account, role, source in (
        ("ASIADELIVERY", HERE, "delivery", f"arn:aws:iam::{HERE}:root"),
        ("ASIAOTHER", HERE, "other", f"arn:aws:iam::{HERE}:root"),
        ("ASIAREADER", THERE, "reader", DELIVERY),
    ):
        sts._sessions[key] = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/any",
            "UserId": "any",
            "AccountId": account,
            "SourcePrincipalArn": source,
        }
    yield
    for store in (iam._roles, s3._buckets, s3._bucket_policies):
        store.clear()
    sts._sessions.clear()


def ask(
    key: str, service: str, method: str, path: str, body: bytes = b"", linked: bool = False
) -> tuple[int, bytes]:
    """What is answered to a request that is signed with a key."""
    scope = f"{key}/20260101/eu-west-1/{service}/aws4_request"
    headers = {"host": f"{service}.eu-west-1.amazonaws.com", "content-type": "text/plain"}
    query: dict[str, Any] = {}
    if linked:
        algorithm = "AWS4-HMAC-SHA256"
        query = {"X-Amz-Credential": [scope], "X-Amz-Algorithm": [algorithm]}
    else:
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"
    if service == "sts":
        headers["content-type"] = "application/x-www-form-urlencoded"
    session = sts._sessions.get(key)
    with request_scope(session["AccountId"] if session else HERE, "eu-west-1"):
        status, _, answer = asyncio.run(
            app._dispatch_service_request(method, path, headers, body, query, "request")
        )
    return status, answer


def take(key: str, role: str = ROLE, **words: str) -> int:
    asked = {"Action": "AssumeRole", "RoleArn": role, "RoleSessionName": "any", **words}
    return ask(key, "sts", "POST", "/", urlencode(asked).encode())[0]


class TestTaking:
    def test_whom_it_trusts_with_the_word(self) -> None:
        assert take("ASIADELIVERY", ExternalId="word") == 200

    @pytest.mark.parametrize("words", [{}, {"ExternalId": "another"}])
    def test_not_without_it(self, words: dict[str, str]) -> None:
        assert take("ASIADELIVERY", **words) == 403

    @pytest.mark.parametrize("key", ["ASIAOTHER", "local"])
    def test_nobody_else(self, key: str) -> None:
        assert take(key, ExternalId="word") == 403

    def test_one_that_is_not_there_or_elsewhere(self) -> None:
        for role in (ROLE.replace("reader", "other"), ROLE.replace(PATH, "/")):
            assert take("ASIADELIVERY", role, ExternalId="word") == 403

    def test_one_of_the_account_is_not_asked_about(self) -> None:
        assert take("local", f"arn:aws:iam::{HERE}:role/any") == 200


class TestRequests:
    def test_what_its_policy_allows(self) -> None:
        assert ask("ASIAREADER", "s3", "GET", f"/{BUCKET}/records/iris.yaml") == (200, b"answered")

    @pytest.mark.parametrize(
        ("service", "method", "path"),
        [
            ("s3", "GET", f"/{BUCKET}/attempts/iris.json"),
            ("s3", "PUT", f"/{BUCKET}/records/iris.yaml"),
            ("s3", "GET", f"/{BUCKET}"),
        ],
    )
    def test_nothing_else(self, service: str, method: str, path: str) -> None:
        status, answer = ask("ASIAREADER", service, method, path)
        assert status == 403
        assert b"AccessDenied" in answer

    def test_a_link_is_refused_by_the_bucket(self) -> None:
        path = f"/{BUCKET}/records/iris.yaml"
        assert ask("ASIAREADER", "s3", "GET", path, linked=True)[0] == 403

    def test_a_bucket_that_lets_another_in(self) -> None:
        with request_scope(THERE, "eu-west-1"):
            s3._bucket_policies[BUCKET] = denied_elsewhere(f"{ROLE}-of-another")
        assert ask("ASIAREADER", "s3", "GET", f"/{BUCKET}/records/iris.yaml")[0] == 403

    def test_within_an_account_nobody_is_asked(self) -> None:
        for key in ("local", "ASIADELIVERY"):
            assert ask(key, "s3", "PUT", "/any/thing") == (200, b"answered")
