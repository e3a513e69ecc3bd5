"""Roles of the API stack."""

from tests.stacks.permissions.logs import WRITE_LOG

PREDICT = {
    "InvokeEndpoint": (
        "Allow",
        ("sagemaker:InvokeEndpoint",),
        ("arn:aws:sagemaker:us-east-1:ACCOUNT:endpoint/whippet-STAGE-realtime",),
    ),
    "WriteLog": (*WRITE_LOG, ("<PredictFunctionPartsLog.Arn>",)),
}
# Stages whose endpoint is asynchronous.
PREDICT_LATER = {
    "InvokeEndpoint": (
        "Allow",
        ("sagemaker:InvokeEndpointAsync",),
        ("arn:aws:sagemaker:us-east-1:ACCOUNT:endpoint/whippet-STAGE-async",),
    ),
    "LeaveRequests": (
        "Allow",
        ("s3:PutObject",),
        ("<data:Bucket.Arn>/async/input/*", "<data:Bucket.Arn>/async/tickets/*"),
    ),
    "FetchResults": (
        "Allow",
        ("s3:GetObject",),
        (
            "<data:Bucket.Arn>/async/failure/*",
            "<data:Bucket.Arn>/async/output/*",
            "<data:Bucket.Arn>/async/tickets/*",
        ),
    ),
    "UseKey": (
        "Allow",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("<data:Key.Arn>",),
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    ),
    "WriteLog": PREDICT["WriteLog"],
}
# Stages with [api.canary].
CANARY = {
    "ShiftCalls": (
        "Allow",
        ("lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"),
        ("<PredictFunction.Arn>", "<PredictFunction.Arn>:live"),
    ),
    "WatchAlarms": (
        "Allow",
        ("cloudwatch:DescribeAlarms",),
        ("<CanaryErrors.Arn>", "<CanaryServerErrors.Arn>"),
    ),
}
TRUST = {
    "PredictFunctionPartsRole": ("lambda.amazonaws.com", None),
    "CanaryRole": (
        "codedeploy.amazonaws.com",
        {
            "StringEquals": {"aws:SourceAccount": "ACCOUNT"},
            "ArnLike": {"aws:SourceArn": "arn:aws:codedeploy:us-east-1:ACCOUNT:deploymentgroup:<CanaryApplication>/*"},
        },
    ),
}


def roles(stage):
    return {"PredictFunctionPartsRole": PREDICT}
