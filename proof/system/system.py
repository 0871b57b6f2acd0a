"""The templates as one system: resources as they would be deployed, in every branch."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from proof.model import Expectations
from proof.system.choices import ChoiceNeeded, Choices, Open
from proof.system.intrinsics import Resolver
from proof.system.templates import Resource, Template
from proof.system.values import ACCOUNT, PLACEHOLDER, Unknown, as_list

MAX_BRANCHES = 64


@dataclass(frozen=True)
class View:
    """A resource as it would be deployed in one branch.

    Parameters
    ----------
    resource
        The resource.
    properties
        Its properties, resolved.
    branch
        The choices that lead here, in words; empty where there is nothing to choose.
    assumed
        Whether a choice goes against a parameter's default.
    """

    resource: Resource
    properties: Any = field(repr=False, hash=False, compare=False)
    branch: tuple[str, ...] = ()
    assumed: bool = False

    @property
    def id(self) -> str:
        """``Template.LogicalId``."""
        return self.resource.id

    @property
    def type(self) -> str:
        """``AWS::EC2::VPC``."""
        return self.resource.type

    def get(self, path: str, default: Any = None) -> Any:
        """One property by its dotted path; unknown where a step on the way is.

        Examples
        --------
        >>> view.get("VpcConfig.Subnets")  # doctest: +SKIP
        ['${Network.Subnet}']
        """
        value = self.properties
        for step in path.split("."):
            if isinstance(value, Unknown):
                return value
            if not isinstance(value, dict) or step not in value:
                return default
            value = value[step]
        return value

    def items(self, path: str) -> list[Any]:
        """One property as a list; empty where it is absent."""
        return as_list(self.get(path))


class System:
    """Every template of a folder, as one system.

    Parameters
    ----------
    templates
        The templates.
    expectations
        What is named on purpose.
    account, region
        Where it is deployed; empty where nobody says.
    ours
        Whether the templates claim to be closed, as an environment of this platform does. Then
        a missing safeguard is a violation, and otherwise it is undecided.
    """

    def __init__(
        self,
        templates: tuple[Template, ...],
        expectations: Expectations | None = None,
        *,
        account: str = "",
        region: str = "",
        ours: bool = False,
    ) -> None:
        self.templates = templates
        self.expectations = expectations or Expectations()
        self.account = account
        self.region = region
        self.ours = ours
        self.resources = {item.id: item for template in templates for item in template.resources}
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources.values():
            self._by_type[resource.type].append(resource)
        self._by_name = {template.name: template for template in templates}
        self._views: dict[str, tuple[View, ...]] = {}
        self._sometimes: set[str] = set()

    def of(self, *types: str) -> list[Resource]:
        """The resources of some types, in the order of the templates."""
        return [resource for kind in types for resource in self._by_type.get(kind, [])]

    def views(self, *types: str) -> Iterator[View]:
        """The resources of some types, in every branch."""
        for resource in self.of(*types):
            yield from self.branches(resource)

    def branches(self, resource: Resource) -> tuple[View, ...]:
        """One resource in every branch that deploys it."""
        if resource.id not in self._views:
            self._views[resource.id] = tuple(self._explore(resource))
        return self._views[resource.id]

    def always(self, resource: Resource) -> bool:
        """Whether every branch deploys a resource, so that what it protects is protected."""
        return bool(self.branches(resource)) and resource.id not in self._sometimes

    def find(self, value: Any, *types: str) -> Resource | None:
        """The resource that a value refers to, where it is one of ours and of these types."""
        match = PLACEHOLDER.fullmatch(str(value))
        resource = self.resources.get(f"{match[1]}.{match[2]}") if match else None
        return resource if resource and (not types or resource.type in types) else None

    def view(self, value: Any, *types: str) -> View | None:
        """What a value refers to, as it is deployed unless somebody chooses otherwise."""
        resource = self.find(value, *types)
        views = self.branches(resource) if resource else ()
        return views[0] if views else None

    def mentioned(self, text: Any, *types: str) -> list[Resource]:
        """Every resource of these types that a text mentions."""
        found = (self.find(match[0], *types) for match in PLACEHOLDER.finditer(str(text)))
        return [resource for resource in found if resource]

    def owns(self, account: str) -> bool | None:
        """Whether an account is ours or named on purpose; ``None`` where nobody can tell."""
        if account == ACCOUNT or account in (self.account, *self.expectations.accounts):
            return True
        if not account.isdigit() or isinstance(account, Unknown):
            return None
        return False if self.account else None

    @cached_property
    def nested(self) -> dict[str, Resource]:
        """The resource that makes a nested stack of a template, by the template's name."""
        by_file = {template.file: template.name for template in self.templates}
        found = {}
        for resource in self.of("AWS::CloudFormation::Stack"):
            address = resource.body.get("Properties", {}).get("TemplateURL", "")
            asset = resource.metadata.get("aws:asset:path", address)
            file = asset.split("?")[0].split("/")[-1] if isinstance(asset, str) else ""
            if file in by_file and by_file[file] != resource.template.name:
                found[by_file[file]] = resource
        return found

    @cached_property
    def _pseudo(self) -> dict[str, str]:
        known = {}
        if self.account:
            known["AWS::AccountId"] = self.account
        if self.region:
            china, gov = self.region.startswith("cn-"), self.region.startswith("us-gov-")
            known["AWS::Region"] = self.region
            known["AWS::Partition"] = "aws-cn" if china else "aws-us-gov" if gov else "aws"
            known["AWS::URLSuffix"] = "amazonaws.com.cn" if china else "amazonaws.com"
        return known

    def _explore(self, resource: Resource) -> Iterator[View]:
        rest: list[dict[Open, Any]] = [{}]
        made = 0
        while rest:
            choices = rest.pop(0)
            try:
                properties = self._deployed(resource, choices)
            except ChoiceNeeded as question:
                what = question.what
                if made + len(rest) + len(what.options) > MAX_BRANCHES:
                    why = Unknown(f"more than {MAX_BRANCHES} branches lead to it")
                    yield View(resource, why, ("in some of its branches",))
                    return
                rest = [{**choices, what: option} for option in what.options] + rest
                continue
            if properties is None:
                self._sometimes.add(resource.id)
            else:
                made += 1
                against = any(
                    what.has_default and option != what.options[0]
                    for what, option in choices.items()
                )
                yield View(resource, properties, _words(choices), against)

    def _deployed(self, resource: Resource, choices: Choices) -> Any:
        """The properties, or ``None`` where this branch does not deploy the resource."""
        resolver = Resolver(self._by_name, self._pseudo, self.nested, choices)
        condition = resource.body.get("Condition")
        if isinstance(condition, str) and not resolver.holds(resource.template, condition):
            return None
        stack = self.nested.get(resource.template.name)
        outer = stack.body.get("Condition") if stack else None
        if stack and isinstance(outer, str) and not resolver.holds(stack.template, outer):
            return None
        return resolver.resolve(resource.template, resource.body.get("Properties", {}))


def _words(choices: Choices) -> tuple[str, ...]:
    return tuple(_word(what, option) for what, option in choices.items())


def _word(what: Open, option: Any) -> str:
    if isinstance(option, bool) and not what.name.startswith("parameter "):
        return what.name if option else f"not ({what.name})"
    default = f", its default is '{what.options[0]}'" if what.has_default else ""
    return f"{what.name} is '{option}'{default if option != what.options[0] else ''}"
