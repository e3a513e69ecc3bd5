"""CodeDeploy in templates: its resource types, and aliases whose UpdatePolicy hands their update to it."""

from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from local import joints, joints_cloudformation, joints_lambda
from local.cloudformation import Properties, Provisioned, authority, call, tags
from local.codedeploy.deployments import Deployments
from local.codedeploy.names import APPLICATION, CONFIG, GROUP, arn, not_available, required
from local.codedeploy.revision import Move, revision_of
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError
from local.records import Document, Scope
from local.shapes import operation_model

NAME_LENGTH = 100
POLICY = "CodeDeployLambdaAliasUpdate"


def resource_types(deployments: Deployments) -> dict[str, ResourceType]:
    types = _Types(deployments)
    return {
        f"AWS::CodeDeploy::{APPLICATION}": types.of(
            APPLICATION, ("ApplicationName", "ComputePlatform"), types.update_tags, tagged=True
        ),
        f"AWS::CodeDeploy::{CONFIG}": types.of(
            CONFIG,
            ("ComputePlatform", "DeploymentConfigName", "MinimumHealthyHosts", "TrafficRoutingConfig", "ZonalConfig"),
            types.unchanged,
        ),
        f"AWS::CodeDeploy::{GROUP}": types.of(
            GROUP, ("ApplicationName", "DeploymentGroupName"), types.update_group, tagged=True
        ),
    }


class _Types:
    """Each is the API's own calls; a template's names begin with capitals, the API's with small letters."""

    def __init__(self, deployments: Deployments) -> None:
        self.service = deployments.service

    def of(
        self,
        kind: str,
        replacing: tuple[str, ...],
        update: Callable[[str, Properties, Properties, str], Provisioned],
        tagged: bool = False,
    ) -> ResourceType:
        name = f"{kind}Name"

        def create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
            named = {name: joints_cloudformation.physical_name(stack, logical_id, NAME_LENGTH), **properties}
            call(self.service, f"Create{kind}", self.params(kind, f"Create{kind}", named))
            return named[name], {}

        def delete(physical_id: str, properties: Properties) -> None:
            key = {small(name): physical_id}
            if kind == GROUP:
                key["applicationName"] = properties["ApplicationName"]
            try:
                call(self.service, f"Delete{kind}", key)
            except AwsError as error:
                # A delete of what is gone already has done its work.
                if not error.code.endswith("DoesNotExistException"):
                    raise

        return ResourceType(create, update, delete, replacing, name_property=name, tagged=tagged)

    def params(self, kind: str, operation: str, properties: Properties) -> Document:
        shape = operation_model(self.service.name, operation).input_shape
        named = _as_call(properties, shape)
        unknown = sorted(set(named) - set(shape.members))
        if unknown:
            raise AwsError("ValidationException", f"AWS::CodeDeploy::{kind} has no property {', '.join(unknown)}.")
        return dict(named)

    def unchanged(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        return physical_id, {}

    def update_tags(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        self._retag(arn(_scope(), APPLICATION, physical_id), old, new)
        return physical_id, {}

    def update_group(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        settings = {name: value for name, value in new.items() if name not in ("DeploymentGroupName", "Tags")}
        params = self.params(GROUP, "UpdateDeploymentGroup", settings)
        # What a template leaves out is taken back.
        emptied = {small(name): {"enabled": False} for name in set(old) - set(new) if name.endswith("Configuration")}
        call(self.service, "UpdateDeploymentGroup", {**emptied, **params, "currentDeploymentGroupName": physical_id})
        self._retag(arn(_scope(), GROUP, f"{new['ApplicationName']}/{physical_id}"), old, new)
        return physical_id, {}

    def _retag(self, resource: str, old: Properties, new: Properties) -> None:
        before, after = tags(old), tags(new)
        gone = sorted(set(before) - set(after))
        if gone:
            call(self.service, "UntagResource", {"ResourceArn": resource, "TagKeys": gone})
        if after != before and after:
            listed = [{"Key": key, "Value": value} for key, value in after.items()]
            call(self.service, "TagResource", {"ResourceArn": resource, "Tags": listed})


def _scope() -> Scope:
    return Scope(joints.account(), joints.current_region())


def small(name: str) -> str:
    return name[:1].lower() + name[1:]


def _as_call(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        named = {small(key) if small(key) in shape.members else key: inner for key, inner in value.items()}
        return {
            key: _as_call(inner, shape.members[key]) if key in shape.members else inner for key, inner in named.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_as_call(one, shape.member) for one in value]
    return value


def move_aliases_by_deployments(deployments: Deployments) -> None:
    """An alias that goes to another version under an UpdatePolicy goes there by a deployment; its stack waits."""

    def moving(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str) -> None:
        version, target = str(old.get("FunctionVersion")), str(new.get("FunctionVersion"))
        policy = joints_cloudformation.update_policy(stack, logical_id)
        if version == target or not policy:
            return
        unknown = sorted(set(policy) - {POLICY})
        wanted = policy.get(POLICY) or {}
        hooks = sorted(set(wanted) - {"ApplicationName", "DeploymentGroupName"})
        if unknown or hooks:
            raise not_available(f"{', '.join(unknown + hooks)} in the UpdatePolicy of an alias")
        function, alias = physical_id.split(":")[6:8]
        _deploy(deployments, wanted, Move(function, alias, version, target))

    joints_lambda.before_alias_updates(moving)


def _deploy(deployments: Deployments, wanted: Properties, move: Move) -> None:
    """As CloudFormation's role, which must be allowed to deploy; who did it is on record."""
    scope = _scope()
    group = {"applicationName": wanted["ApplicationName"], "deploymentGroupName": wanted["DeploymentGroupName"]}
    known = required(deployments.records, scope, GROUP, "/".join(group.values()))
    authority().require("codedeploy:GetDeploymentConfig", arn(scope, CONFIG, known["deploymentConfigName"]))
    deployment = call(deployments.service, "CreateDeployment", {**group, "revision": revision_of(move)})["deploymentId"]
    with deployments.records.edit(scope, "Deployment", deployment) as document:
        document["creator"] = "CloudFormation"
    deployments.wait(scope, deployment)
    found = call(deployments.service, "GetDeployment", {"deploymentId": deployment})["deploymentInfo"]
    if found["status"] != "Succeeded":
        said = found.get("errorInformation", {}).get("message", "")
        raise AwsError("InternalFailure", f"{deployment} failed. {said}")
