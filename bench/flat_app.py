"""The same stacks as one flat CDK program: L1 classes, their properties, and nothing else.

Written from a stage's templates, so that it declares exactly what Whippet declares. It has no stage file to read, no
constructs to build, no assets to hash (their keys stand in it as text), and reads each attribute of a resource once.
"""

import graphlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench import l1
from bench.assembly import Json, Stack
from bench.expressions import Expressions, Names, UntranslatableError, intrinsic, snake_case

# What every stack gets from CDK itself.
BOOTSTRAP = {"Parameters": {"BootstrapVersion"}, "Rules": {"CheckBootstrapVersion"}}
WRITTEN = {"Resources", "Outputs", "Description", *BOOTSTRAP}
RESOURCE_PARTS = {
    "Type",
    "Properties",
    "Metadata",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
}
REMOVAL = {"Retain": "RETAIN", "Delete": "DESTROY", "RetainExceptOnCreate": "RETAIN_ON_UPDATE_OR_DELETE"}
INDENT = " " * 8


def write(stacks: list[Stack], folder: Path) -> Path:
    """Write the program; answers the file to run."""
    tags = common_tags(stacks)
    exports = {
        body["Export"]["Name"]: (stack, body["Value"])
        for stack in stacks
        for body in stack.outputs.values()
        if "Export" in body
    }
    imported = {name for stack in stacks for name in _imports(stack.template)}
    for stack in stacks:
        (folder / f"{snake_case(stack.name)}.py").write_text(_StackWriter(stack, exports, imported, tags).text())
    app = folder / "app.py"
    app.write_text("\n".join(_app(stacks, tags)) + "\n")
    return app


def common_tags(stacks: list[Stack]) -> dict[str, str]:
    """Tags of every resource that has any: a person tags the app, not each resource."""
    tagged = [set(_tags(body).items()) for stack in stacks for body in stack.resources.values() if _has_tags(body)]
    return dict(sorted(set.intersection(*tagged))) if tagged else {}


def _app(stacks: list[Stack], tags: dict[str, str]) -> Iterator[str]:
    yield "from aws_cdk import App, Tags\n"
    for stack in stacks:
        yield f"from {snake_case(stack.name)} import {_class_name(stack.name)}"
    yield "\napp = App()"
    for stack in stacks:
        given = ", ".join(["app", *(snake_case(name) for name in stack.needs)])
        yield f"{snake_case(stack.name)} = {_class_name(stack.name)}({given})"
    for name, value in tags.items():
        yield f"Tags.of(app).add({name!r}, {value!r})"
    yield "app.synth()"


