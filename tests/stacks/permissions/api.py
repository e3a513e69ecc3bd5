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
TRUST = {"PredictFunctionPartsRole": ("lambda.amazonaws.com", None)}


def roles(stage):
    return {"PredictFunctionPartsRole": PREDICT}
