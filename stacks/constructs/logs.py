"""A log group that forgets, with a generated name, and that goes with its stack."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from config.sections.section import LogDays


class ExpiringLog(logs.LogGroup):
    def __init__(self, scope: Construct, id: str, *, keep_days: LogDays) -> None:
        super().__init__(scope, id, removal_policy=RemovalPolicy.DESTROY)
        # The L2 takes an enumeration of the same numbers by name.
        cast(logs.CfnLogGroup, self.node.default_child).retention_in_days = keep_days
