"""AWS::EC2::SecurityGroupIngress and -Egress: one rule of a group, which may name the group itself."""

from dataclasses import dataclass
from typing import Any

from local.cloudformation import Properties, Provisioned, authority
from local.ec2 import calls
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError

# Property -> where the API keeps it: the list, and the member of its one element.
PEERS = {
    "CidrIp": ("IpRanges", "CidrIp"),
    "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "{}PrefixListId": ("PrefixListIds", "PrefixListId"),
    "{}SecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}
RANGE = ("IpProtocol", "FromPort", "ToPort")


@dataclass(frozen=True)
class Direction:
    """Ingress from a source, or egress to a destination."""

    name: str
    peer: str

    @property
    def kind(self) -> str:
        return f"AWS::EC2::SecurityGroup{self.name}"

    def resource_type(self) -> ResourceType:
        replacing = ("GroupId", *RANGE, *(name.format(self.peer) for name in PEERS))
        return ResourceType(create=self._create, update=self._update, delete=self._delete, replacing=replacing)

    def _create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        answer = self._call("Authorize", properties)
        identity = answer.findtext(".//securityGroupRuleId") or f"{properties['GroupId']}-{logical_id}"
        return identity, {"Id": identity}

    def _update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        """Only another description comes here: every other change is another rule."""
        self._call("Revoke", old)
        self._call("Authorize", new)
        return physical_id, {"Id": physical_id}

    def _delete(self, physical_id: str, properties: Properties) -> None:
        try:
            self._call("Revoke", properties)
        except AwsError as error:
            if error.code not in ("InvalidPermission.NotFound", "InvalidGroup.NotFound"):
                raise

    def _call(self, verb: str, properties: Properties) -> Any:  # noqa: ANN401 - an element of the answer
        group = str(properties.get("GroupId"))
        params = {"GroupId": group, "IpPermissions": [self._permission(properties)]}
        return calls.call(authority(), f"{verb}SecurityGroup{self.name}", [calls.arn("security-group", group)], params)

    def _permission(self, properties: Properties) -> dict[str, Any]:
        peers = {name.format(self.peer): place for name, place in PEERS.items()}
        unknown = sorted(set(properties) - {"GroupId", "Description", *RANGE, *peers})
        if unknown:
            raise AwsError("ValidationException", f"{self.kind} has no property {', '.join(unknown)} here.")
        named = [name for name in peers if name in properties]
        if len(named) != 1:
            raise AwsError("ValidationException", f"{self.kind} names one peer: {', '.join(peers)}.")
        list_name, member = peers[named[0]]
        peer = {member: properties[named[0]]}
        if "Description" in properties:
            peer["Description"] = properties["Description"]
        return {**{name: properties[name] for name in RANGE if name in properties}, list_name: [peer]}


def resource_types() -> dict[str, ResourceType]:
    directions = (Direction("Ingress", "Source"), Direction("Egress", "Destination"))
    return {direction.kind: direction.resource_type() for direction in directions}
