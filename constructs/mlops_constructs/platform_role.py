"""A role whose rights are one customer-managed policy."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct


class PlatformRole(iam.Role):
    """A role that keeps what it is granted in a customer-managed policy, not in an inline one.

    A managed policy has versions and an ARN: who audits the account lists it, and sees what it
    said before. Grants are given as to every role.

    Parameters
    ----------
    scope, construct_id
        Where the role stands in the tree.
    assumed_by
        Who may assume it.
    description
        What it is for.
    path
        Its IAM path: the stack's.
    role_name
        Its name, where another account needs to know it. CloudFormation names it otherwise.

    Examples
    --------
    >>> role = PlatformRole(  # doctest: +SKIP
    ...     self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
    ...     description="Invokes the model endpoints")
    >>> store.grant_read(role, "mlflow/1/models/m-1/artifacts/")  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        assumed_by: iam.IPrincipal,
        description: str,
        path: str | None = None,
        role_name: str | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            assumed_by=assumed_by,
            description=description,
            path=path,
            role_name=role_name,
        )
        self._description = description
        self._policy: iam.ManagedPolicy | None = None

    @property
    def policy(self) -> iam.ManagedPolicy:
        """What it is granted. A role without a grant has none: IAM takes no empty policy."""
        if self._policy is None:
            self._policy = iam.ManagedPolicy(
                self, "Policy", description=self._description, roles=[self]
            )
        return self._policy

    def add_to_principal_policy(
        self, statement: iam.PolicyStatement
    ) -> iam.AddToPrincipalPolicyResult:
        """Add a statement to the policy. The CDK's own grants end here too.

        Parameters
        ----------
        statement
            The statement.
        """
        self.policy.add_statements(statement)
        return iam.AddToPrincipalPolicyResult(statement_added=True, policy_dependable=self.policy)


def grant(
    *,
    grantee: iam.IGrantable,
    actions: Sequence[str],
    resource_arns: Sequence[str],
    conditions: Mapping[str, Any] | None = None,
) -> iam.Grant:
    """Let `grantee` do `actions` with some resources.

    What a `PlatformRole` is granted is given to its policy at once. On the way by the role, the
    CDK would ask Python for each statement.

    Parameters
    ----------
    grantee
        Who does it.
    actions
        What is done.
    resource_arns
        What it is done with.
    conditions
        When it may be done.

    Examples
    --------
    >>> grant(grantee=role, actions=["sns:Publish"],  # doctest: +SKIP
    ...       resource_arns=[topic.topic_arn])
    """
    return iam.Grant.add_to_principal(
        grantee=grantee.policy if isinstance(grantee, PlatformRole) else grantee,
        actions=list(actions),
        resource_arns=list(resource_arns),
        conditions=conditions,
    )
