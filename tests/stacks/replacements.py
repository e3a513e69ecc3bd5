"""What CloudFormation does from one template to the next, by its own schemas: replaced, updated, made, removed."""

import json
from functools import cache

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

REGION = "us-east-1"
# Its answer, and with it the image's digest, follows from its properties.
ANSWERING = "Custom::ServingImage"


@cache
def fixed(kind):
    """The properties whose change means another resource."""
    if kind.startswith("Custom::"):
        return frozenset()
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    return frozenset(path.split("/")[2] for path in schema.get("createOnlyProperties", []))


def references(value):
    """Logical ids that a property takes something from."""
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0]
            else:
                yield from references(inner)


def changes(before, after):
    """(replaced, updated in place), as sets of logical ids in both templates; effects of effects included."""
    old, new = before["Resources"], after["Resources"]
    replaced, updated, moved = set(), set(), None
    while moved != (len(replaced), len(updated)):
        moved = (len(replaced), len(updated))
        others = replaced | {name for name in updated if new[name]["Type"] == ANSWERING}
        for name in old.keys() & new.keys():
            was, now = old[name].get("Properties", {}), new[name].get("Properties", {})
            touched = {
                key
                for key in was.keys() | now.keys()
                if json.dumps(was.get(key)) != json.dumps(now.get(key)) or others & set(references(now.get(key)))
            }
            if touched & fixed(new[name]["Type"]):
                replaced.add(name)
            elif touched:
                updated.add(name)
    return replaced, updated - replaced
