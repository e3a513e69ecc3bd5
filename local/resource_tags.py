"""The tags that aws:ResourceTag conditions look at, for resources whose tags MiniStack's evaluator does not find."""

from collections.abc import Callable
from typing import Any

from local import joints, joints_ec2
from local.json_service import JsonService
from local.records import Scope

# MiniStack is untyped: its functions and what they answer.
Foreign = Any


class ResourceTags:
    """EC2's, which it keeps by id, and SageMaker's, which is added here and keeps them by ARN."""

    def __init__(self, hosting: JsonService) -> None:
        self._hosting = hosting

    def install(self) -> None:
        joints.wrap("services.tagging:resource_tags", self.find)

    def find(self, original: Callable[[str], Foreign], arn: str) -> dict[str, str] | None:
        found: dict[str, str] | None = original(arn)
        parts = arn.split(":", 5)
        if found is not None or len(parts) < 6:  # noqa: PLR2004 - an ARN's parts
            return found
        match parts[2]:
            case "ec2":
                return joints_ec2.ec2_tags(parts[5].rsplit("/", 1)[-1])
            case "sagemaker":
                kept = self._hosting.records.get(Scope(parts[4], parts[3]), "Tags", arn)
                return {tag["Key"]: tag["Value"] for tag in kept["Tags"]} if kept else None
        return None
