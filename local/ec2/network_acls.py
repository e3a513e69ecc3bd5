"""Network ACLs: the ports of their entries and the subnets that they are of, which MiniStack drops."""

from collections.abc import Mapping
from typing import Any

from local import joints, joints_ec2
from local.ec2 import answers
from local.ec2.answers import Foreign, Refused
from local.ec2.launch_parameters import Params, one


def install() -> None:
    joints.wrap("services.ec2:_network_acl_entry_xml", _entry_with_ports)
    answers.install(
        {
            "CreateNetworkAclEntry": _with_ports,
            "DescribeNetworkAcls": _associated,
            "ReplaceNetworkAclAssociation": _reassociate,
            "ReplaceNetworkAclEntry": _with_ports,
        }
    )


def _with_ports(original: Foreign, params: Params) -> Foreign:
    answer = original(params)
    acl = joints_ec2.network_layout().network_acls.get(one(params, "NetworkAclId"))
    ports = {"From": one(params, "PortRange.From"), "To": one(params, "PortRange.To")}
    if acl is not None and all(ports.values()):
        acl["Entries"][-1]["PortRange"] = ports
    return answer


def _associated(original: Foreign, params: Params) -> Foreign:
    """Every subnet has an ACL, at first its VPC's own."""
    _complete_associations()
    return original(params)


def _reassociate(original: Foreign, params: Params) -> Foreign:
    """MiniStack forgets of which subnet an association was."""
    _complete_associations()
    acls, identity = joints_ec2.network_layout().network_acls, one(params, "AssociationId")
    subnets = [
        found["SubnetId"]
        for acl in acls.values()
        for found in acl["Associations"]
        if found["NetworkAclAssociationId"] == identity
    ]
    if not subnets:
        raise Refused("InvalidAssociationID.NotFound", f"The association ID '{identity}' does not exist")
    answer = original(params)
    acl = acls.get(one(params, "NetworkAclId"))
    if acl is not None:
        acl["Associations"][-1]["SubnetId"] = subnets[0]
    return answer


def _complete_associations() -> None:
    layout = joints_ec2.network_layout()
    known = {found["SubnetId"] for acl in layout.network_acls.values() for found in acl["Associations"]}
    for acl in layout.network_acls.values():
        for subnet, record in layout.subnets.items():
            if acl["IsDefault"] and acl["VpcId"] == record["VpcId"] and subnet not in known:
                association = f"aclassoc-{subnet.removeprefix('subnet-')}"
                acl["Associations"].append({"NetworkAclAssociationId": association, "SubnetId": subnet})


def _entry_with_ports(original: Foreign, entry: Mapping[str, Any]) -> str:
    text, ports = str(original(entry)), entry.get("PortRange")
    if not ports:
        return text
    end = text.rindex("</item>")
    return f"{text[:end]}<portRange><from>{ports['From']}</from><to>{ports['To']}</to></portRange>{text[end:]}"
