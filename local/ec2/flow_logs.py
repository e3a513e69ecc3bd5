"""Flow logs: what EC2 keeps of them, and AWS::EC2::FlowLog, made by whoever may pass its role."""

from typing import Any

from local import joints_ec2
from local.cloudformation import Properties, Provisioned, authority, tags
from local.ec2 import answers, calls
from local.ec2.answers import Foreign, Refused
from local.ec2.launch_parameters import Params, one
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError
from local.shapes import operation_model

PRINCIPAL = "vpc-flow-logs.amazonaws.com"
# The API takes several resources and keeps tags by another name.
IDENTITY = {"ResourceId": "ResourceIds"}


def install() -> None:
    answers.install({"CreateFlowLogs": _record})


def resource_type() -> ResourceType:
    members = operation_model(calls.SERVICE, "CreateFlowLogs").input_shape.members
    replacing = tuple(name for name in (*members, *IDENTITY) if name != "TagSpecifications")
    return ResourceType(create=_create, update=_update, delete=_delete, replacing=replacing, tagged=True)


def _create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    role = properties.get("DeliverLogsPermissionArn")
    if role:
        authority().require("iam:PassRole", role, {"iam:PassedToService": PRINCIPAL})
    members = operation_model(calls.SERVICE, "CreateFlowLogs").input_shape.members
    params: dict[str, Any] = {name: value for name, value in properties.items() if name != "Tags"}
    params["ResourceIds"] = [params.pop("ResourceId")]
    unknown = sorted(set(params) - set(members))
    if unknown:
        raise AwsError("ValidationException", f"AWS::EC2::FlowLog has no property {', '.join(unknown)}.")
    kind = "vpc" if params["ResourceType"] == "VPC" else "*"
    answer = calls.call(authority(), "CreateFlowLogs", [calls.arn(kind, params["ResourceIds"][0])], params)
    identity = str(answer.findtext("flowLogIdSet/item"))
    calls.set_tags(authority(), "vpc-flow-log", identity, {}, tags(properties))
    return identity, {"Id": identity}


def _update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
    """Only tags come here: every other change is a replacement."""
    calls.set_tags(authority(), "vpc-flow-log", physical_id, tags(old), tags(new))
    return physical_id, {"Id": physical_id}


def _delete(physical_id: str, properties: Properties) -> None:
    calls.call(authority(), "DeleteFlowLogs", [calls.arn("vpc-flow-log", physical_id)], {"FlowLogIds": [physical_id]})


def _record(original: Foreign, params: Params) -> Foreign:
    """The default format to CloudWatch Logs is what is delivered; what nobody would deliver is refused."""
    asked = [name for name in ("LogFormat", "DestinationOptions.FileFormat") if one(params, name)]
    if one(params, "LogDestinationType") not in ("", "cloud-watch-logs"):
        asked.append(f"LogDestinationType {one(params, 'LogDestinationType')}")
    if asked:
        raise Refused("InvalidParameter", f"A flow log with {', '.join(asked)} is not available here.")
    before = {record["FlowLogId"] for record in joints_ec2.flow_logs()}
    answer = original(params)
    for record in joints_ec2.flow_logs():
        if record["FlowLogId"] not in before:
            record["DeliverLogsPermissionArn"] = one(params, "DeliverLogsPermissionArn")
            if not str(record["LogDestination"]).startswith("arn:"):
                record["LogDestination"] = joints_ec2.log_group_arn(record["LogDestination"])
    return answer
