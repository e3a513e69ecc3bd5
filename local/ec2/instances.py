"""AWS::EC2::Instance: launched from a template's properties and its launch template, by whoever may do all of that.

The stack waits until it runs; what its user data does from then on is in its console.
"""

import time
from typing import Any

from local import joints, joints_ec2, volume_keys
from local.cloudformation import Properties, Provisioned, authority, tags
from local.ec2 import calls, images
from local.ec2.machine import PRINCIPAL
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError
from local.records import Scope
from local.shapes import operation_model
from local.volume_keys import UnusableKey

WAIT_SECONDS, LOOK_EVERY_SECONDS = 60.0, 0.02
# CloudFormation's own, and what it calls otherwise than the API does.
NOT_IN_THE_CALL = (
    "AvailabilityZone",
    "PropagateTagsToVolumeOnCreation",
    "Tags",
    "LaunchTemplate",
    "IamInstanceProfile",
)
IN_PLACE = ("InstanceType", "PropagateTagsToVolumeOnCreation", "Tags")
PASSED_ON = ("MetadataOptions", "InstanceInitiatedShutdownBehavior", "InstanceMarketOptions")
Launch = dict[str, Any]


def resource_type() -> ResourceType:
    members = operation_model(calls.SERVICE, "RunInstances").input_shape.members
    replacing = tuple(name for name in (*members, *NOT_IN_THE_CALL) if name not in IN_PLACE)
    return ResourceType(create=_create, update=_update, delete=_delete, replacing=replacing, tagged=True, slow=True)


def _create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    launch = _launch(properties)
    launch["ImageId"] = images.resolve(authority(), launch.get("ImageId", ""))
    profile = _profile(launch)
    _require_key(launch)
    resources = [calls.arn("instance", "*"), calls.arn("volume", "*"), calls.arn("network-interface", "*")]
    resources.append(f"arn:aws:ec2:{joints.current_region()}::image/{launch['ImageId']}")
    subnet, groups = _placed(launch)
    resources += [calls.arn("subnet", subnet)] if subnet else []
    resources += [calls.arn("security-group", group) for group in groups]
    calls.check("RunInstances", launch)
    recorded: Launch = {
        "ImageId": launch["ImageId"],
        "InstanceType": launch["InstanceType"],
        "MinCount": 1,
        "MaxCount": 1,
        **({"SubnetId": subnet} if subnet else {}),
        **({"SecurityGroupIds": groups} if groups else {}),
        **({"NetworkInterfaces": [_interface(launch)]} if _interface(launch) else {}),
        **({"UserData": launch["UserData"]} if "UserData" in launch else {}),
        **({"IamInstanceProfile": {"Arn": profile}} if profile else {}),
        **{name: launch[name] for name in PASSED_ON if name in launch},
    }
    answer = calls.call(authority(), "RunInstances", resources, recorded)
    identity = str(answer.findtext("instancesSet/item/instanceId"))
    joints_ec2.describe_root_volume(identity, _root(launch))
    calls.set_tags(authority(), "instance", identity, {}, tags(properties))
    _wait(identity, "running")
    return identity, _attributes(identity)


def _launch(properties: Properties) -> Launch:
    """The launch template's data, over which the instance's own properties go, as parameters of RunInstances."""
    known = operation_model(calls.SERVICE, "RunInstances").input_shape.members
    unknown = sorted(set(properties) - set(known) - set(NOT_IN_THE_CALL))
    if unknown:
        raise AwsError("ValidationException", f"AWS::EC2::Instance has no property {', '.join(unknown)}.")
    own = {name: value for name, value in properties.items() if name not in NOT_IN_THE_CALL}
    if "IamInstanceProfile" in properties:
        own["IamInstanceProfile"] = {"Name": properties["IamInstanceProfile"]}
    data: Launch = {}
    if properties.get("LaunchTemplate"):
        found = joints_ec2.launch_template_data(properties["LaunchTemplate"])
        if found is None:
            raise AwsError("InvalidLaunchTemplateId.NotFound", "The launch template or its version does not exist.")
        data = {name: value for name, value in found.items() if name != "TagSpecifications"}
    launch = {"MinCount": 1, "MaxCount": 1, "InstanceType": "m1.small", **data, **own}
    if interfaces := launch.get("NetworkInterfaces"):
        # A launch template calls an interface's groups as the API does; CloudFormation's instance says GroupSet.
        launch["NetworkInterfaces"] = [
            {("Groups" if name == "GroupSet" else name): value for name, value in interface.items()}
            for interface in interfaces
        ]
    return launch


