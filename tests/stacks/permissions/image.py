"""Roles of the image stack, which a given image does without."""

from tests.stacks.permissions.logs import WRITE_LOG

BUILD = {
    "ReadSources": (
        "Allow",
        ("s3:GetObject",),
        ("arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1/SHA256.zip",),
    ),
    "LogIn": ("Allow", ("ecr:GetAuthorizationToken",), ("*",)),
    "PushImage": (
        "Allow",
        (
            "ecr:BatchCheckLayerAvailability",
            "ecr:CompleteLayerUpload",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ),
        ("<BuilderRepository.Arn>",),
    ),
    "WriteLog": (*WRITE_LOG, ("<BuilderBuildLog.Arn>",)),
}
BUILD_FUNCTION = {
    "Build": (
        "Allow",
        ("codebuild:BatchGetBuilds", "codebuild:StartBuild"),
        ("arn:aws:codebuild:us-east-1:ACCOUNT:project/<BuilderProject>",),
    ),
    "FindImage": ("Allow", ("ecr:DescribeImages",), ("<BuilderRepository.Arn>",)),
    "WriteLog": (*WRITE_LOG, ("<BuilderFunctionPartsLog.Arn>",)),
}
TRUST = {
    "BuilderBuildRole": ("codebuild.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}),
    "BuilderFunctionPartsRole": ("lambda.amazonaws.com", None),
}


def roles(stage):
    return {} if stage == "local" else {"BuilderBuildRole": BUILD, "BuilderFunctionPartsRole": BUILD_FUNCTION}
