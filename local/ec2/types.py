"""The resource types of EC2 that MiniStack's CloudFormation lacks."""

from local.ec2 import flow_logs, instances, security_group_rules, vpc_endpoints
from local.joints_cloudformation import ResourceType


def resource_types() -> dict[str, ResourceType]:
    return {
        "AWS::EC2::FlowLog": flow_logs.resource_type(),
        "AWS::EC2::Instance": instances.resource_type(),
        "AWS::EC2::VPCEndpoint": vpc_endpoints.resource_type(),
        **security_group_rules.resource_types(),
    }
