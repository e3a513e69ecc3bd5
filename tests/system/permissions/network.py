"""The flow log's role."""

from tests.system.permissions.calls import Call, allow, may_not_log, put_log

FLOW_LOG = "FlowLogRole"

SUCCEEDS = [
    Call(FLOW_LOG, "writes its log", lambda s, d: put_log(s, d.flow_log)),
]

DENIALS = [
    may_not_log(FLOW_LOG, "function_log"),
    Call(
        FLOW_LOG,
        "makes a log group",
        lambda s, d: s.client("logs").create_log_group(logGroupName=d.fresh_name()),
        lambda d: [allow("logs:CreateLogGroup", d.arn("logs", "log-group:matrix-*"))],
    ),
]
