"""Ways from a network interface to a service of AWS, decided from records alone."""

from dataclasses import replace

import pytest

from local.network.layout import Interface, Layout, PrefixList
from local.network.reachability import NoWay, Way, free_address, way

REGION = "us-east-1"
ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
HTTPS_ANYWHERE = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
OPEN_ACL = [
    {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "Egress": egress, "CidrBlock": "0.0.0.0/0"}
    for egress in (True, False)
]
JOB = Interface("eni-job", "subnet-a", ("sg-job",), "10.0.1.9")


def https(**peer):
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **peer}


def group(*egress, ingress=()):
    return {"VpcId": "vpc-1", "IpPermissions": list(ingress), "IpPermissionsEgress": list(egress)}


def table(identity, *routes, subnets=(), main=False):
    associations = [{"SubnetId": subnet, "Main": False} for subnet in subnets]
    associations += [{"Main": True}] if main else []
    return {"RouteTableId": identity, "VpcId": "vpc-1", "Routes": list(routes), "Associations": associations}


def endpoint(service, kind="Gateway", **facts):
    identity = f"vpce-{service}"
    return {
        identity: {
            "VpcEndpointId": identity,
            "VpcEndpointType": kind,
            "VpcId": "vpc-1",
            "ServiceName": f"com.amazonaws.{REGION}.{service}",
            **facts,
        }
    }


def interface_endpoint(service="kms", **facts):
    facts = {"PrivateDnsEnabled": True, "SecurityGroupIds": ["sg-endpoint"], **facts}
    return endpoint(service, "Interface", NetworkInterfaceIds=["eni-endpoint"], **facts)


