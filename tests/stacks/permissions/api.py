"""Roles of the API stack."""

from tests.stacks.permissions.logs import WRITE_LOG

UPLOADS = {
    "LetUploadsIn": ("Allow", ("s3:PutObject",), ("<data:Bucket.Arn>/uploads/*",)),
    "ReadUploads": ("Allow", ("s3:GetObject",), ("<data:Bucket.Arn>/uploads/*",)),
}
USE_KEY = {
    "UseKey": (
        "Allow",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("<data:Key.Arn>",),
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    ),
}
LOG = {"WriteLog": (*WRITE_LOG, ("<PredictFunctionPartsLog.Arn>",))}
# Stages with api.max_upload_bytes = 0.
PREDICT_SENT = {
    "InvokeEndpoint": (
        "Allow",
        ("sagemaker:InvokeEndpoint",),
        ("arn:aws:sagemaker:us-east-1:ACCOUNT:endpoint/whippet-STAGE-realtime",),
    ),
    **LOG,
}
PREDICT = {**PREDICT_SENT, **UPLOADS, **USE_KEY}
# Stages with api.tracing.
TRACE = {"Trace": ("Allow", ("xray:PutTelemetryRecords", "xray:PutTraceSegments"), ("*",))}
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
    **UPLOADS,
    **USE_KEY,
    **LOG,
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
