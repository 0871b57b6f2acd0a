"""Acknowledging a finding of cdk-nag, with its reason."""

from typing import cast

from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct


def acknowledge(construct: IConstruct, reason: str, *findings: str) -> None:
    """Accept findings on `construct` and below, because of `reason`.

    Parameters
    ----------
    construct
        The narrowest construct that the findings are about.
    reason
        Why they are right here, and nowhere else by that.
    findings
        Ids of the findings: ``AwsSolutions-ECS2``, or with the part it is about where a rule
        reports several, ``AwsSolutions-IAM5[Resource::*]``.

    Examples
    --------
    >>> acknowledge(role, "EC2 describes nothing narrower.",  # doctest: +SKIP
    ...             "AwsSolutions-IAM5[Resource::*]")
    """
    rules = [Acknowledgment(id=finding, reason=reason) for finding in findings]
    Validations.of(construct).acknowledge(*rules)


def acknowledge_grant(grantee: iam.IGrantable, reason: str, *findings: str) -> None:
    """Accept findings on the role that a grant was given to, because of `reason`.

    Parameters
    ----------
    grantee
        Who the grant was given to. Where it is no construct of this app, there is no finding.
    reason
        Why the grant is as narrow as it can be.
    findings
        Ids of the findings.
    """
    principal = grantee.grant_principal
    if Construct.is_construct(principal):
        acknowledge(cast("IConstruct", principal), reason, *findings)
