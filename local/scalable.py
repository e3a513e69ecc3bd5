"""What Application Auto Scaling changes: an endpoint variant's instances or, where it is serverless, its provisioned
concurrency; an alias's provisioned concurrency.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from local import joints_lambda
from local.authority import ServiceAuthority
from local.json_service import AwsError, Call, JsonService
from local.records import Scope

VARIANT_PARTS = 4
ALIAS_PARTS = 3


@dataclass(frozen=True)
class Variant(ABC):
    """endpoint/NAME/variant/NAME, and the one number of it that is changed."""

    hosting: JsonService

    @abstractmethod
    def count(self, variant: Mapping[str, Any]) -> int | None:
        """None where it has no such number."""

    @abstractmethod
    def changed_to(self, count: int) -> dict[str, Any]:
        """As UpdateEndpointWeightsAndCapacities is told."""

    def exists(self, scope: Scope, resource_id: str) -> bool:
        return self._wanted(scope, resource_id) is not None

    def capacity(self, scope: Scope, resource_id: str) -> int | None:
        endpoint = self.hosting.records.get(scope, "Endpoint", resource_id.split("/")[1])
        if endpoint is None or endpoint["EndpointStatus"] != "InService":
            return None
        return self._wanted(scope, resource_id)

    def change(self, scope: Scope, resource_id: str, to: int) -> None:
        _, name, _, variant = resource_id.split("/")
        change = {"VariantName": variant, **self.changed_to(to)}
        params = {"EndpointName": name, "DesiredWeightsAndCapacities": [change]}
        self.hosting.call(Call("UpdateEndpointWeightsAndCapacities", params, scope, ServiceAuthority()))

    def failure(self, scope: Scope, resource_id: str, to: int) -> str | None:
        if self._wanted(scope, resource_id) == to:
            return None
        endpoint = self.hosting.records.get(scope, "Endpoint", resource_id.split("/")[1]) or {}
        return str(endpoint.get("FailureReason") or "the endpoint was changed meanwhile")

    def _wanted(self, scope: Scope, resource_id: str) -> int | None:
        parts = resource_id.split("/")
        found = self.hosting.records.get(scope, "Endpoint", parts[1]) if len(parts) == VARIANT_PARTS else None
        for variant in found["_deployment"]["Variants"] if found else ():
            if variant["VariantName"] == parts[3]:
                return self.count(variant)
        return None


class VariantInstances(Variant):
    capacity_name: ClassVar[str] = "desired instance count"

    def count(self, variant: Mapping[str, Any]) -> int | None:
        # A serverless one has no instances to scale.
        found = variant.get("InitialInstanceCount")
        return None if found is None else int(found)

    def changed_to(self, count: int) -> dict[str, Any]:
        return {"DesiredInstanceCount": count}


class VariantConcurrency(Variant):
    capacity_name: ClassVar[str] = "desired provisioned concurrency"

    def count(self, variant: Mapping[str, Any]) -> int | None:
        found = (variant.get("ServerlessConfig") or {}).get("ProvisionedConcurrency")
        return None if found is None else int(found)

    def changed_to(self, count: int) -> dict[str, Any]:
        return {"ServerlessUpdateConfig": {"ProvisionedConcurrency": count}}


@dataclass(frozen=True)
class AliasConcurrency:
    """function:NAME:ALIAS"""

    capacity_name: ClassVar[str] = "desired concurrency"

    def exists(self, scope: Scope, resource_id: str) -> bool:
        parts = resource_id.split(":")
        return len(parts) == ALIAS_PARTS and joints_lambda.has_qualifier(scope, parts[1], parts[2])

    def capacity(self, scope: Scope, resource_id: str) -> int | None:
        if not self.exists(scope, resource_id):
            return None
        found = joints_lambda.provisioned_for(scope, *resource_id.split(":")[1:])
        if found is None:
            return 0
        return None if found.config["Status"] == "IN_PROGRESS" else found.requested

    def change(self, scope: Scope, resource_id: str, to: int) -> None:
        _, function, qualifier = resource_id.split(":")
        status, body = joints_lambda.put_provisioned(scope, function, qualifier, to)
        if status >= 400:  # noqa: PLR2004 - HTTP's errors
            raise AwsError("ValidationException", body.decode(errors="replace"))

    def failure(self, scope: Scope, resource_id: str, to: int) -> str | None:
        found = joints_lambda.provisioned_for(scope, *resource_id.split(":")[1:])
        if found is None or found.requested != to:
            return "the alias was changed meanwhile"
        return str(found.config["StatusReason"]) if found.config["Status"] == "FAILED" else None