def layout(**more):
    """A VPC of two subnets without a way out; the job's group lets everything out, the endpoint's https in from it."""
    base = Layout(
        vpcs={"vpc-1": {"EnableDnsSupport": True, "EnableDnsHostnames": True}},
        subnets={"subnet-a": {"VpcId": "vpc-1"}, "subnet-b": {"VpcId": "vpc-1"}},
        route_tables={"rtb-main": table("rtb-main", main=True)},
        security_groups={
            "sg-job": group(ANYWHERE),
            "sg-endpoint": group(ingress=[https(IpRanges=[{"CidrIp": "10.0.0.0/16"}])]),
        },
        network_acls={"acl-1": {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Entries": OPEN_ACL}},
        network_interfaces={"eni-endpoint": {"SubnetId": "subnet-b", "PrivateIpAddress": "10.0.2.5"}},
        internet_gateways={"igw-1": {"Attachments": [{"VpcId": "vpc-1"}]}},
    )
    return replace(base, **more)


def gateway_to_s3(**more):
    return layout(vpc_endpoints=endpoint("s3", RouteTableIds=["rtb-main"]), **more)


def refused(found):
    assert isinstance(found, NoWay), found
    return found.reason


# --- gateway endpoints -------------------------------------------------------------------------------------------


def test_subnet_without_routes_leads_nowhere():
    found = way(JOB, "s3", REGION, layout())
    assert refused(found) == (
        "route table rtb-main of subnet-a has no route to com.amazonaws.us-east-1.s3: neither a VPC endpoint nor one "
        "to the internet"
    )
    assert not found.filtered


def test_gateway_endpoint_leads_from_the_subnets_of_its_route_tables():
    assert way(JOB, "s3", REGION, gateway_to_s3()) == Way(
        source="10.0.1.9",
        endpoint="vpce-s3",
        vpc="vpc-1",
        policy={"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]},
    )


def test_gateway_endpoint_of_another_route_table_does_not():
    tables = {"rtb-main": table("rtb-main", main=True), "rtb-own": table("rtb-own", subnets=["subnet-a"])}
    assert "rtb-own" in refused(way(JOB, "s3", REGION, gateway_to_s3(route_tables=tables)))


def test_gateway_endpoint_leads_to_no_other_service_and_no_other_region():
    assert refused(way(JOB, "dynamodb", REGION, gateway_to_s3()))
    assert refused(way(JOB, "s3", "eu-west-1", gateway_to_s3()))


def test_gateway_endpoint_of_another_vpc_is_no_way():
    found = endpoint("s3", RouteTableIds=["rtb-main"])
    found["vpce-s3"]["VpcId"] = "vpc-2"
    assert refused(way(JOB, "s3", REGION, layout(vpc_endpoints=found)))


@pytest.mark.parametrize(
    "rule",
    [
        ANYWHERE,
        HTTPS_ANYWHERE,
        {"IpProtocol": "6", "FromPort": 0, "ToPort": 65535, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        https(PrefixListIds=[{"PrefixListId": "pl-s3"}]),
    ],
)
def test_egress_that_admits_https_to_s3(rule):
    groups = {"sg-job": group(rule)}
    lists = {"pl-s3": PrefixList(f"com.amazonaws.{REGION}.s3")}
    assert isinstance(way(JOB, "s3", REGION, gateway_to_s3(security_groups=groups, prefix_lists=lists)), Way)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        [{"IpProtocol": "udp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        [https(IpRanges=[{"CidrIp": "10.0.0.0/16"}])],
        [https(PrefixListIds=[{"PrefixListId": "pl-dynamodb"}])],
        [https(PrefixListIds=[{"PrefixListId": "pl-nobody-knows"}])],
        [https(UserIdGroupPairs=[{"GroupId": "sg-job"}])],
        # What CDK writes for a group that lets nothing out.
        [{"IpProtocol": "icmp", "FromPort": 252, "ToPort": 86, "IpRanges": [{"CidrIp": "255.255.255.255/32"}]}],
    ],
)
def test_egress_that_does_not(rules):
    lists = {"pl-dynamodb": PrefixList(f"com.amazonaws.{REGION}.dynamodb")}
    found = way(JOB, "s3", REGION, gateway_to_s3(security_groups={"sg-job": group(*rules)}, prefix_lists=lists))
    assert refused(found) == "security groups sg-job let no https out to com.amazonaws.us-east-1.s3"
    assert found.filtered


def test_one_of_several_groups_is_enough():
    groups = {"sg-job": group(), "sg-more": group(HTTPS_ANYWHERE)}
    both = replace(JOB, groups=("sg-job", "sg-more"))
    assert isinstance(way(both, "s3", REGION, gateway_to_s3(security_groups=groups)), Way)


# --- interface endpoints -----------------------------------------------------------------------------------------


def test_interface_endpoint_leads_from_every_subnet_of_its_vpc():
    found = way(JOB, "kms", REGION, layout(vpc_endpoints=interface_endpoint(PolicyDocument={"Statement": []})))
    assert found == Way("10.0.1.9", "vpce-kms", "vpc-1", {"Statement": []}, "10.0.2.5")


def test_interface_endpoint_admits_a_group_as_well_as_addresses():
    groups = {
        "sg-job": group(https(UserIdGroupPairs=[{"GroupId": "sg-endpoint"}])),
        "sg-endpoint": group(ingress=[https(UserIdGroupPairs=[{"GroupId": "sg-job"}])]),
    }
    assert isinstance(way(JOB, "kms", REGION, layout(vpc_endpoints=interface_endpoint(), security_groups=groups)), Way)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [https(IpRanges=[{"CidrIp": "10.0.2.0/24"}])],
        [https(UserIdGroupPairs=[{"GroupId": "sg-other"}])],
        [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    ],
)
def test_interface_endpoint_whose_groups_admit_nobody_stops_it(rules):
    groups = {"sg-job": group(ANYWHERE), "sg-endpoint": group(ingress=rules)}
    found = way(JOB, "kms", REGION, layout(vpc_endpoints=interface_endpoint(), security_groups=groups))
    assert refused(found) == (
        "security groups sg-endpoint of VPC endpoint vpce-kms let no https in from eni-job (10.0.1.9)"
    )


def test_egress_to_other_addresses_does_not_lead_to_an_interface_endpoint():
    groups = {**layout().security_groups, "sg-job": group(https(IpRanges=[{"CidrIp": "10.0.1.0/24"}]))}
    found = way(JOB, "kms", REGION, layout(vpc_endpoints=interface_endpoint(), security_groups=groups))
    assert refused(found) == "security groups sg-job let no https out to VPC endpoint vpce-kms (10.0.2.5)"


def test_blocked_interface_endpoint_is_not_gone_around_by_the_internet():
    """Its name leads to it: whether another way exists, nobody asks."""
    groups = {"sg-job": group(ANYWHERE), "sg-endpoint": group()}
    out = {"rtb-main": table("rtb-main", {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}, main=True)}
    found = layout(vpc_endpoints=interface_endpoint(), security_groups=groups, route_tables=out)
    assert "let no https in" in refused(way(replace(JOB, public_address="54.0.0.1"), "kms", REGION, found))


@pytest.mark.parametrize(
    ("facts", "vpc"),
    [
        ({"PrivateDnsEnabled": False}, {"EnableDnsSupport": True, "EnableDnsHostnames": True}),
        ({}, {"EnableDnsSupport": True, "EnableDnsHostnames": False}),
        ({}, {"EnableDnsSupport": False, "EnableDnsHostnames": True}),
        ({}, {}),
    ],
)
def test_interface_endpoint_without_the_services_name_is_no_way(facts, vpc):
    found = layout(vpc_endpoints=interface_endpoint(**facts), vpcs={"vpc-1": vpc})
    assert "has no route" in refused(way(JOB, "kms", REGION, found))


def test_s3s_interface_endpoint_leaves_the_name_to_the_gateway_unless_told_otherwise():
    told = {"DnsOptions": {"PrivateDnsOnlyForInboundResolverEndpoint": False}}
    assert "has no route" in refused(way(JOB, "s3", REGION, layout(vpc_endpoints=interface_endpoint("s3"))))
    assert way(JOB, "s3", REGION, layout(vpc_endpoints=interface_endpoint("s3", **told))).endpoint == "vpce-s3"


def test_endpoint_in_the_own_subnet_goes_before_one_elsewhere():
    found = layout(
        vpc_endpoints=interface_endpoint(),
        network_interfaces={
            "eni-endpoint": {"SubnetId": "subnet-b", "PrivateIpAddress": "10.0.2.5"},
            "eni-near": {"SubnetId": "subnet-a", "PrivateIpAddress": "10.0.1.5"},
        },
    )
    found.vpc_endpoints["vpce-kms"]["NetworkInterfaceIds"].append("eni-near")
    assert way(JOB, "kms", REGION, found).destination == "10.0.1.5"


# --- the internet ------------------------------------------------------------------------------------------------


def routed(target, **more):
    return layout(
        route_tables={
            "rtb-out": table("rtb-out", {"DestinationCidrBlock": "0.0.0.0/0", **target}, subnets=["subnet-a"]),
            "rtb-main": table("rtb-main", main=True),
        },
        **more,
    )


def test_internet_gateway_leads_out_from_a_public_address():
    public = replace(JOB, public_address="54.0.0.1")
    assert way(public, "kms", REGION, routed({"GatewayId": "igw-1"})) == Way(source="54.0.0.1")
    assert "eni-job has no public address" in refused(way(JOB, "kms", REGION, routed({"GatewayId": "igw-1"})))


def test_internet_gateway_that_is_not_attached_leads_nowhere():
    found = routed({"GatewayId": "igw-1"}, internet_gateways={"igw-1": {"Attachments": []}})
    assert "is not attached to vpc-1" in refused(way(replace(JOB, public_address="54.0.0.1"), "kms", REGION, found))


def test_route_that_leads_nowhere_any_more_is_none():
    found = routed({"GatewayId": "igw-1", "State": "blackhole"})
    assert "has no route" in refused(way(replace(JOB, public_address="54.0.0.1"), "kms", REGION, found))


def behind_nat(outward="igw-1", **facts):
    nat = {"State": "available", "SubnetId": "subnet-b", "VpcId": "vpc-1", "AllocationId": "eipalloc-1", **facts}
    out = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": outward}
    found = routed(
        {"NatGatewayId": "nat-1"}, nat_gateways={"nat-1": nat}, addresses={"eipalloc-1": {"PublicIp": "54.9.9.9"}}
    )
    return replace(found, route_tables={**found.route_tables, "rtb-b": table("rtb-b", out, subnets=["subnet-b"])})


def test_nat_gateway_leads_out_under_its_own_address():
    assert way(JOB, "kms", REGION, behind_nat()) == Way(source="54.9.9.9")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"State": "deleted"}, "nat-1 is not available"),
        ({"ConnectivityType": "private"}, "is private"),
        ({"outward": "vgw-1"}, "has no route to an internet gateway"),
    ],
)
def test_nat_gateway_that_reaches_nothing_is_no_way(facts, said):
    assert said in refused(way(JOB, "kms", REGION, behind_nat(**facts)))


