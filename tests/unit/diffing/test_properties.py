"""What is wider never goes unseen: every request is asked of both policies, one by one."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.grants import grants
from diffing.model import Section
from diffing.widening import compared
from proof.system.policies import statements
from tests.unit.diffing.builders import changed, resource

ACTIONS = ("s3:getobject", "s3:getobjecttagging", "s3:putobject", "kms:decrypt")
RESOURCES = ("arn:aws:s3:::a/1", "arn:aws:s3:::a/2", "arn:aws:s3:::b/1", "arn:aws:kms:::key/1")
TEAMS = (None, "ml", "ops", "ml-dev")
PRINCIPALS = (
    ("AWS", "arn:aws:iam::111111111111:role/one"),
    ("AWS", "arn:aws:iam::222222222222:role/two"),
    ("Service", "s3.amazonaws.com"),
)
Request = tuple[tuple[str, str], str, str, str | None]
REQUESTS: list[Request] = list(product(PRINCIPALS, ACTIONS, RESOURCES, TEAMS))

some_actions = st.lists(
    st.sampled_from([*ACTIONS, "*", "s3:*", "s3:get*", "s3:?etobject", "kms:*"]),
    min_size=1,
    max_size=2,
)
some_resources = st.lists(
    st.sampled_from([*RESOURCES, "*", "arn:aws:s3:::*", "arn:aws:s3:::a/*", "arn:aws:s3:::?/1"]),
    min_size=1,
    max_size=2,
)
some_values = st.lists(st.sampled_from(["ml", "ops", "ml*", "*"]), min_size=1, max_size=2)
conditions = st.builds(
    lambda operator, values: {operator: {"aws:PrincipalTag/team": values}},
    st.sampled_from(
        ["StringEquals", "StringLike", "StringNotEquals", "StringEqualsIfExists", "StringNotLike"]
    ),
    some_values,
)
whom: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"Principal": "*"},
        {"Principal": {"AWS": [PRINCIPALS[0][1]]}},
        {"Principal": {"AWS": [PRINCIPALS[1][1]], "Service": "s3.amazonaws.com"}},
        {"NotPrincipal": {"AWS": [PRINCIPALS[0][1]]}},
    ]
)


@st.composite
def some_statement(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    made[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(some_actions)
    made[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(some_resources)
    made.update(draw(whom))
    if draw(st.booleans()):
        made["Condition"] = draw(conditions)
    return made


policies = st.lists(some_statement(), min_size=1, max_size=3)


def allowed(policy: Iterable[dict[str, Any]]) -> set[Request]:
    """The requests that a policy allows, as IAM decides: a Deny wins."""
    found: dict[str, set[Request]] = {"Allow": set(), "Deny": set()}
    for statement in policy:
        found[statement["Effect"]] |= {each for each in REQUESTS if _means(statement, each)}
    return found["Allow"] - found["Deny"]


def _means(statement: dict[str, Any], request: Request) -> bool:
    principal, action, place, team = request
    return (
        _names(statement, "Principal", lambda named: _is(principal, named))
        and _names(statement, "Action", lambda named: _any(named, action))
        and _names(statement, "Resource", lambda named: _any(named, place))
        and all(
            _holds(operator, values, team)
            for operator, test in statement.get("Condition", {}).items()
            for values in test.values()
        )
    )


def _names(statement: dict[str, Any], name: str, matches: Any) -> bool:
    if name in statement:
        return bool(matches(statement[name]))
    return not matches(statement[f"Not{name}"])


def _is(principal: tuple[str, str], named: Any) -> bool:
    kind, name = principal
    if named == "*":
        return kind == "AWS"
    listed = named.get(kind, [])
    return name in ([listed] if isinstance(listed, str) else listed)


def _any(patterns: list[str], text: str) -> bool:
    return any(fnmatchcase(text, each) for each in patterns)


def _holds(operator: str, values: list[str], team: str | None) -> bool:
    if team is None:
        return operator.endswith("IfExists") or "Not" in operator
    matches = _any(values, team) if "Like" in operator else team in values
    return matches != ("Not" in operator)


@settings(max_examples=800)
@given(before=policies, after=policies)
def test_no_request_is_allowed_anew_and_unseen(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    was, now = (list(grants(statements({"Statement": each}), "source")) for each in (before, after))
    wider, narrower = compared(was, now, frozenset())

    assert wider or allowed(after) <= allowed(before)
    assert narrower or allowed(before) <= allowed(after)


@settings(max_examples=500)
@given(policy=policies)
def test_no_policy_is_wider_than_itself(policy: list[dict[str, Any]]) -> None:
    made = list(grants(statements({"Statement": policy}), "source"))

    assert compared(made, made, frozenset()) == ([], [])


@settings(max_examples=500)
@given(effect=st.sampled_from(["Allow", "Deny"]), before=conditions, after=conditions)
def test_no_condition_lets_more_pass_unseen(
    effect: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    everything: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["*"],
        "Resource": ["*"],
    }
    sides = [[everything, {**everything, "Effect": effect, "Condition": before}]]
    sides.append([everything, {**everything, "Effect": effect, "Condition": after}])
    if effect == "Allow":
        sides = [each[1:] for each in sides]
    was, now = (list(grants(statements({"Statement": each}), "source")) for each in sides)

    wider, _ = compared(was, now, frozenset())

    assert wider or allowed(sides[1]) <= allowed(sides[0])


HOSTS = ("10.0.0.1", "10.0.1.1", "10.1.0.1", "192.168.0.1")
PORTS = (22, 443, 5000)
blocks = st.sampled_from(["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.1.0.0/16", "0.0.0.0/0"])


@st.composite
def some_rule(draw: st.DrawFn) -> dict[str, Any]:
    protocol = draw(st.sampled_from(["tcp", "udp", "-1"]))
    first, last = sorted((draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))))
    ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, "CidrIp": draw(blocks), **ports}


def passes(rules: list[dict[str, Any]]) -> set[tuple[str, str, int]]:
    """The connections that rules let in."""
    return {
        (host, protocol, port)
        for host, protocol, port in product(HOSTS, ("tcp", "udp"), PORTS)
        for each in rules
        if each["IpProtocol"] in (protocol, "-1")
        and each.get("FromPort", 0) <= port <= each.get("ToPort", 65535)
        and _in(host, each["CidrIp"])
    }


def _in(host: str, block: str) -> bool:
    address, _, bits = block.partition("/")
    numbers = [int.from_bytes(bytes(map(int, each.split("."))), "big") for each in (host, address)]
    return numbers[0] >> (32 - int(bits)) == numbers[1] >> (32 - int(bits))


@settings(max_examples=200)
@given(before=st.lists(some_rule(), max_size=3), after=st.lists(some_rule(), max_size=3))
def test_no_connection_passes_anew_and_unseen(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    sides = [
        {"Group": resource("EC2::SecurityGroup", GroupDescription="it", SecurityGroupIngress=each)}
        for each in (before, after)
    ]
    with TemporaryDirectory() as folder:
        summary = changed(Path(folder), *sides)

    widened = [each for each in summary.of(Section.WIDENED) if each.destructive]
    assert widened or passes(after) <= passes(before)


templates = st.dictionaries(
    st.sampled_from(["One", "Two", "Three"]),
    st.builds(
        lambda kind, properties: {"Type": kind, "Properties": properties},
        st.sampled_from(["AWS::S3::Bucket", "AWS::SNS::Topic", "Custom::It", "AWS::IAM::Role"]),
        st.dictionaries(
            st.sampled_from(["Name", "Tags", "Policies", "Role", "RetentionInDays"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(st.sampled_from(["Key", "Ref", "A"]), inner, max_size=2)
                ),
                max_leaves=5,
            ),
            max_size=3,
        ),
    ),
    min_size=1,
)


@settings(max_examples=200)
@given(template=templates)
def test_nothing_changes_where_both_sides_are_the_same(template: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        summary = changed(Path(folder), template, template)

    assert summary.empty
    assert summary.markdown() == ""