def _profile(launch: Launch) -> str | None:
    """The instance profile's ARN; whoever launches must be allowed to pass its role, and EC2 to assume it."""
    named = launch.get("IamInstanceProfile")
    if not named:
        return None
    found = joints_ec2.instance_profile(named.get("Name", ""), named.get("Arn", ""))
    if found is None:
        raise AwsError("InvalidParameterValue", f"Invalid IAM Instance Profile {named.get('Name') or named.get('Arn')}")
    arn, roles = found
    for role in roles:
        authority().require("iam:PassRole", role, {"iam:PassedToService": PRINCIPAL})
        document = joints.role(joints.account(), role)
        trust = document["AssumeRolePolicyDocument"] if document else {}
        if not joints.service_may(trust, PRINCIPAL, "sts:AssumeRole", role, joints.current_region(), {}):
            raise AwsError("InvalidParameterValue", f"The trust policy of {role} does not let {PRINCIPAL} assume it.")
    return arn


def _require_key(launch: Launch) -> None:
    """EC2 attaches a volume under a customer's key by a grant, which whoever launches must be able to give."""
    for device in launch.get("BlockDeviceMappings", []):
        key = device.get("Ebs", {}).get("KmsKeyId")
        if not key:
            continue
        try:
            volume_keys.require_grant(Scope(joints.account(), joints.current_region()), key, authority(), calls.SERVICE)
        except UnusableKey as error:
            raise AwsError("InvalidParameterValue", f"The key of the volume cannot be used: {error}.") from error


def _placed(launch: Launch) -> tuple[str, list[str]]:
    interface = (launch.get("NetworkInterfaces") or [{}])[0]
    subnet = interface.get("SubnetId") or launch.get("SubnetId", "")
    return subnet, interface.get("Groups") or launch.get("SecurityGroupIds", [])


def _interface(launch: Launch) -> dict[str, Any]:
    """What the first interface says beside subnet and groups, which the call says by itself."""
    found = (launch.get("NetworkInterfaces") or [{}])[0]
    public = {name: found[name] for name in ("AssociatePublicIpAddress",) if name in found}
    return {"DeviceIndex": 0, **public} if public else {}


def _root(launch: Launch) -> dict[str, Any]:
    ebs = (launch.get("BlockDeviceMappings") or [{}])[0].get("Ebs", {})
    found = {
        "Size": ebs.get("VolumeSize"),
        "VolumeType": ebs.get("VolumeType"),
        "Encrypted": ebs.get("Encrypted"),
        "KmsKeyId": ebs.get("KmsKeyId"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _attributes(identity: str) -> Properties:
    found = joints_ec2.instance(identity)
    return {
        "InstanceId": identity,
        "AvailabilityZone": found["Placement"]["AvailabilityZone"],
        "PrivateDnsName": found["PrivateDnsName"],
        "PrivateIp": found["PrivateIpAddress"],
        "PublicDnsName": found["PublicDnsName"],
        "PublicIp": found["PublicIpAddress"],
        "VpcId": found["VpcId"],
    }


def _update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
    """Another type stops the instance and starts it again; its disk and its id stay."""
    resource = calls.arn("instance", physical_id)
    if old.get("InstanceType") != new.get("InstanceType"):
        running = joints_ec2.instance(physical_id)["State"]["Name"] == "running"
        if running:
            calls.call(authority(), "StopInstances", [resource], {"InstanceIds": [physical_id]})
            _wait(physical_id, "stopped")
        authority().require("ec2:ModifyInstanceAttribute", resource)
        joints_ec2.instance(physical_id)["InstanceType"] = new["InstanceType"]
        if running:
            calls.call(authority(), "StartInstances", [resource], {"InstanceIds": [physical_id]})
            _wait(physical_id, "running")
    calls.set_tags(authority(), "instance", physical_id, tags(old), tags(new))
    return physical_id, _attributes(physical_id)


def _delete(physical_id: str, properties: Properties) -> None:
    try:
        calls.call(
            authority(), "TerminateInstances", [calls.arn("instance", physical_id)], {"InstanceIds": [physical_id]}
        )
    except AwsError as error:
        if not error.code.startswith("InvalidInstanceID"):
            raise
    else:
        _wait(physical_id, "terminated")


def _wait(identity: str, state: str) -> None:
    """A boot that fails ends in another state than the one that is waited for."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        found = joints_ec2.instance(identity)
        if found["State"]["Name"] == state:
            return
        if state == "running" and found["State"]["Name"] not in ("pending", "running"):
            break
        time.sleep(LOOK_EVERY_SECONDS)
    reason = found.get("StateTransitionReason", "")
    raise AwsError("InternalFailure", f"{identity} is {found['State']['Name']}, not {state}. {reason}".strip())