def test_egress_counts_on_the_way_to_the_internet_too():
    assert "let no https out" in refused(
        way(JOB, "kms", REGION, replace(behind_nat(), security_groups={"sg-job": group()}))
    )


def test_notebook_with_direct_internet_access_needs_no_route_but_keeps_to_private_names():
    direct = replace(JOB, direct_internet=True)
    assert way(direct, "s3", REGION, gateway_to_s3()) == Way(source="")
    groups = {"sg-job": group(ANYWHERE), "sg-endpoint": group()}
    found = layout(vpc_endpoints=interface_endpoint(), security_groups=groups)
    assert "let no https in" in refused(way(direct, "kms", REGION, found))


# --- network ACLs ------------------------------------------------------------------------------------------------


def entry(number, action, egress, ports=None, block="0.0.0.0/0"):
    reach = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
    protocol = "6" if ports else "-1"
    return {
        "RuleNumber": number,
        "Protocol": protocol,
        "RuleAction": action,
        "Egress": egress,
        "CidrBlock": block,
        **reach,
    }


def guarded(*entries, subnet="subnet-a"):
    own = {"NetworkAclId": "acl-own", "VpcId": "vpc-1", "Entries": entries, "Associations": [{"SubnetId": subnet}]}
    return {**layout().network_acls, "acl-own": own}


