"""Which role can do what, where: the rules about rights, and the table of every right.

What is known of IAM's actions comes from a library (ADR 0014); what is judged of it, and why some
of it differs from the library's own report, is written where it is judged: `proof.rights.rules`
for one statement, `proof.rights.roles` for who may assume a role, `proof.rights.paths` for ways
from a role to another.
"""

from collections.abc import Iterable

from proof.model import Expectations, Finding, Question, Right, Rule
from proof.rights.paths import PATH_RULES, judge_paths
from proof.rights.roles import ROLE_RULES, Role, gather, judge_role
from proof.rights.rules import STATEMENT_RULES, judge
from proof.rights.statements import RolePolicy, Statement

__all__ = ["RolePolicy", "examine"]

NO_NARROWER = "* (these actions know no narrower resource)"


def examine(
    policies: Iterable[RolePolicy], account: str, expected: Expectations | None = None
) -> tuple[list[Rule], list[Finding], list[Right]]:
    """Judge what roles may do.

    Parameters
    ----------
    policies
        Every policy of every role of the templates.
    account
        The templates' own account; empty, or ``${AWS.AccountId}``, where it is not known.
    expected
        What was named on purpose: other accounts, and the organization. Nothing, by default.

    Returns
    -------
    tuple
        The rules with how much each examined, the findings, and the rights; all sorted.

    Examples
    --------
    >>> allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    >>> policy = RolePolicy("App.Role", "App.Policy", "App.json", {"Statement": allow})
    >>> rules, findings, rights = examine([policy], "222222222222")
    >>> findings[0].rule, findings[0].says
    ('right.action-wildcard', "'s3:*' allows everything of s3.")
    """
    roles, others, findings = gather(policies)
    allowing = [statement for role in roles for statement in role.statements]
    for statement in (*allowing, *others):
        findings += judge(statement)
    for role in roles:
        findings += judge_role(role, account, expected or Expectations())
    findings += judge_paths(roles, account)
    counts = {rule: len(allowing) + len(others) for rule in STATEMENT_RULES}
    counts |= dict.fromkeys((*ROLE_RULES, *PATH_RULES), len(roles))
    rules = [
        Rule(Question.RIGHTS, rule, says, counts[rule])
        for rule, says in (STATEMENT_RULES | ROLE_RULES | PATH_RULES).items()
    ]
    rights = [_right(role, statement) for role in roles for statement in role.statements]
    return sorted(rules), sorted(set(findings)), sorted(rights)


def _right(role: Role, statement: Statement) -> Right:
    resources = statement.resources or tuple(
        f"everything but {each}" for each in statement.not_resources
    )
    if resources == ("*",) and not any(action.resources for action in statement.spelled):
        resources = (NO_NARROWER,)
    return Right(
        role=role.id,
        trusted=role.trusted,
        actions=tuple(sorted(statement.written)),
        resources=tuple(sorted(resources)),
        conditions=tuple(sorted(str(each) for each in statement.conditions)),
        evidence=statement.source.policy,
    )
