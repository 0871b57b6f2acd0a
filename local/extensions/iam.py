"""IAM between accounts: who takes a role of another account, and what it may do there.

Within an account everybody may do everything here. Where one account reaches into another, the
emulator's own evaluator is asked: for the trust policy of the role that is taken, and for every
request of its sessions, by the role's policies and those of buckets and repositories.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts

Answer = tuple[int, dict[str, str], bytes]
Dispatch = Callable[[str, str, dict[str, str], bytes, dict[str, Any], str], Awaitable[Answer]]


def ask_between_accounts() -> None:
    """Have every request between accounts judged before it is answered."""
    dispatch: Dispatch = app._dispatch_service_request

    async def judged(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        request: str,
    ) -> Answer:
        words = app._routing_params(method, path, headers, body, query)
        service = app.detect_service(method, path, headers, words)
        session = sts._sessions.get(app.extract_access_key_id(headers, query))
        denied = None
        if session and _is_of_another_account(session):
            action = iam_actions.extract_iam_action(service, method, path, headers, body, words)
            resource = iam_actions.extract_resource_arn(
                service, method, path, headers, body, words, get_region(), get_account_id()
            )
            keys = _keys(service, action or "", path, headers, query)
            denied = _judged(session, service, action or f"{service}:?", resource, keys)
        elif service == "sts":
            denied = _taken(headers, query, body)
        if denied:
            return _answer(service, denied, request, headers)
        return await dispatch(method, path, headers, body, query, request)

    app._dispatch_service_request = judged


def _is_of_another_account(session: Mapping[str, Any]) -> bool:
    """Whether a session is a role's that was taken from another account."""
    source = str(session.get("SourcePrincipalArn", ""))
    return source.count(":") > 4 and source.split(":")[4] != session.get("AccountId")


def _keys(
    service: str,
    action: str,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, Any],
) -> dict[str, Any]:
    """What conditions may ask of a request, beside who makes it."""
    if service != "s3":
        return {}
    known = iam_actions.s3_service_context(action, query, path, headers)
    # https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
    signed = "REST-HEADER" if headers.get("authorization") else "REST-QUERY-STRING"
    return {**{key.lower(): value for key, value in known.items()}, "s3:authtype": signed}


def _judged(
    session: Mapping[str, Any], service: str, action: str, resource: str, keys: Mapping[str, Any]
) -> tuple[str, Any] | None:
    """The action that is denied, and why; nothing where it is allowed."""
    account, name = str(session["AccountId"]), str(session["Arn"]).split("/")[1]
    role = iam._roles.get_scoped(account, None, name)
    context = iam_evaluator.EvalContext(
        # What `aws:PrincipalArn` is of a session: the role, with its path.
        principal_arn=role["Arn"] if role else session["Arn"],
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        # Loopback stands for TLS.
        secure_transport=True,
        service_context=dict(keys),
    )
    result = iam_evaluator.evaluate(
        context, iam_evaluator._gather_role_policies(name, account) if role else []
    )
    policy = iam_evaluator._resource_policy(service, resource)
    if policy:
        result = iam_evaluator.combine_resource_policy(result, context, *policy)
    return None if result.decision == "Allow" else (action, (resource, result))


def _taken(
    headers: Mapping[str, str], query: Mapping[str, Any], body: bytes
) -> tuple[str, Any] | None:
    """The denial of a role of another account that does not trust who takes it."""
    words = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    role_arn = words.get("RoleArn", "")
    if words.get("Action") != "AssumeRole" or role_arn.count(":") < 5:
        return None
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    if account == get_account_id():
        return None
    caller = sts._caller_identity(headers, query)
    context = iam_evaluator.EvalContext(
        principal_arn=caller["userArn"],
        principal_type=caller["principalType"],
        principal_account=caller["accountId"],
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=get_region(),
        service_context={"sts:externalid": words.get("ExternalId")},
    )
    role = iam._roles.get_scoped(account, None, name)
    # Whatever is at another path is another role.
    if role and role["Arn"] == role_arn:
        trust = role.get("AssumeRolePolicyDocument", "{}")
        if iam_evaluator.evaluate_trust_policy(trust, caller["userArn"], context):
            return None
    result = iam_evaluator.EvalResult("ImplicitDeny", caller["userArn"])
    return "sts:AssumeRole", (role_arn, result)


def _answer(
    service: str, denied: tuple[str, Any], request: str, headers: Mapping[str, str]
) -> Answer:
    action, (resource, result) = denied
    answer: Answer = iam_actions.access_denied_response(
        service,
        action,
        result.principal_arn,
        request,
        headers=headers,
        resource_arn=resource,
        explicit_deny=result.decision == "Deny",
        resource_policy_arn=result.resource_policy_arn,
    )
    return answer
