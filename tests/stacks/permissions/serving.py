"""Roles of the serving stack."""

HOSTING = {
    "ReadModel": (
        "Allow",
        ("s3:GetObject",),
        ("arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1/SHA256.tar.gz", "<data:Bucket.Arn>/models/*"),
    ),
    "LogIn": ("Allow", ("ecr:GetAuthorizationToken",), ("*",)),
    "PullImage": (
        "Allow",
        ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        ("<image:BuilderRepository.Arn>",),
    ),
    "WriteLog": (
        "Allow",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        (
            "arn:aws:logs:us-east-1:ACCOUNT:log-group:/aws/sagemaker/Endpoints/whippet-STAGE-realtime",
            "arn:aws:logs:us-east-1:ACCOUNT:log-group:/aws/sagemaker/Endpoints/whippet-STAGE-realtime:*",
        ),
    ),
    "PublishMetrics": (
        "Allow",
        ("cloudwatch:PutMetricData",),
        ("*",),
        {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}},
    ),
    "WriteCaptures": ("Allow", ("s3:PutObject",), ("<data:Bucket.Arn>/capture/*",)),
    "UseKey": (
        "Allow",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("<data:Key.Arn>",),
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    ),
}
# A given image: nothing is built, and its repository is named by the stage file.
REHEARSED = {
    **HOSTING,
    "PullImage": (
        *HOSTING["PullImage"][:2],
        ("arn:aws:ecr:us-east-1:ACCOUNT:repository/whippet-local-serving",),
    ),
}
TRUST = {
    "HostingRole": (
        "sagemaker.amazonaws.com",
        {
            "StringEquals": {"aws:SourceAccount": "ACCOUNT"},
            "ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:us-east-1:ACCOUNT:*"},
        },
    )
}


def roles(stage):
    return {"HostingRole": REHEARSED if stage == "local" else HOSTING}
