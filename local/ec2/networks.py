"""What MiniStack's EC2 leaves out of networks, put in its places."""

from local import joints, joints_ec2
from local.ec2 import flow_logs, interface_calls, network_acls, vpc_endpoint_calls


def install() -> None:
    joints.wrap("services.ec2:_init_defaults", joints_ec2.complete_default_vpc)
    joints_ec2.make_defaults()
    vpc_endpoint_calls.install()
    network_acls.install()
    interface_calls.install()
    flow_logs.install()
