"""Values of a template as the Python that a person would write for them; what is read twice gets a name."""

import itertools
import keyword
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bench import l1
from bench.assembly import Json

PSEUDO = {
    "AWS::AccountId": "ACCOUNT_ID",
    "AWS::NoValue": "NO_VALUE",
    "AWS::Partition": "PARTITION",
    "AWS::Region": "REGION",
    "AWS::StackId": "STACK_ID",
    "AWS::StackName": "STACK_NAME",
    "AWS::URLSuffix": "URL_SUFFIX",
}
FUNCTIONS = {
    "Fn::Base64": "base64",
    "Fn::GetAZs": "get_azs",
    "Fn::Join": "join",
    "Fn::Select": "select",
    "Fn::Split": "split",
    "Fn::Sub": "sub",
}


class UntranslatableError(Exception):
    """Something in a template that the flat app has no Python for yet."""


@dataclass
class Names:
    """Identifiers, each given out once."""

    taken: set[str] = field(default_factory=lambda: {"self", "scope", *keyword.kwlist})

    def new(self, wanted: str) -> str:
        plain = snake_case(wanted)
        name = next(
            name
            for name in itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(2)))
            if name not in self.taken
        )
        self.taken.add(name)
        return name


@dataclass
class Expressions:
    """Writes expressions; names go to `lines` first where an expression is worth computing once."""

    read_attribute: Callable[[str, str], str]
    read_import: Callable[[str], str]
    names: Names = field(default_factory=Names)
    lines: list[str] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    core: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)

    def of(self, value: Json, hint: Any = Any) -> str:  # noqa: ANN401  (any type hint)
        if intrinsic(value):
            return self._token(value)
        if isinstance(value, dict):
            struct = l1.struct_in(hint)
            if struct:
                return f"{self.name_of(struct)}({', '.join(self.keywords(struct, value))})"
            inner = l1.value_in(hint)
            return "{" + ", ".join(f"{key!r}: {self.of(item, inner)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            inner = l1.item_in(hint)
            return "[" + ", ".join(self.of(item, inner) for item in value) + "]"
        return repr(value)

    def keywords(self, kind: type, properties: dict[str, Json]) -> Iterable[str]:
        for name, value in properties.items():
            argument, hint = l1.argument(kind, name)
            yield f"{argument}={self.of(value, hint)}"

    def name_of(self, kind: type) -> str:
        """How the program calls a class of CDK's, which it imports."""
        if kind.__module__ == "aws_cdk":
            self.core.add(kind.__qualname__.split(".")[0])
            return kind.__qualname__
        module = kind.__module__.removeprefix("aws_cdk.")
        self.modules.add(module)
        return f"{module}.{kind.__qualname__}"

    def once(self, source: str, name: str) -> str:
        """A local name for an expression that asks CDK for something."""
        if source not in self.known:
            self.known[source] = self.names.new(name)
            self.lines.append(f"{self.known[source]} = {source}")
        return self.known[source]

    def _token(self, value: Json) -> str:
        match value:
            case {"Ref": name}:
                return self._reference(name)
            case {"Fn::GetAtt": [logical_id, attribute]}:
                return self.read_attribute(logical_id, attribute)
            case {"Fn::ImportValue": str(export)}:
                return self.read_import(export)
            case {"Fn::Join": ["", list(parts)]}:
                return " + ".join(self.of(part) for part in parts)
        return self._function(value)

    def _reference(self, name: str) -> str:
        if name not in PSEUDO:
            return self.read_attribute(name, "Ref")
        self.core.add("Aws")
        return self.once(f"Aws.{PSEUDO[name]}", PSEUDO[name])

    def _function(self, value: Json) -> str:
        ((function, given),) = value.items()
        if function not in FUNCTIONS:
            raise UntranslatableError(f"{function} has no Python here yet; add it to bench/expressions.py")
        arguments = given if isinstance(given, list) else [given]
        name = FUNCTIONS[function]
        self.core.add("Fn")
        return self.once(f"Fn.{name}({', '.join(self.of(one) for one in arguments)})", f"{name}_value")


def intrinsic(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)


def snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+", "_", name)
    return words.strip("_").lower()
