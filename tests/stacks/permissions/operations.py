"""Roles of the operations stack. Who may deploy is known only where the stage file names a repository."""

from tests.stacks.permissions.logs import WRITE_LOG

NOTEBOOKS = "arn:aws:sagemaker:us-east-1:ACCOUNT:notebook-instance/*"
OURS = {"StringEquals": {"aws:ResourceTag/project": "whippet", "aws:ResourceTag/stage": "STAGE"}}
REPORT = {
    "FindResources": (
        "Allow",
        ("ec2:DescribeInstances", "ec2:DescribeVolumes", "sagemaker:ListNotebookInstances"),
        ("*",),
    ),
    "ReadMetrics": ("Allow", ("cloudwatch:GetMetricData",), ("*",)),
    "ReadNotebookTags": ("Allow", ("sagemaker:ListTags",), (NOTEBOOKS,)),
    "ReadEndpoint": (
        "Allow",
        ("sagemaker:DescribeEndpoint",),
        ("arn:aws:sagemaker:us-east-1:ACCOUNT:endpoint/whippet-STAGE-realtime",),
    ),
    "TellNews": ("Allow", ("sns:Publish",), ("<NewsTopic>",)),
    "UseNewsKey": (
        "Allow",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("<NewsKey.Arn>",),
        {"StringEquals": {"kms:ViaService": "sns.us-east-1.amazonaws.com"}},
    ),
    "WriteLog": (*WRITE_LOG, ("<IdleFunctionPartsLog.Arn>",)),
}
STOP = {
    **REPORT,
    "StopBox": ("Allow", ("ec2:StopInstances",), ("arn:aws:ec2:us-east-1:ACCOUNT:instance/*",), OURS),
    "StopNotebook": ("Allow", ("sagemaker:StopNotebookInstance",), (NOTEBOOKS,), OURS),
}


def becomes(*kinds):
    roles = tuple(f"arn:aws:iam::ACCOUNT:role/cdk-hnb659fds-{kind}-role-ACCOUNT-us-east-1" for kind in kinds)
    return {"BecomeBootstrapRoles": ("Allow", ("sts:AssumeRole",), roles)}


DEPLOY, DIFF = becomes("deploy", "file-publishing", "lookup"), becomes("lookup")
HOST = "token.actions.githubusercontent.com"


def presented(subject):
    return {"StringEquals": {f"{HOST}:aud": "sts.amazonaws.com", f"{HOST}:sub": f"repo:owner/name:{subject}"}}


GITHUB = {"Federated": "<GithubProvider.Arn>"}
TRUST = {
    "IdleFunctionPartsRole": ("lambda.amazonaws.com", None),
    "GithubDeployRole": (GITHUB, presented("environment:local")),
    "GithubDiffRole": (GITHUB, presented("pull_request")),
}


def roles(stage):
    if stage == "local":
        return {"IdleFunctionPartsRole": STOP, "GithubDeployRole": DEPLOY, "GithubDiffRole": DIFF}
    return {"IdleFunctionPartsRole": REPORT if stage == "prod" else STOP}


def _published(who, service, conditions):
    return {
        "Sid": f"{who}MayPublish",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": "<NewsTopic>",
        "Condition": conditions,
    }


OWN_ACCOUNT = {"aws:SourceAccount": "ACCOUNT"}
ALARMS = _published(
    "Alarms",
    "cloudwatch.amazonaws.com",
    {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:ACCOUNT:alarm:*"}, "StringEquals": OWN_ACCOUNT},
)
EVENTS = _published(
    "Events",
    "events.amazonaws.com",
    {"ArnEquals": {"aws:SourceArn": ("<FailuresEndpointFailed.Arn>", "<FailuresPipelineFailed.Arn>")}},
)
BUDGET = _published(
    "Budget",
    "budgets.amazonaws.com",
    {"ArnLike": {"aws:SourceArn": "arn:aws:budgets::ACCOUNT:*"}, "StringEquals": OWN_ACCOUNT},
)
PLAIN_HTTP = {
    "Sid": "AllowPublishThroughSSLOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": "<NewsTopic>",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def resources(stage):
    """Whom the topic admits."""
    admitted = [PLAIN_HTTP, ALARMS, EVENTS, *([BUDGET] if stage == "local" else [])]
    return {"NewsTopicPolicy": admitted}


def _lent(who, service, conditions):
    return {
        "Sid": f"{who}MayUseKey",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ("kms:Decrypt", "kms:GenerateDataKey*"),
        "Resource": "*",
        "Condition": conditions,
    }


def news_key(stage):
    """Whom the topic's key serves, beside the account itself."""
    topics = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": "arn:aws:sns:us-east-1:ACCOUNT:*"}}
    budget = [_lent("Budget", "budgets.amazonaws.com", {"StringEquals": OWN_ACCOUNT})]
    return [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::ACCOUNT:root"}, "Action": "kms:*", "Resource": "*"},
        _lent("Alarms", "cloudwatch.amazonaws.com", {"StringEquals": OWN_ACCOUNT}),
        _lent("Events", "events.amazonaws.com", topics),
        *(budget if stage == "local" else []),
    ]
