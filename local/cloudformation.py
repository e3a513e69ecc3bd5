"""The resource types that MiniStack lacks: each is the API's own calls, with a template's properties as parameters."""

import contextvars
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from local import joints, joints_cloudformation
from local.authority import ServiceAuthority
from local.autoscaling import target_key
from local.joints_cloudformation import ResourceType
from local.json_service import Authority, AwsError, Call, JsonService
from local.records import Document, Scope
from local.sagemaker.endpoints import Endpoints
from local.shapes import coerced, operation_model

NAME_LENGTH = 63
# Whose permissions the running stack operation has: the role that CloudFormation was given, else its caller.
_authority: contextvars.ContextVar[Authority | None] = contextvars.ContextVar("stack_authority", default=None)
Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]


def work_as(who: Authority) -> None:
    """For this request and the stack operation that it starts, which runs in a copy of the request's context."""
    _authority.set(who)


def authority() -> Authority:
    """Whose permissions the stack operation under way has."""
    return _authority.get() or ServiceAuthority()


def call(service: JsonService, operation: str, params: Document) -> Document:
    scope = Scope(joints.account(), joints.current_region())
    params = coerced(service.name, operation, params)
    return service.call(Call(operation, params, scope, authority()))


@dataclass(frozen=True)
class Kind:
    """A SageMaker type: created under a name, replaced when any property but its tags changes."""

    service: JsonService
    name: str
    extra_attributes: Callable[[Document], Properties] = lambda document: {}

    @property
    def name_property(self) -> str:
        return f"{self.name}Name"

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        params = {**properties}
        params.setdefault(self.name_property, joints_cloudformation.physical_name(stack, logical_id, NAME_LENGTH))
        answer = call(self.service, f"Create{self.name}", self.known(f"Create{self.name}", params))
        return self.provisioned(answer[f"{self.name}Arn"], params[self.name_property])

    def provisioned(self, arn: str, name: str) -> Provisioned:
        return arn, {self.name_property: name, f"{self.name}Arn": arn}

    def known(self, operation: str, params: Properties) -> Properties:
        """Refuse by name what the API has no member for, where botocore would only say that it is unknown."""
        members = operation_model(self.service.name, operation).input_shape.members
        unknown = sorted(set(params) - set(members))
        if unknown:
            raise AwsError("ValidationException", f"AWS::SageMaker::{self.name} has no property {', '.join(unknown)}.")
        return params

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        """Only tags come here: every other change is a replacement."""
        before, after = tags(old), tags(new)
        gone = sorted(set(before) - set(after))
        if gone:
            call(self.service, "DeleteTags", {"ResourceArn": physical_id, "TagKeys": gone})
        if after:
            listed = [{"Key": key, "Value": value} for key, value in after.items()]
            call(self.service, "AddTags", {"ResourceArn": physical_id, "Tags": listed})
        return self.provisioned(physical_id, self.existing(physical_id))

    def existing(self, physical_id: str) -> str:
        """The name as it was given: an ARN holds it in lower case."""
        scope = Scope(joints.account(), joints.current_region())
        for document in self.service.records.all(scope, self.name):
            if document[f"{self.name}Arn"] == physical_id:
                return str(document["_name"])
        raise AwsError("ValidationException", f"{physical_id} does not exist.")

    def delete(self, physical_id: str, properties: Properties) -> None:
        scope = Scope(joints.account(), joints.current_region())
        if any(one[f"{self.name}Arn"] == physical_id for one in self.service.records.all(scope, self.name)):
            call(self.service, f"Delete{self.name}", {self.name_property: self.existing(physical_id)})

    def resource_type(self, slow: bool = False) -> ResourceType:
        members = operation_model(self.service.name, f"Create{self.name}").input_shape.members
        return ResourceType(
            create=self.create,
            update=self.update,
            delete=self.delete,
            replacing=tuple(name for name in members if name != "Tags"),
            name_property=self.name_property,
            tagged=True,
            slow=slow,
        )


