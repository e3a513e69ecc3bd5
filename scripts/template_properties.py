"""Prints local/template_properties.json: which properties CloudFormation knows of each type that MiniStack provisions.

Read from the schemas that cfn-lint brings along, which are CloudFormation's own: `make template-properties`.
"""

import json
import sys

from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from ministack.services.cloudformation import provisioners

REGION = "us-east-1"
# Its properties are its function's own.
OPEN = "AWS::CloudFormation::CustomResource"


def table() -> str:
    """A line for each type, so that a change shows what changed."""
    kinds = {kind: names for kind in sorted(provisioners._RESOURCE_HANDLERS) if (names := properties(kind))}
    lines = [f"{json.dumps(kind)}: {json.dumps(' '.join(names))}" for kind, names in kinds.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def properties(kind: str) -> list[str]:
    """Empty where anything may stand."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    except ResourceNotFoundError:
        return []
    if kind == OPEN or schema.get("additionalProperties") is not False:
        return []
    told = set(schema.get("readOnlyProperties", []))
    return sorted(name for name in schema["properties"] if f"/properties/{name}" not in told)


if __name__ == "__main__":
    sys.stdout.write(table())