def test_acl_that_lets_https_out_and_answers_in_is_a_way():
    acls = guarded(entry(1, "allow", True, (443, 443)), entry(2, "allow", False, (1024, 65535)))
    assert isinstance(way(JOB, "s3", REGION, gateway_to_s3(network_acls=acls)), Way)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "lets port 443 not out to com.amazonaws.us-east-1.s3"),
        ([entry(1, "allow", True)], "lets port 32768-60999 not in from com.amazonaws.us-east-1.s3"),
        ([entry(1, "allow", True), entry(2, "allow", False, (40000, 65535))], "32768-60999 not in from"),
        ([entry(2, "allow", True), entry(1, "deny", True, (443, 443)), entry(3, "allow", False)], "443 not out to"),
        ([entry(1, "deny", False, (40000, 50000)), entry(2, "allow", True), entry(3, "allow", False)], "60999 not in"),
        ([entry(1, "allow", True, block="10.0.0.0/16"), entry(2, "allow", False)], "443 not out to"),
    ],
)
def test_acl_that_stops_either_direction_stops_it(entries, said):
    found = way(JOB, "s3", REGION, gateway_to_s3(network_acls=guarded(*entries)))
    assert said in refused(found)
    assert "acl-own of subnet-a" in found.reason
    assert found.filtered


def test_acl_of_the_endpoints_subnet_counts_where_another_subnet_is_asked_from():
    acls = guarded(entry(1, "allow", True), subnet="subnet-b")
    found = layout(vpc_endpoints=interface_endpoint(), network_acls=acls)
    assert "acl-own of subnet-b lets port 443 not in from eni-job" in refused(way(JOB, "kms", REGION, found))
    near = replace(JOB, subnet="subnet-b", address="10.0.2.9")
    assert isinstance(way(near, "kms", REGION, found), Way)


# --- addresses ---------------------------------------------------------------------------------------------------


def test_addresses_of_a_subnet_begin_after_those_that_aws_keeps():
    assert free_address("10.0.1.0/28", set()) == "10.0.1.4"
    assert free_address("10.0.1.0/28", {"10.0.1.4", "10.0.1.5"}) == "10.0.1.6"
    with pytest.raises(ValueError, match="no address is left"):
        free_address("10.0.1.0/28", {f"10.0.1.{number}" for number in range(16)})
