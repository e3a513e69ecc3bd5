"""Who talked to whom in the VPC, written to a log that forgets by a role that can write nothing else."""

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from config.sections.section import LogDays
from stacks.constructs.logs import ExpiringLog


class FlowLog(Construct):
    def __init__(self, scope: Construct, id: str, *, vpc: ec2.Vpc, keep_days: LogDays) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        log_group = ExpiringLog(self, "Entries", keep_days=keep_days)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "vpc-flow-logs.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    # The flow log's own id is known only after it was given this role.
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(service="ec2", resource="vpc-flow-log", resource_name="*")
                    },
                },
            ),
            inline_policies={
                "FlowLog": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="WriteLog",
                            actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                            resources=[log_group.log_group_arn],
                        )
                    ]
                )
            },
        )
        ec2.CfnFlowLog(
            self,
            "Resource",
            resource_id=vpc.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=log_group.log_group_arn,
            deliver_logs_permission_arn=role.role_arn,
        )