class _StackWriter:
    """One stack, one module."""

    def __init__(
        self, stack: Stack, exports: dict[str, tuple[Stack, Json]], imported: set[str], tags: dict[str, str]
    ) -> None:
        self.stack, self.exports, self.imported, self.tags = stack, exports, imported, tags
        self.write = Expressions(self._read_attribute, self._read_import, names=Names())
        self.write.core |= {"Environment", "Stack"}
        self.write.names.taken |= {snake_case(name) for name in stack.needs}
        self.variables = variables(stack)
        self.write.names.taken |= set(self.variables.values())
        self.kept = {
            logical_id for name in imported if exports[name][0] is stack for logical_id in _references(exports[name][1])
        }
        self.used: set[str] = set()

    def text(self) -> str:
        self._refuse_what_is_not_written()
        body = self.write.lines
        for logical_id in _in_order(self.stack):
            self._resource(logical_id, self.stack.resources[logical_id])
        for name, output in self.stack.outputs.items():
            self._output(name, output)
        body += [f"self.add_stack_dependency({snake_case(name)})" for name in self.stack.needs if name not in self.used]
        return "\n".join(
            [
                f"from aws_cdk import {', '.join(sorted(self.write.core | self.write.modules))}\n\n",
                f"class {_class_name(self.stack.name)}(Stack):",
                f"    def __init__({', '.join(['self', 'scope', *map(snake_case, self.stack.needs)])}):",
                f"{INDENT}super().__init__({', '.join(self._stack_arguments())})",
                *(INDENT + line for line in body),
                "",
            ]
        )

    def _stack_arguments(self) -> Iterator[str]:
        yield "scope"
        yield repr(self.stack.name)
        yield f"env=Environment(account={self.stack.account!r}, region={self.stack.region!r})"
        if "Description" in self.stack.template:
            yield f"description={self.stack.template['Description']!r}"
        if self.stack.protected:
            yield "termination_protection=True"
        if self.stack.tags:
            yield f"tags={self.stack.tags!r}"

    def _resource(self, logical_id: str, body: Json) -> None:
        unknown = body.keys() - RESOURCE_PARTS
        if unknown:
            raise UntranslatableError(f"{logical_id} has {', '.join(sorted(unknown))}, which bench/flat_app.py lacks")
        variable, properties = self.variables[logical_id], self._own_properties(body)
        if _is_custom(body["Type"]):
            self.write.core.add("CfnResource")
            kind = "CfnResource"
            given: Iterable[str] = [f"type={body['Type']!r}", f"properties={self.write.of(properties)}"]
        else:
            resource = l1.L1.of(body["Type"])
            kind = self.write.name_of(resource.kind)
            given = self.write.keywords(resource.kind, properties)
        arguments = ", ".join(["self", repr(logical_id), *given])
        target = f"self.{variable} = {variable}" if logical_id in self.kept else variable
        self.write.lines.append(f"{target} = {kind}({arguments})")
        self._policies(variable, body)

    def _policies(self, variable: str, body: Json) -> None:
        lines = self.write.lines
        for other in body.get("DependsOn", []):
            lines.append(f"{variable}.add_resource_dependency({self.variables[other]})")
        deletion, replacement = body.get("DeletionPolicy"), body.get("UpdateReplacePolicy")
        if deletion in REMOVAL and replacement in (deletion, None, "Retain"):
            also = "" if replacement else ", apply_to_update_replace_policy=False"
            self.write.core.add("RemovalPolicy")
            lines.append(f"{variable}.apply_removal_policy(RemovalPolicy.{REMOVAL[deletion]}{also})")
        elif deletion or replacement:
            raise UntranslatableError(f"deletion {deletion} with replacement {replacement} has no removal policy here")
        if "UpdatePolicy" in body:
            lines.append(f"{variable}.add_override('UpdatePolicy', {self.write.of(body['UpdatePolicy'])})")

    def _output(self, name: str, output: Json) -> None:
        if "Condition" in output:
            raise UntranslatableError(f"output {name} has a condition, which bench/flat_app.py lacks")
        export = output.get("Export", {}).get("Name")
        if export == f"{self.stack.name}:{name}":
            if export not in self.imported:
                self.write.lines.append(f"self.export_value({self.write.of(output['Value'])})")
            return
        self.write.core.add("CfnOutput")
        given = ["self", repr(name), f"value={self.write.of(output['Value'])}"]
        given += [f"description={output['Description']!r}"] if "Description" in output else []
        given += [f"export_name={export!r}"] if export else []
        self.write.lines.append(f"CfnOutput({', '.join(given)})")

    def _own_properties(self, body: Json) -> dict[str, Json]:
        properties = dict(body.get("Properties", {}))
        if _has_tags(body):
            own = {name: value for name, value in _tags(body).items() if name not in self.tags}
            mapped = isinstance(properties.pop("Tags"), dict)
            if own:
                properties["Tags"] = own if mapped else [{"Key": name, "Value": value} for name, value in own.items()]
        return properties

    def _read_attribute(self, logical_id: str, attribute: str) -> str:
        variable = self.variables[logical_id]
        return self.write.once(
            f"{variable}.{attribute_source(self.stack, logical_id, attribute)}", f"{variable}_{attribute}"
        )

    def _read_import(self, export: str) -> str:
        producer, value = self.exports[export]
        match value:
            case {"Ref": logical_id}:
                attribute = "Ref"
            case {"Fn::GetAtt": [logical_id, attribute]}:
                pass
            case _:
                raise UntranslatableError(f"export {export} is neither a resource nor an attribute of one")
        self.used.add(producer.name)
        variable = variables(producer)[logical_id]
        source = attribute_source(producer, logical_id, attribute)
        return self.write.once(f"{snake_case(producer.name)}.{variable}.{source}", f"{variable}_{attribute}")

    def _refuse_what_is_not_written(self) -> None:
        template = self.stack.template
        extra = template.keys() - WRITTEN
        extra |= {f"{part} {name}" for part, own in BOOTSTRAP.items() for name in template.get(part, {}).keys() - own}
        if extra:
            raise UntranslatableError(
                f"{self.stack.name} has {', '.join(sorted(extra))}, which bench/flat_app.py lacks"
            )


def variables(stack: Stack) -> dict[str, str]:
    """Logical id -> the variable that holds the resource, without the hash that CDK adds."""
    names = Names()
    return {logical_id: names.new(re.sub(r"[0-9A-F]{8}$", "", logical_id)) for logical_id in stack.resources}


def attribute_source(stack: Stack, logical_id: str, attribute: str) -> str:
    """What follows the variable: `ref`, a typed attribute, or the untyped way where there is none."""
    kind = stack.resources[logical_id]["Type"]
    if attribute == "Ref":
        return "ref"
    typed = None if _is_custom(kind) else l1.L1.of(kind).attribute(attribute)
    return typed or f"get_att({attribute!r}).to_string()"


def _in_order(stack: Stack) -> Iterator[str]:
    """Logical ids, each after those that it refers to."""
    known = stack.resources.keys()
    needs = {
        name: (_references(body) | set(body.get("DependsOn", []))) & known for name, body in stack.resources.items()
    }
    yield from graphlib.TopologicalSorter(needs).static_order()


def _references(value: Json) -> set[str]:
    match value:
        case {"Ref": str(name)} if len(value) == 1:
            return {name}
        case {"Fn::GetAtt": [str(name), _]}:
            return {name}
        case dict():
            return set().union(*map(_references, value.values()))
        case list():
            return set().union(*map(_references, value))
    return set()


def _imports(value: Json) -> set[str]:
    match value:
        case {"Fn::ImportValue": str(name)}:
            return {name}
        case dict():
            return set().union(*map(_imports, value.values()))
        case list():
            return set().union(*map(_imports, value))
    return set()


def _has_tags(body: Json) -> bool:
    """Whether a resource has tags in the plain form, which CDK's own tags go into."""
    tags: Any = body.get("Properties", {}).get("Tags")
    if _is_custom(body["Type"]) or not tags or intrinsic(tags):
        return False
    return isinstance(tags, dict) or all(tag.keys() == {"Key", "Value"} for tag in tags)


def _tags(body: Json) -> dict[str, Json]:
    tags = body["Properties"]["Tags"]
    return dict(tags) if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def _is_custom(kind: str) -> bool:
    return kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"


def _class_name(stack_name: str) -> str:
    return "".join(word.capitalize() for word in snake_case(stack_name).split("_"))
