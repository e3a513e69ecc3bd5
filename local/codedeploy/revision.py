"""What a deployment for Lambda is to do: the AppSpec in its revision."""

import hashlib
import json
from dataclasses import dataclass

from local.codedeploy.names import not_available
from local.json_service import AwsError
from local.records import Document

FUNCTION = "AWS::Lambda::Function"
PROPERTIES = ("Name", "Alias", "CurrentVersion", "TargetVersion")


@dataclass(frozen=True)
class Move:
    """An alias of a function, from one version to another."""

    function: str
    alias: str
    current: str
    target: str

    def back(self) -> "Move":
        return Move(self.function, self.alias, self.target, self.current)


def revision_of(move: Move) -> Document:
    properties = dict(zip(PROPERTIES, (move.function, move.alias, move.current, move.target), strict=True))
    content = json.dumps({"version": 0.0, "Resources": [{move.function: {"Type": FUNCTION, "Properties": properties}}]})
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": digest}}


def move_of(revision: Document | None) -> Move:
    """Refuses what is no AppSpec in JSON that moves one alias."""
    if not revision:
        raise AwsError("RevisionRequiredException", "A deployment for Lambda needs a revision.")
    kind = revision.get("revisionType")
    given = {"AppSpecContent": revision.get("appSpecContent"), "String": revision.get("string")}.get(kind or "")
    if given is None:
        raise not_available(f"A revision of type {kind}")
    try:
        spec = json.loads(given.get("content", ""))
        (resource,) = spec["Resources"]
        (body,) = resource.values()
        if body["Type"] != FUNCTION:
            raise ValueError(body["Type"])
        move = Move(*(str(body["Properties"][name]) for name in PROPERTIES))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = "The AppSpec is no JSON that names one function's Name, Alias, CurrentVersion and TargetVersion."
        raise AwsError("InvalidRevisionException", text) from error
    if spec.get("Hooks"):
        raise not_available("A hook before or after traffic")
    return move
