"""What the proof is made of: what was asked, what was found, and the evidence.

Everything here is plain data: the engine fills it, the reports print it.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What a finding says of its rule."""

    VIOLATION = "violation"
    """The templates break the rule."""
    UNDECIDED = "undecided"
    """The templates do not say; never counted as fine."""
    WARNING = "warning"
    """The rule holds, and something beside it could be better; it does not count."""


class Question(StrEnum):
    """The four questions, as a reviewer asks them."""

    WAYS = "Is there any way out or in?"
    REACH = "Which component can reach which?"
    RIGHTS = "Which role can do what, where?"
    SERVICES = "Does every service that is called have an endpoint, and every endpoint a caller?"


@dataclass(frozen=True, order=True)
class Finding:
    """One place where a rule does not hold, or cannot be decided.

    Parameters
    ----------
    question
        The question that the rule belongs to.
    rule
        The rule's id: ``way.internet-gateway``.
    template
        File name of the template.
    logical_id
        The resource.
    verdict
        Whether it is a violation, undecided, or a warning.
    says
        What is there, in one sentence.
    path
        The evidence: resources from one end to the other, each ``Template.LogicalId``.
    mend
        What to do about it.
    """

    question: Question
    rule: str
    template: str
    logical_id: str
    verdict: Verdict
    says: str
    path: tuple[str, ...]
    mend: str


@dataclass(frozen=True, order=True)
class Rule:
    """A rule, and how much was examined for it.

    Parameters
    ----------
    question
        The question that it belongs to.
    id
        Its id: ``way.internet-gateway``.
    says
        What holds where nothing is found.
    examined
        How many resources or statements were looked at.
    """

    question: Question
    id: str
    says: str
    examined: int


@dataclass(frozen=True, order=True)
class Component:
    """Something that connections start or end at.

    Parameters
    ----------
    id
        ``Template.LogicalId``, or a name such as ``aws:secretsmanager`` of what no template holds.
    label
        A few words for people: ``MLflow tasks (Fargate)``.
    kind
        What it is: ``task``, ``function``, ``database``, ``load balancer``, ``endpoint``,
        ``service``, ``bucket``, ``api``, ``model``, ``client``, ``group``.
    template
        The template that holds it; empty where none does.
    """

    id: str
    label: str
    kind: str
    template: str


@dataclass(frozen=True, order=True)
class Reach:
    """One component can open a connection to another.

    Parameters
    ----------
    source, target
        Ids of the components.
    port
        Protocol and ports: ``tcp/443``.
    identity
        The role that the source acts as; empty where it has none.
    evidence
        The rules, policies and endpoints that allow it, each ``Template.LogicalId``.
    """

    source: str
    target: str
    port: str
    identity: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Right:
    """What a role can do.

    Parameters
    ----------
    role
        ``Template.LogicalId`` of the role.
    trusted
        Who may assume it: ``ecs-tasks.amazonaws.com``.
    actions
        Actions of one statement.
    resources
        What they apply to, as far as the templates say.
    conditions
        Conditions, as text.
    evidence
        ``Template.LogicalId`` of the policy.
    """

    role: str
    trusted: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, order=True)
class ServiceUse:
    """A service of AWS, its endpoint, and who calls it.

    Parameters
    ----------
    service
        As endpoints name it: ``secretsmanager``, ``ecr.dkr``, ``s3``.
    endpoint
        ``Template.LogicalId`` of the endpoint, or its id where it is shared; empty where none.
    kind
        ``interface``, ``gateway`` or ``shared``; empty where there is no endpoint.
    zones
        In how many zones it stands.
    callers
        Roles, clients and APIs that call it, each with why.
    """

    service: str
    endpoint: str
    kind: str
    zones: int
    callers: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Acknowledgment:
    """A finding of a rule pack that was accepted with a reason.

    Parameters
    ----------
    rule
        The finding: ``AwsSolutions-IAM5[Resource::*]``.
    construct
        Path of the construct.
    reason
        Why it is right there.
    """

    rule: str
    construct: str
    reason: str


@dataclass(frozen=True)
class Expectations:
    """What an environment's configuration names on purpose; of other templates, nothing.

    Parameters
    ----------
    attachments
        Ids of transit gateways and peerings that routes may lead to, and of others' VPCs and
        endpoints that data may be reached from.
    accounts
        Accounts, besides the templates' own, that policies may name.
    organization
        Id of the organization that policies may name; empty where none.
    shared_endpoints
        Service to id of the endpoint that is reached elsewhere: in the VPC already, or in a hub's.
    reasons
        Why the configuration does without a safe default, by its key.
    price
        Dollars that one interface endpoint costs in one zone for one hour; 0 where unknown.
    """

    attachments: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    organization: str = ""
    shared_endpoints: tuple[tuple[str, str], ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    price: float = 0.0


@dataclass(frozen=True)
class Proof:
    """The answers for one set of templates.

    Parameters
    ----------
    subject
        Name of the environment, or of the folder.
    templates
        File names of the templates.
    rules
        Every rule that was checked.
    findings
        Where a rule does not hold, sorted. Nothing here but warnings: everything holds.
    components, reaches
        Which component can reach which.
    rights
        Which role can do what.
    services
        Which service is called through which endpoint.
    acknowledgments
        What the rule packs found and was accepted.
    expectations
        What was named on purpose.
    """

    subject: str
    templates: tuple[str, ...]
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    components: tuple[Component, ...]
    reaches: tuple[Reach, ...]
    rights: tuple[Right, ...]
    services: tuple[ServiceUse, ...]
    acknowledgments: tuple[Acknowledgment, ...] = ()
    expectations: Expectations = field(default_factory=Expectations)

    @property
    def violations(self) -> tuple[Finding, ...]:
        """What breaks a rule."""
        return tuple(found for found in self.findings if found.verdict is Verdict.VIOLATION)

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """What the templates do not say."""
        return tuple(found for found in self.findings if found.verdict is Verdict.UNDECIDED)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What could be better."""
        return tuple(found for found in self.findings if found.verdict is Verdict.WARNING)
