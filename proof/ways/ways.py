"""The rules of the first question: whether there is any way out or in.

Three sorts of things are told apart, and :mod:`proof.ways.checks` says what each comes to:

- What opens a way is always a violation: a gateway, a public address, a route or rule to the
  internet, a public API, a function outside the VPC, a policy open to other accounts.
- What AWS's published private networks lack is a violation only where the templates claim it,
  as our environments do: policies on endpoints, a DNS firewall, groups whose outbound rules
  are written down, a data perimeter, ``aws:SourceAccount`` for services, a closed default group.
- What the templates do not say is undecided.

Network ACLs are judged last: AWS's default lets everything pass, since routes and groups are
what closes a network, so an entry is a finding only where its VPC has a route to the outside.
"""

from proof.model import Finding, Question, Rule, Verdict
from proof.system.system import System, View
from proof.ways import (
    data,
    endpoints,
    jobs,
    names,
    network,
    policies,
    services,
    settings,
    traffic,
)
from proof.ways.checks import Check, Register, Sight, unsure
from proof.ways.services import known

CHECKS: tuple[Check, ...] = (
    *network.RULES,
    *names.RULES,
    *traffic.RULES,
    *endpoints.RULES,
    *settings.RULES,
    *services.RULES,
    *jobs.RULES,
    *policies.RULES,
    *data.RULES,
)
"""Every rule over types that are known, in the order in which they are reported."""

HARMLESS = ("Custom::VpcRestrictDefaultSG",)
"""Custom resources that take rules away, and do nothing else."""

MACRO = "way.macro"


def examine(system: System) -> tuple[list[Rule], list[Finding]]:
    """Judge a system by every rule of this question."""
    rules: list[Rule] = []
    findings: list[Finding] = []
    for check in (*CHECKS, _unknown_types(system)):
        rule, found = check.run(system)
        rules.append(rule)
        findings += found
    macros = list(_macros(system))
    says = "No macro and no loop makes resources that the templates do not show."
    rules.append(Rule(Question.WAYS, MACRO, says, len(system.templates)))
    return rules, findings + macros


def _unknown_types(system: System) -> Check:
    """The rule over types that no other rule knows, custom resources among them."""
    register = Register(Question.WAYS)
    kinds = {resource.type for resource in system.resources.values()}
    unknown = {kind for kind in kinds if not known(kind) and kind not in HARMLESS}
    if "AWS::CloudFormation::CustomResource" in kinds:
        unknown.add("AWS::CloudFormation::CustomResource")

    @register.rule(
        "way.unknown-type",
        *sorted(unknown),
        says="Every resource is of a type whose ways in and out are known.",
        mend="Use a resource of AWS whose properties say what it opens, or review it by hand.",
    )
    def judge(view: View, system: System) -> list[Sight]:
        return [unsure(f"No rule knows what {view.type} opens.")]

    return register.checks[0]


def _macros(system: System) -> list[Finding]:
    return [
        Finding(
            Question.WAYS,
            MACRO,
            template.file,
            where,
            Verdict.UNDECIDED,
            f"{what}, so that not every resource is seen.",
            (f"{template.name}.{where}",),
            "Prove the template that CloudFormation makes of it.",
        )
        for template in system.templates
        for where, what in template.unseen
    ]
