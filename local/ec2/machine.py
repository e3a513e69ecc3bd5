"""One EC2 instance as it runs: what its record in EC2 says of it, its user data, and its profile's role."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from local import joints, joints_ec2
from local.network.layout import Interface
from local.sandbox.machine import CONSOLE, Duty, Sandbox
from local.sandbox.metadata import Options

PRINCIPAL = "ec2.amazonaws.com"


class Machine(Sandbox):
    """Its record is MiniStack's."""

    notice: Mapping[str, str] = MappingProxyType({})
    """What its metadata says while its Spot capacity is about to go."""

    @property
    def record(self) -> dict[str, Any]:
        """To read and to change; empty once the instance is forgotten."""
        return joints_ec2.instance_at(self.place, self.identity) or {}

    @property
    def interrupted_at(self) -> float | None:
        """When its Spot capacity was taken, until that is back."""
        found = self.record.get("InterruptedAt")
        return None if found is None else float(found)

    @interrupted_at.setter
    def interrupted_at(self, moment: float | None) -> None:
        self.record["InterruptedAt"] = moment

    def before_first_process(self) -> None:
        found, script = self.user_data(), self.guest.script
        if found is not None and not script.exists():
            script.write_text(self.root.here(found.decode(errors="surrogateescape")), errors="surrogateescape")
            script.chmod(0o700)

    def console(self) -> str:
        """What it said at its boots, and its user data with it."""
        found = [self.folder / CONSOLE, self.guest.script_log]
        return "".join(path.read_text(errors="replace") for path in found if path.exists())

    def options(self) -> Options:
        asked = self.record.get("MetadataOptions") or {}
        return Options(
            enabled=asked.get("HttpEndpoint", "enabled") == "enabled",
            tokens_required=asked.get("HttpTokens", "optional") == "required",
            tags=asked.get("InstanceMetadataTags", "disabled") == "enabled",
        )

    def user_data(self) -> bytes | None:
        kept = self.record.get("UserData")
        return base64.b64decode(kept) if kept else None

    def identity_document(self) -> dict[str, Any]:
        found = self.record
        return {
            "accountId": self.place.account,
            "architecture": found["Architecture"],
            "availabilityZone": found["Placement"]["AvailabilityZone"],
            "imageId": found["ImageId"],
            "instanceId": self.identity,
            "instanceType": found["InstanceType"],
            "pendingTime": found["LaunchTime"].replace(".000Z", "Z"),
            "privateIp": found["PrivateIpAddress"],
            "region": self.place.region,
            "version": "2017-09-30",
        }

    def facts(self) -> dict[str, str]:
        found = self.record
        zone = found["Placement"]["AvailabilityZone"]
        said = {
            "ami-id": found["ImageId"],
            "hostname": found["PrivateDnsName"],
            "instance-id": self.identity,
            "instance-life-cycle": "spot" if found.get("InstanceLifecycle") == "spot" else "on-demand",
            "instance-type": found["InstanceType"],
            "local-hostname": found["PrivateDnsName"],
            "local-ipv4": found["PrivateIpAddress"],
            "placement/availability-zone": zone,
            "placement/region": self.place.region,
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
            "security-groups": "\n".join(group["GroupName"] for group in found["SecurityGroups"]),
        }
        tags = joints_ec2.tags_at(self.place, self.identity) if self.options().tags else {}
        return {**said, **self.notice, **{f"tags/instance/{name}": value for name, value in tags.items()}}

    def is_in_a_vpc(self) -> bool:
        return True

    def interfaces(self) -> list[Interface]:
        found = self.record
        if "NetworkInterfaceId" not in found:
            return []
        return [
            Interface(
                identity=found["NetworkInterfaceId"],
                subnet=found["SubnetId"],
                groups=tuple(group["GroupId"] for group in found["SecurityGroups"]),
                address=found["PrivateIpAddress"],
                public_address=found["PublicIpAddress"],
            )
        ]

    def duty(self) -> Duty | None:
        """Its profile's role."""
        profile = (self.record.get("IamInstanceProfile") or {}).get("Arn", "")
        with joints.scope(self.place.account, self.place.region):
            found = joints_ec2.instance_profile("", profile) if profile else None
        if found is None or not found[1]:
            return None
        role = found[1][0]
        return Duty(role, PRINCIPAL, self.identity, None, role.rsplit("/", 1)[-1], found[0])
