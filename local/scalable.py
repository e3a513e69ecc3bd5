"""What Application Auto Scaling changes: an endpoint variant's instances or, where it is serverless, its provisioned
concurrency; an alias's provisioned concurrency.
"""

from dataclasses import dataclass
from typing import ClassVar

from local import joints_lambda
from local.authority import ServiceAuthority
from local.json_service import AwsError, Call, JsonService
from local.records import Scope

VARIANT_PARTS = 4
ALIAS_PARTS = 3


@dataclass(frozen=True)
class VariantInstances:
    """endpoint/NAME/variant/NAME"""

    hosting: JsonService
    capacity_name: ClassVar[str] = "desired instance count"

    def exists(self, scope: Scope, resource_id: str) -> bool:
        return self._wanted(scope, resource_id) is not None

    def capacity(self, scope: Scope, resource_id: str) -> int | None:
        endpoint = self.hosting.records.get(scope, "Endpoint", resource_id.split("/")[1])
        if endpoint is None or endpoint["EndpointStatus"] != "InService":
            return None
        return self._wanted(scope, resource_id)

    def change(self, scope: Scope, resource_id: str, to: int) -> None:
        _, name, _, variant = resource_id.split("/")
        params = {
            "EndpointName": name,
            "DesiredWeightsAndCapacities": [{"VariantName": variant, "DesiredInstanceCount": to}],
        }
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
                # A serverless one has no instances to scale.
                count = variant.get("InitialInstanceCount")
                return None if count is None else int(count)
        return None


@dataclass(frozen=True)
class VariantConcurrency:
    """endpoint/NAME/variant/NAME of a serverless variant that has some."""

    hosting: JsonService
    capacity_name: ClassVar[str] = "desired provisioned concurrency"

    def exists(self, scope: Scope, resource_id: str) -> bool:
        return self._wanted(scope, resource_id) is not None

    def capacity(self, scope: Scope, resource_id: str) -> int | None:
        endpoint = self.hosting.records.get(scope, "Endpoint", resource_id.split("/")[1])
        if endpoint is None or endpoint["EndpointStatus"] != "InService":
            return None
        return self._wanted(scope, resource_id)

    def change(self, scope: Scope, resource_id: str, to: int) -> None:
        _, name, _, variant = resource_id.split("/")
        update = {"VariantName": variant, "ServerlessUpdateConfig": {"ProvisionedConcurrency": to}}
        params = {"EndpointName": name, "DesiredWeightsAndCapacities": [update]}
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
                count = (variant.get("ServerlessConfig") or {}).get("ProvisionedConcurrency")
                return None if count is None else int(count)
        return None


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
