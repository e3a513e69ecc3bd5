"""The network's one role."""

TRUST = {
    "FlowLogRole": (
        "vpc-flow-logs.amazonaws.com",
        {
            "StringEquals": {"aws:SourceAccount": "ACCOUNT"},
            "ArnLike": {"aws:SourceArn": "arn:aws:ec2:us-east-1:ACCOUNT:vpc-flow-log/*"},
        },
    )
}


def roles(stage):
    write = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    return {"FlowLogRole": {"WriteLog": ("Allow", write, ("<FlowLogEntries.Arn>",))}}
