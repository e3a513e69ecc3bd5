"""A cloud assembly on disk: its stacks with their templates, and how two assemblies differ in what they deploy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any
STACK = "aws:cloudformation:stack"


@dataclass(frozen=True)
class Stack:
    name: str
    account: str | None
    region: str | None
    protected: bool
    tags: dict[str, str]
    needs: tuple[str, ...]
    template: Json

    @property
    def resources(self) -> dict[str, Json]:
        return self.template.get("Resources", {})

    @property
    def outputs(self) -> dict[str, Json]:
        return self.template.get("Outputs", {})


def read(folder: Path) -> list[Stack]:
    """The stacks of an assembly, each after those that it needs."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    stacks = {name: body for name, body in artifacts.items() if body["type"] == STACK}
    return [_stack(folder, name, stacks) for name in _in_order(stacks)]


def _stack(folder: Path, name: str, stacks: dict[str, Json]) -> Stack:
    body = stacks[name]
    properties = body["properties"]
    account, region = body["environment"].removeprefix("aws://").split("/")
    return Stack(
        name=name,
        account=None if account == "unknown-account" else account,
        region=None if region == "unknown-region" else region,
        protected=properties.get("terminationProtection", False),
        tags=properties.get("tags", {}),
        needs=tuple(sorted(other for other in body.get("dependencies", []) if other in stacks)),
        template=json.loads((folder / properties["templateFile"]).read_text()),
    )


def _in_order(stacks: dict[str, Json]) -> Iterator[str]:
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            for other in stacks[name].get("dependencies", []):
                if other in stacks:
                    yield from visit(other)
            yield name

    for name in stacks:
        yield from visit(name)


def differences(one: list[Stack], other: list[Stack]) -> list[str]:
    """Everything in which two assemblies would deploy something else; metadata, which deploys nothing, is no matter."""
    return list(_differ("", _comparable(one), _comparable(other)))


def _comparable(stacks: list[Stack]) -> Json:
    return {
        stack.name: {
            "account": stack.account,
            "region": stack.region,
            "protected": stack.protected,
            "tags": stack.tags,
            "needs": list(stack.needs),
            "template": {**stack.template, "Resources": {n: _without_metadata(r) for n, r in stack.resources.items()}},
        }
        for stack in stacks
    }


def _without_metadata(resource: Json) -> Json:
    kept = {key: value for key, value in resource.items() if key != "Metadata"}
    if "DependsOn" in kept:
        kept["DependsOn"] = sorted(kept["DependsOn"])  # a set, whose order CDK takes from where the constructs stand
    return kept


def _differ(path: str, one: Json, other: Json) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            here = f"{path}/{key}"
            if key not in one or key not in other:
                yield f"{here} is {'missing' if key in one else 'too much'}"
            else:
                yield from _differ(here, one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _differ(f"{path}/{index}", mine, theirs)
    elif type(one) is not type(other) or one != other:
        yield f"{path}: {json.dumps(one)} became {json.dumps(other)}"
