"""A pipeline run's values: what Get, Std:Join, Std:JsonGet and conditions of its definition come to."""

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.records import Document

# A member of a path: .Name, ['key'] or [0].
_PART = re.compile(r"\.?([A-Za-z_][\w-]*)|\[\s*'([^']*)'\s*\]|\[\s*\"([^\"]*)\"\s*\]|\[(\d+)\]")
# Any JSON value.
Value = Any


class WrongValue(Exception):
    """A reference that leads nowhere, or a comparison of what cannot be compared."""


@dataclass(frozen=True)
class Values:
    """`described` answers with a finished step's description, `read` with a property file's content."""

    parameters: Mapping[str, Value]
    execution: Mapping[str, Value]
    described: Callable[[str], Document]
    read: Callable[[str, str], Value]

    def of(self, value: Value) -> Value:
        """The value with every function in it resolved."""
        if isinstance(value, dict):
            match value:
                case {"Get": str(path), **rest} if not rest:
                    return self._get(path)
                case {"Std:Join": join, **rest} if not rest:
                    return str(join["On"]).join(as_text(self.of(one)) for one in join["Values"])
                case {"Std:JsonGet": get, **rest} if not rest:
                    return self._json_get(get)
            return {key: self.of(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner) for inner in value]
        return value

    def _get(self, path: str) -> Value:
        root, _, rest = path.partition(".")
        if root == "Parameters":
            return self.parameters[rest]
        if root == "Execution":
            if rest not in self.execution:
                raise WrongValue(f"{path}: an execution has no {rest}")
            return self.execution[rest]
        step, _, inner = rest.partition(".")
        return follow(self.described(step), inner, path)

    def _json_get(self, get: Document) -> Value:
        file = get["PropertyFile"]
        path = str(file["Get"] if isinstance(file, dict) else file)
        found = re.fullmatch(r"Steps\.([\w-]+)\.PropertyFiles\.(.+)", path)
        if found is None:
            raise WrongValue(f"Std:JsonGet: {path} is no property file")
        return follow(self.read(found[1], found[2]), str(self.of(get["Path"])), f"Std:JsonGet {path} {get['Path']}")

    def holds(self, condition: Document) -> bool:
        kind = condition["Type"]
        if kind == "Not":
            return not self.holds(condition["Expression"])
        if kind == "Or":
            return any(self.holds(one) for one in condition["Conditions"])
        if kind == "In":
            return self.of(condition["QueryValue"]) in self.of(condition["Values"])
        if kind not in COMPARISONS:
            raise WrongValue(f"A condition of the type {kind} is not available in the embedded AWS")
        left, right = self.of(condition["LeftValue"]), self.of(condition["RightValue"])
        try:
            return bool(COMPARISONS[kind](left, right))
        except TypeError:
            raise WrongValue(f"{kind}: {left!r} and {right!r} cannot be compared") from None


COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
CONDITIONS = {*COMPARISONS, "Not", "Or", "In"}


def follow(document: Value, path: str, named: str) -> Value:
    """What stands at a path; a list of named things is asked by name too."""
    found, position = document, 0
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise WrongValue(f"{named}: {path[position:]!r} is no path")
        position = part.end()
        key = next(group for group in part.groups() if group is not None)
        found = _member(found, key, named)
    return found


def _member(found: Value, key: str, named: str) -> Value:
    if isinstance(found, dict) and key in found:
        return found[key]
    if isinstance(found, list):
        if key.isdigit() and int(key) < len(found):
            return found[int(key)]
        for one in found:
            # An output by OutputName, an input by InputName, a metric by MetricName.
            if isinstance(one, dict) and key in [value for name, value in one.items() if name.endswith("Name")]:
                return one
    raise WrongValue(f"{named}: there is no {key}")


def as_text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def parameter(declared: Document, given: Mapping[str, str]) -> Value:
    """A run's value of a declared parameter; those that are given come as texts."""
    if declared["Name"] not in given:
        return declared["DefaultValue"]
    text = given[declared["Name"]]
    match declared["Type"]:
        case "Integer":
            return int(text)
        case "Float":
            return float(text)
        case "Boolean":
            return {"true": True, "false": False}[text.lower()]
    return text