@dataclass(frozen=True)
class EndpointKind(Kind):
    """An endpoint is updated in place; CloudFormation waits until it is in service or has failed."""

    endpoints: Endpoints | None = None
    UPDATE_ONLY = ("RetainAllVariantProperties", "ExcludeRetainedVariantProperties", "RetainDeploymentConfig")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        self.known("UpdateEndpoint", {key: value for key, value in properties.items() if key != "Tags"})
        created = super().create(
            logical_id, {key: value for key, value in properties.items() if key not in self.UPDATE_ONLY}, stack
        )
        self._settled(created[1]["EndpointName"], properties["EndpointConfigName"])
        return created

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        name = self.existing(physical_id)
        if {**old, "Tags": None} != {**new, "Tags": None}:
            self._launched(physical_id)
            params = {key: value for key, value in new.items() if key != "Tags"}
            params = {**self.known("UpdateEndpoint", params), "EndpointName": name}
            call(self.service, "UpdateEndpoint", params)
            self._settled(name, new["EndpointConfigName"])
        return super().update(physical_id, old, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._launched(physical_id)
        super().delete(physical_id, properties)
        if self.endpoints is not None:
            name = physical_id.rsplit("/", 1)[-1]
            self.endpoints.wait_gone(Scope(joints.account(), joints.current_region()), name)

    def _launched(self, physical_id: str) -> None:
        """After a restart an endpoint takes no change until its instances are back, and a deploy need not know that."""
        if self.endpoints is not None:
            self.endpoints.wait_launched(Scope(joints.account(), joints.current_region()), physical_id)

    def _settled(self, name: str, config: str) -> None:
        if self.endpoints is None:
            return
        found = self.endpoints.wait(Scope(joints.account(), joints.current_region()), name)
        status, serves = (found["EndpointStatus"], found["EndpointConfigName"]) if found else ("Deleted", "")
        if status != "InService" or serves != config:
            reason = (found or {}).get("FailureReason", "it was deleted meanwhile")
            raise AwsError("NotStabilized", f"Endpoint {name} did not get into service with {config}: {reason}")


def tags(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}


def sagemaker_types(service: JsonService, endpoints: Endpoints) -> dict[str, ResourceType]:
    endpoint = EndpointKind(service, "Endpoint", endpoints=endpoints).resource_type(slow=True)
    return {
        "AWS::SageMaker::Model": Kind(service, "Model").resource_type(),
        "AWS::SageMaker::EndpointConfig": Kind(service, "EndpointConfig").resource_type(),
        "AWS::SageMaker::Endpoint": replace(endpoint, replacing=("EndpointName",)),
        "AWS::SageMaker::ModelPackageGroup": Kind(service, "ModelPackageGroup").resource_type(),
    }


def autoscaling_types(service: JsonService) -> dict[str, ResourceType]:
    identity = ("ResourceId", "ScalableDimension", "ServiceNamespace")

    def put_target(logical_id: str, properties: Properties, stack: str) -> Provisioned:
        # A template writes tags as a list, this API takes a map.
        params = {**properties, "Tags": tags(properties)}
        actions = params.pop("ScheduledActions", [])
        call(service, "RegisterScalableTarget", params)
        target = {key: params[key] for key in identity}
        for action in actions:
            call(service, "PutScheduledAction", {**action, **target})
        return target_key(params), {"Id": target_key(params)}

    def update_target(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        answer = put_target("", new, stack)
        kept = {action["ScheduledActionName"] for action in new.get("ScheduledActions", [])}
        for action in old.get("ScheduledActions", []):
            if action["ScheduledActionName"] not in kept:
                params = {"ScheduledActionName": action["ScheduledActionName"], **{key: new[key] for key in identity}}
                _ignoring_missing(service, "DeleteScheduledAction", params)
        return answer

    def delete_target(physical_id: str, properties: Properties) -> None:
        _ignoring_missing(service, "DeregisterScalableTarget", dict(zip(identity, physical_id.split("|"), strict=True)))

    def put_policy(logical_id: str, properties: Properties, stack: str) -> Provisioned:
        params = dict(properties)
        if "ScalingTargetId" in params:
            params |= dict(zip(identity, params.pop("ScalingTargetId").split("|"), strict=True))
        answer = call(service, "PutScalingPolicy", params)
        return answer["PolicyARN"], {"Arn": answer["PolicyARN"]}

    def delete_policy(physical_id: str, properties: Properties) -> None:
        # ...:resource/<namespace>/<resource id>:policyName/<name>
        scope = Scope(joints.account(), joints.current_region())
        for policy in service.records.all(scope, "ScalingPolicy"):
            if policy["PolicyARN"] == physical_id:
                params = {key: policy[key] for key in (*identity, "PolicyName")}
                _ignoring_missing(service, "DeleteScalingPolicy", params)

    return {
        "AWS::ApplicationAutoScaling::ScalableTarget": ResourceType(put_target, update_target, delete_target, identity),
        "AWS::ApplicationAutoScaling::ScalingPolicy": ResourceType(
            put_policy,
            functools.partial(_put_again, put_policy),
            delete_policy,
            (*identity, "PolicyName", "ScalingTargetId"),
        ),
    }


def _put_again(
    put: Callable[[str, Properties, str], Provisioned],
    physical_id: str,
    old: Properties,
    new: Properties,
    stack: str,
) -> Provisioned:
    """Registering or putting what exists changes it in place."""
    return put("", new, stack)


def _ignoring_missing(service: JsonService, operation: str, params: Document) -> None:
    """A delete of what is gone already has done its work."""
    try:
        call(service, operation, params)
    except AwsError as error:
        if error.code != "ObjectNotFoundException":
            raise
