"""What is deployed of a stage, as CloudFormation tells it: stacks with their resources and outputs, in order of use."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# CloudFormation's client, made at run time.
Client = Any


@dataclass(frozen=True)
class Resource:
    kind: str
    physical_id: str
    retained: bool
    """Whether it outlives its stack, as the deployed template says."""

    @property
    def noun(self) -> str:
        """Bucket for AWS::S3::Bucket."""
        return self.kind.rsplit("::", 1)[-1]


@dataclass(frozen=True)
class DeployedStack:
    name: str
    stack_id: str
    protected: bool
    outputs: dict[str, str]
    resources: tuple[Resource, ...]

    def of_kind(self, kind: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.kind == kind]


def stacks_of(cloudformation: Client, prefix: str) -> list[DeployedStack]:
    """Those named `<prefix><room>`, consumers before what they use.

    A room is one word, so that another project whose name begins alike is not taken for this one.
    """
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    found = [
        stack for stack in pages.search("Stacks[]") if re.fullmatch(f"{re.escape(prefix)}[a-z]+", stack["StackName"])
    ]
    stacks = [_read(cloudformation, stack) for stack in found]
    return in_order(stacks, _users(cloudformation, stacks))


def in_order(stacks: Iterable[DeployedStack], users: dict[str, set[str]]) -> list[DeployedStack]:
    """Each after all that use it; those that nothing orders, the youngest rooms of a request's way first.

    The Api stack holds no export of the Serving stack, but its function would answer errors without the endpoint.
    """
    waiting = sorted(stacks, key=lambda stack: (_rank(stack.name), stack.name))
    ordered: list[DeployedStack] = []
    while waiting:
        names = {stack.name for stack in waiting}
        free = next((stack for stack in waiting if not users.get(stack.name, set()) & names), waiting[0])
        waiting.remove(free)
        ordered.append(free)
    return ordered


ROOMS = ("operations", "api", "workbench", "training", "serving", "image", "network", "data")


def _rank(name: str) -> int:
    room = name.rsplit("-", 1)[-1]
    return ROOMS.index(room) if room in ROOMS else -1


def _users(cloudformation: Client, stacks: list[DeployedStack]) -> dict[str, set[str]]:
    """Stack -> the stacks that import from it."""
    owners = {stack.stack_id: stack.name for stack in stacks}
    users: dict[str, set[str]] = {stack.name: set() for stack in stacks}
    for export in cloudformation.get_paginator("list_exports").paginate().search("Exports[]"):
        owner = owners.get(export["ExportingStackId"]) if export else None
        if owner:
            users[owner] |= set(_imports(cloudformation, export["Name"]))
    return users


def _imports(cloudformation: Client, export: str) -> list[str]:
    try:
        return list(cloudformation.get_paginator("list_imports").paginate(ExportName=export).search("Imports[]"))
    except cloudformation.exceptions.ClientError as error:
        if "is not imported by any stack" in str(error):
            return []
        raise


def _read(cloudformation: Client, stack: dict[str, Any]) -> DeployedStack:
    name = stack["StackName"]
    template = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    policies = {logical: body.get("DeletionPolicy") for logical, body in template["Resources"].items()}
    listed = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = tuple(
        Resource(found["ResourceType"], found["PhysicalResourceId"], _kept(policies.get(found["LogicalResourceId"])))
        for found in listed.search("StackResourceSummaries[]")
        if found["ResourceStatus"] != "DELETE_COMPLETE" and found.get("PhysicalResourceId")
    )
    return DeployedStack(
        name, stack["StackId"], bool(stack.get("EnableTerminationProtection")), _outputs(stack), resources
    )


def _kept(policy: str | None) -> bool:
    return policy in ("Retain", "RetainExceptOnCreate")


def _outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
