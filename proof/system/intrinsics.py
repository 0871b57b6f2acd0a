"""Intrinsic functions and conditions, resolved as far as the templates say.

A parameter with one possible value is that value. Where it could have several, and where a
condition hangs on something that nobody knows, the resolver asks for a choice: whoever
resolves goes through every choice, so that a way that opens in any branch is seen.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from mlops_constructs.faults import Fault, raise_faults
from proof.system.choices import ChoiceNeeded, Choices, Open
from proof.system.templates import Resource, Template
from proof.system.values import Unknown, alike, as_list, joined

MAX_OPTIONS = 8
MAX_TEXT = 100_000
NOTHING = object()
"""What ``AWS::NoValue`` resolves to; it never leaves a mapping or a list."""

_SUB = re.compile(r"\$\{(!?[^{}]*)\}")


class Resolver:
    """Resolves values of every template of a system, under one set of choices.

    Parameters
    ----------
    templates
        Every template, by its name.
    pseudo
        Pseudo parameters that the caller knows: ``{"AWS::Region": "eu-west-1"}``.
    nested
        The resource that makes a nested stack of a template, by the template's name.
    choices
        What was chosen so far.
    """

    def __init__(
        self,
        templates: Mapping[str, Template],
        pseudo: Mapping[str, str],
        nested: Mapping[str, Resource],
        choices: Choices,
    ) -> None:
        self._templates = templates
        self._pseudo = pseudo
        self._nested = nested
        self._choices = choices
        self._under_way: list[tuple[str, str]] = []
        self._functions: dict[str, Callable[[Template, Any], Any]] = {
            "Ref": self._ref,
            "Fn::Base64": self.resolve,
            "Fn::Cidr": self._cidr,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::GetAZs": self._zones,
            "Fn::If": self._if,
            "Fn::ImportValue": self._import,
            "Fn::Join": self._join,
            "Fn::Length": self._length,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": self._json,
        }

    def resolve(self, template: Template, value: Any) -> Any:
        """Resolve a value of a template.

        Raises
        ------
        ChoiceNeeded
            Where it depends on what was not chosen yet.
        FaultsError
            Where conditions, exports or nested stacks need themselves.
        """
        if isinstance(value, list):
            items = [self.resolve(template, item) for item in value]
            return [item for item in items if item is not NOTHING]
        if isinstance(value, dict):
            if len(value) == 1:
                ((name, argument),) = value.items()
                if name in self._functions:
                    return self._functions[name](template, argument)
                if str(name).startswith("Fn::"):
                    return Unknown(f"{name} is resolved by CloudFormation alone")
            pairs = {str(key): self.resolve(template, item) for key, item in value.items()}
            return {key: item for key, item in pairs.items() if item is not NOTHING}
        if isinstance(value, str) and "{{resolve:" in value:
            return Unknown("a dynamic reference is read at deployment", value)
        return value

    def holds(self, template: Template, name: str) -> bool:
        """Whether a named condition holds."""
        conditions = template.section("Conditions")
        if name not in conditions:
            return bool(
                self._chosen(Open(template.name, f"condition {name}", (True, False), False))
            )
        work = lambda: self._test(template, conditions[name])  # noqa: E731
        return bool(self._once(template, f"condition {name}", work))

    def _once(self, template: Template, what: str, work: Callable[[], Any]) -> Any:
        """Do what must not need itself."""
        step = (template.name, what)
        if step in self._under_way:
            names = " -> ".join(name for _, name in [*self._under_way, step])
            fault = Fault(f"{template.file}: {what}", names, "no circle", "Break the circle.")
            raise_faults("templates", [fault])
        self._under_way.append(step)
        try:
            return work()
        finally:
            self._under_way.pop()

    def _chosen(self, what: Open) -> Any:
        if what not in self._choices:
            raise ChoiceNeeded(what)
        return self._choices[what]

    def _test(self, template: Template, test: Any) -> bool:
        name, argument = next(iter(test.items())) if isinstance(test, dict) and test else ("", None)
        if name == "Condition":
            return self.holds(template, str(argument))
        if name == "Fn::Not":
            return not self._test(template, as_list(argument)[0] if argument else None)
        if name == "Fn::And":
            return all(self._test(template, item) for item in as_list(argument))
        if name == "Fn::Or":
            return any(self._test(template, item) for item in as_list(argument))
        if name == "Fn::Equals" and isinstance(argument, list) and len(argument) == 2:
            one, other = (self.resolve(template, item) for item in argument)
            undecided = any("${" in str(side) for side in (one, other))
            if not undecided:
                return _plain(one) == _plain(other)
            if str(one) == str(other) and not isinstance(one, Unknown):
                return True
            text = f"{_readable(argument[0])} is {_readable(argument[1])}"
        else:
            text = f"{name or test} holds"
        return bool(self._chosen(Open(template.name, text, (True, False), False)))

    def _if(self, template: Template, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            return Unknown("Fn::If needs a condition and two values")
        return self.resolve(template, argument[1 if self.holds(template, argument[0]) else 2])

    def _ref(self, template: Template, name: Any) -> Any:
        name = str(name)
        if name == "AWS::NoValue":
            return NOTHING
        if name.startswith("AWS::"):
            word = name.removeprefix("AWS::")
            if word in ("StackName", "StackId"):
                return f"${{{template.name}.AWS.{word}}}"
            return self._pseudo.get(name, f"${{AWS.{word}}}")
        if name in template.section("Parameters"):
            return self._parameter(template, name)
        if name in template.section("Resources"):
            return f"${{{template.name}.{name}}}"
        return Unknown(f"{name} is neither a parameter nor a resource of {template.file}")

    def _parameter(self, template: Template, name: str) -> Any:
        stack = self._nested.get(template.name)
        given = stack.body.get("Properties", {}).get("Parameters", {}) if stack else {}
        if stack and name in given:
            return self._once(
                template, f"parameter {name}", lambda: self.resolve(stack.template, given[name])
            )
        body = template.section("Parameters")[name]
        body = body if isinstance(body, dict) else {}
        kind = str(body.get("Type", "String"))
        if kind.startswith("AWS::SSM::Parameter::Value"):
            return Unknown(f"the parameter {name} is read from Parameter Store at deployment")
        allowed = as_list(body.get("AllowedValues"))
        default = body.get("Default")
        options = [default, *(item for item in allowed if item != default)]
        options = options if "Default" in body else allowed
        if len(options) > MAX_OPTIONS and "Default" in body:
            options = options[:1]
        if not options or len(options) > MAX_OPTIONS:
            return Unknown(f"the parameter {name} has no value")
        value = options[0]
        if len(options) > 1:
            has_default = "Default" in body
            value = self._chosen(
                Open(template.name, f"parameter {name}", tuple(options), has_default)
            )
        if "List" in kind and isinstance(value, str):
            return [item.strip() for item in value.split(",")]
        return value

    def _get_att(self, template: Template, argument: Any) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else as_list(argument)
        if len(parts) < 2:
            return Unknown("Fn::GetAtt needs a resource and an attribute")
        name = str(parts[0])
        attribute = joined(".", [self.resolve(template, part) for part in parts[1:]])
        body = template.section("Resources").get(name)
        if body is None:
            return Unknown(f"{name} is no resource of {template.file}")
        kind = str(body["Type"])
        if kind == "AWS::CloudFormation::Stack" and attribute.startswith("Outputs."):
            return self._nested_output(f"{template.name}.{name}", attribute.split(".", 1)[1])
        if kind.startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
            return Unknown(f"the custom resource {name} answers at deployment")
        if kind == "AWS::SSM::Parameter" and attribute == "Value":
            return self.resolve(template, body.get("Properties", {}).get("Value"))
        return f"${{{template.name}.{name}.{attribute}}}"

    def _nested_output(self, stack: str, output: str) -> Any:
        names = [name for name, resource in self._nested.items() if resource.id == stack]
        if not names:
            return Unknown(f"the nested stack {stack} is not among the templates")
        template = self._templates[names[0]]
        body = template.section("Outputs").get(output, {})
        return self._once(
            template, f"output {output}", lambda: self.resolve(template, body.get("Value"))
        )

    def _import(self, template: Template, argument: Any) -> Any:
        wanted = str(self.resolve(template, argument))
        exports = []
        for other in self._templates.values():
            for name, body in other.section("Outputs").items():
                export = body.get("Export") if isinstance(body, dict) else None
                if isinstance(export, dict) and "Name" in export:
                    title = str(self.resolve(other, export["Name"]))
                    exports.append((title, other, name, body.get("Value")))
        found = [export for export in exports if export[0] == wanted]
        if not found:
            # A stack's name is chosen at deployment: what matches in one way only is meant.
            found = [export for export in exports if alike(export[0], wanted)]
        if len(found) != 1:
            return Unknown(f"no template exports {wanted}")
        _, other, name, value = found[0]
        return self._once(other, f"output {name}", lambda: self.resolve(other, value))

    def _join(self, template: Template, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:
            return Unknown("Fn::Join needs a delimiter and a list")
        parts = self.resolve(template, argument[1])
        if not isinstance(parts, list):
            return Unknown(getattr(parts, "why", "Fn::Join needs a list"))
        return _bounded(joined(str(argument[0]), parts))

    def _split(self, template: Template, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:
            return Unknown("Fn::Split needs a delimiter and a text")
        text = self.resolve(template, argument[1])
        if isinstance(text, Unknown):
            return text
        if "${" in str(text):
            return Unknown(f"{text} is known after deployment")
        return str(text).split(str(argument[0]))

    def _select(self, template: Template, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:
            return Unknown("Fn::Select needs an index and a list")
        index, items = (self.resolve(template, item) for item in argument)
        if isinstance(items, Unknown) or isinstance(index, Unknown):
            return Unknown(items.why if isinstance(items, Unknown) else index.why)
        if isinstance(items, list) and str(index).isdigit() and int(index) < len(items):
            return items[int(index)]
        return Unknown(f"the list has no item {index}")

    def _sub(self, template: Template, argument: Any) -> Any:
        text, names = argument, {}
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
            text, names = argument
        if not isinstance(text, str):
            return Unknown("Fn::Sub needs a text")
        parts: list[Any] = []
        end = 0
        for match in _SUB.finditer(text):
            parts.append(text[end : match.start()])
            parts.append(self._sub_name(template, match[1].strip(), names))
            end = match.end()
        parts.append(text[end:])
        return _bounded(joined("", parts))

    def _sub_name(self, template: Template, name: str, names: dict[str, Any]) -> Any:
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in names:
            return self.resolve(template, names[name])
        return self._get_att(template, name) if "." in name else self._ref(template, name)

    def _find_in_map(self, template: Template, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) < 3:
            return Unknown("Fn::FindInMap needs a map and two keys")
        name, first, second = (self.resolve(template, item) for item in argument[:3])
        mapping = template.section("Mappings").get(name, {})
        rows = [mapping[first]] if first in mapping else []
        if not rows and "${" in str(first):
            rows = list(mapping.values())
        values = [row[second] for row in rows if isinstance(row, dict) and second in row]
        if values and all(value == values[0] for value in values):
            return self.resolve(template, values[0])
        if not rows and len(argument) > 3 and isinstance(argument[3], dict):
            return self.resolve(template, argument[3].get("DefaultValue"))
        return Unknown(f"the map {name} is read by {first} and {second}")

    def _cidr(self, template: Template, argument: Any) -> Any:
        values = [self.resolve(template, item) for item in as_list(argument)]
        try:
            block = ipaddress.ip_network(values[0], strict=False)
            bits = int(values[2]) if len(values) > 2 else (64 if block.version == 6 else 8)
            subnets = block.subnets(new_prefix=block.max_prefixlen - bits)
            return [str(next(subnets)) for _ in range(min(int(values[1]), 256))]
        except (ValueError, IndexError, TypeError, StopIteration):
            return Unknown(f"Fn::Cidr of {values[:1]} cannot be computed")

    def _zones(self, template: Template, argument: Any) -> list[str]:
        return [f"${{AWS.Zone{number}}}" for number in range(6)]

    def _length(self, template: Template, argument: Any) -> Any:
        items = self.resolve(template, argument)
        return len(items) if isinstance(items, list) else Unknown("Fn::Length needs a list")

    def _json(self, template: Template, argument: Any) -> Any:
        value = self.resolve(template, argument)
        return _bounded(json.dumps(value))


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT else Unknown(f"a text of {len(text)} characters")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _readable(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        return _readable(next(iter(value.values())))
    return f"'{value}'" if isinstance(value, str) and value else json.dumps(value, default=str)
