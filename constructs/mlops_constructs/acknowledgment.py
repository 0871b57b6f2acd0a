"""Acknowledging a finding of cdk-nag, with its reason."""

from collections.abc import Iterator
from typing import cast

from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

CONTROL_PACKS = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
"""The packs that share their rules: each rule has the same name in all that have it."""


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
        reports several, ``AwsSolutions-IAM5[Resource::*]``. A rule without a pack, such as
        ``IAMNoInlinePolicy``, is that rule in the packs of `CONTROL_PACKS`.

    Examples
    --------
    >>> acknowledge(role, "EC2 describes nothing narrower.",  # doctest: +SKIP
    ...             "AwsSolutions-IAM5[Resource::*]")
    """
    rules = [
        Acknowledgment(id=qualified, reason=reason)
        for finding in findings
        for qualified in _qualified(finding)
    ]
    Validations.of(construct).acknowledge(*rules)


def acknowledge_grant(grantee: iam.IGrantable, reason: str, *findings: str) -> None:
    """Accept findings on the role or policy that a grant was given to, because of `reason`.

    Parameters
    ----------
    grantee
        Who the grant was given to. Where it is no construct of this app, there is no finding.
    reason
        Why the grant is as narrow as it can be.
    findings
        Ids of the findings.
    """
    # A role is its own principal; a policy that is attached to nobody yet is what is granted to.
    itself = isinstance(grantee, (iam.Role, iam.ManagedPolicy))
    holder = grantee if itself else grantee.grant_principal
    if itself or Construct.is_construct(holder):
        acknowledge(cast("IConstruct", holder), reason, *findings)


def _qualified(finding: str) -> Iterator[str]:
    """Put the pack before the finding.

    A pack drops what is acknowledged without it; the CDK keeps what is acknowledged with it, and
    its reason, in the report of the synth.
    """
    rule, bracket, part = finding.partition("[")
    if "::" in rule:
        yield finding
    elif "-" in rule:
        yield f"{rule.partition('-')[0]}::{finding}"
    else:
        for pack in CONTROL_PACKS:
            yield f"{pack}::{pack}-{rule}{bracket}{part}"
