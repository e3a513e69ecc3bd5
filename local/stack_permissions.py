"""CloudFormation asks the role that it works with, or its caller, before it makes, changes or deletes a resource.

MiniStack does so for no type of its own. What each takes is in stack_permissions.toml; the types that this package adds
call their APIs with that role themselves.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import joints, joints_cloudformation
from local.json_service import Authority, AwsError

TABLE = Path(__file__).with_suffix(".toml")
NAME_LENGTH = 64
_PLACE = re.compile(r"\{([\w.]+)\}")
Properties = Mapping[str, Any]
# An action, a resource, and the keys of the condition.
Asked = tuple[str, str, dict[str, str]]


@dataclass(frozen=True)
class Facts:
    """What is known of one type; `create`, `update` and `delete` are actions, or empty where there is none."""

    create: str
    update: str
    delete: str
    resource: str = "*"
    new: str = ""
    name: str = ""
    lower_case: bool = False
    passes: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def creation(self, logical_id: str, properties: Properties, stack: str) -> Iterator[Asked]:
        name = self._name(logical_id, properties, stack)
        for resource in _resources(self.new or self.resource, name, properties):
            yield self.create, resource, self._keys(properties)
        for resource in _resources(self.resource if self.new != "*" else "*", name, properties):
            yield from ((action, resource, {}) for key, action in self.extra.items() if properties.get(key))
        yield from self._handed_on(properties, {})

    def change(self, physical_id: str, old: Properties, new: Properties) -> Iterator[Asked]:
        differing = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        own = {**self.extra, **self.changed}
        actions = [self.update] if differing - set(own) else []
        for key in sorted(differing & set(own)):
            actions.append(self.gone.get(key, own[key]) if key not in new else own[key])
        for resource in _resources(self.resource, physical_id, {**old, **new}):
            yield from ((action, resource, self._keys(new)) for action in dict.fromkeys(actions) if action)
        yield from self._handed_on(new, old)

    def deletion(self, physical_id: str, properties: Properties) -> Iterator[Asked]:
        for resource in _resources(self.resource, physical_id, properties):
            yield from ((action, resource, {}) for key, action in self.gone.items() if properties.get(key))
            yield self.delete, resource, self._keys(properties)

    def _keys(self, properties: Properties) -> dict[str, str]:
        return {key: value for key, pattern in self.keys.items() for value in _resources(pattern, "", properties)}

    def _name(self, logical_id: str, properties: Properties, stack: str) -> str:
        if not self.name:
            return "*"
        made = joints_cloudformation.physical_name(stack, logical_id, NAME_LENGTH)
        return str(properties.get(self.name) or (made.lower() if self.lower_case else made))

    def _handed_on(self, properties: Properties, before: Properties) -> Iterator[Asked]:
        """Roles and objects that the request names and did not name before."""
        for key, service in self.passes.items():
            for role in set(_values(properties, key)) - set(_values(before, key)):
                arn = role if role.startswith("arn:") else f"arn:aws:iam::{joints.account()}:role/{role}"
                yield "iam:PassRole", arn, {"iam:PassedToService": service}
        for resource, action in self.reads.items():
            for found in set(_resources(resource, "", properties)) - set(_resources(resource, "", before)):
                yield action, found, {}


def read() -> dict[str, Facts]:
    table = tomllib.loads(TABLE.read_text())
    actions = table.pop("types")
    known = {kind: {("extra" if key == "with" else key): value for key, value in table[kind].items()} for kind in table}
    return {kind: Facts(*actions[kind], **known.get(kind, {})) for kind in actions}


def install(authority: Callable[[], Authority]) -> None:
    """In front of every type that MiniStack has by now."""
    facts = read()

    def ask(asked: Iterable[Asked]) -> None:
        for action, resource, context in asked:
            if action:
                authority().require(action, resource, context)

    def create(kind: str, logical_id: str, properties: Properties, stack: str) -> None:
        ask(_known(facts, kind).creation(logical_id, _own(properties), stack))

    def update(kind: str, physical_id: str, old: Properties, new: Properties) -> None:
        ask(_known(facts, kind).change(physical_id, _own(old), _own(new)))

    def delete(kind: str, physical_id: str, properties: Properties) -> None:
        ask(_known(facts, kind).deletion(physical_id, properties))

    def call(properties: Properties) -> None:
        token = str(properties.get("ServiceToken", ""))
        ask([("sns:Publish" if ":sns:" in token else "lambda:InvokeFunction", token, {})])

    joints_cloudformation.ask_first(create, update, delete, call)


def _own(properties: Properties) -> Properties:
    """Without the tags that are CloudFormation's, for which AWS asks nobody."""
    tags = properties.get("Tags")
    if isinstance(tags, list):
        kept: Any = [one for one in tags if not str(one.get("Key", "")).startswith("aws:")]
    elif isinstance(tags, Mapping):
        kept = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    else:
        return properties
    others = {key: value for key, value in properties.items() if key != "Tags"}
    return {**others, "Tags": kept} if kept else others


def _known(facts: Mapping[str, Facts], kind: str) -> Facts:
    if kind not in facts:
        raise AwsError("ValidationException", f"What a role must be allowed to provision {kind} is not known here.")
    return facts[kind]


def _resources(pattern: str, physical_id: str, properties: Properties) -> list[str]:
    """The pattern filled in, once for each value of a property that has several; none where it has no value."""
    given = {"region": [joints.current_region()], "account": [joints.account()], "id": [physical_id]}
    found = [pattern]
    for name in _PLACE.findall(pattern):
        values = given.get(name) or _values(properties, name) or (["/"] if name == "Path" else [])
        found = [_filled(one, name, value) for one in found for value in values]
    return found


def _filled(pattern: str, name: str, value: str) -> str:
    place = f"{{{name}}}"
    if value.startswith("arn:") and pattern.endswith(place):
        # Function names are given as ARNs, those of an alias or a version too.
        return re.sub(r"(:function:[^:]+):.*", r"\1", value)
    if value.startswith("https://"):
        value = value.rsplit("/", 1)[-1]
    return pattern.replace(place, value.lstrip("/") if pattern.endswith(f"/{place}") else value)


def _values(properties: Properties, path: str) -> list[str]:
    """Of a property, or of one within it; every element's where there are several."""
    found: list[Any] = [properties]
    for name in path.split("."):
        found = [one.get(name) for one in found if isinstance(one, Mapping)]
        found = [each for one in found for each in (one if isinstance(one, list) else [one])]
    return [str(one) for one in found if one]
