"""Roles of the serving stack."""

SAGEMAKER = (
    "sagemaker.amazonaws.com",
    {
        "StringEquals": {"aws:SourceAccount": "ACCOUNT"},
        "ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:us-east-1:ACCOUNT:*"},
    },
)
# What every model needs.
MODEL = {
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
    "UseKey": (
        "Allow",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("<data:Key.Arn>",),
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    ),
}


def reports(log_group, namespace):
    arn = f"arn:aws:logs:us-east-1:ACCOUNT:log-group:{log_group}"
    return {
        "WriteLog": (
            "Allow",
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
            (arn, f"{arn}:*"),
        ),
        "PublishMetrics": (
            "Allow",
            ("cloudwatch:PutMetricData",),
            ("*",),
            {"StringEquals": {"cloudwatch:namespace": namespace}},
        ),
    }


HOSTING = {
    **MODEL,
    **reports("/aws/sagemaker/Endpoints/whippet-STAGE-realtime", "/aws/sagemaker/Endpoints"),
    "WriteCaptures": ("Allow", ("s3:PutObject",), ("<data:Bucket.Arn>/capture/*",)),
}
# Where alarms may take an update back.
WATCHED = {
    "WatchAlarms": (
        "Allow",
        ("cloudwatch:DescribeAlarms",),
        ("<RollbackPrimaryErrors.Arn>", "<RollbackPrimaryLatency.Arn>"),
    )
}
BATCH = {
    **MODEL,
    **reports("/aws/sagemaker/TransformJobs", "/aws/sagemaker/TransformJobs"),
    "FindBatch": (
        "Allow",
        ("s3:ListBucket",),
        ("<data:Bucket.Arn>",),
        {"StringLike": {"s3:prefix": "batch/input/*"}},
    ),
    "ReadBatch": ("Allow", ("s3:GetObject",), ("<data:Bucket.Arn>/batch/input/*",)),
    "WriteResults": ("Allow", ("s3:PutObject",), ("<data:Bucket.Arn>/batch/output/*",)),
}
# A given image: nothing is built, and its repository is named by the stage file.
REHEARSED = {
    "PullImage": (*MODEL["PullImage"][:2], ("arn:aws:ecr:us-east-1:ACCOUNT:repository/whippet-local-serving",))
}
# In mode "async", with topics.
QUEUED = {
    **MODEL,
    **reports("/aws/sagemaker/Endpoints/whippet-STAGE-async", "/aws/sagemaker/Endpoints"),
    "WriteCaptures": HOSTING["WriteCaptures"],
    "ReadRequests": ("Allow", ("s3:GetObject",), ("<data:Bucket.Arn>/async/input/*",)),
    "WriteResults": (
        "Allow",
        ("s3:PutObject",),
        ("<data:Bucket.Arn>/async/failure/*", "<data:Bucket.Arn>/async/output/*"),
    ),
    "TellOfResults": ("Allow", ("sns:Publish",), ("<ResultsError>", "<ResultsSuccess>")),
    "UseKey": (
        *MODEL["UseKey"][:3],
        {"StringEquals": {"kms:ViaService": ("s3.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com")}},
    ),
}
# In mode "serverless", which captures nothing.
ON_DEMAND = {
    **MODEL,
    **reports("/aws/sagemaker/Endpoints/whippet-STAGE-serverless", "/aws/sagemaker/Endpoints"),
    "UseKey": ("Allow", ("kms:Decrypt",), *MODEL["UseKey"][2:]),
}
# Where the stage is isolated.
INTERFACES = "arn:aws:ec2:us-east-1:ACCOUNT:network-interface/*"
PLUGS_IN = {
    "LookAtNetwork": (
        "Allow",
        (
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ),
        ("*",),
    ),
    "PlugIn": (
        "Allow",
        ("ec2:CreateNetworkInterface",),
        (
            INTERFACES,
            "arn:aws:ec2:us-east-1:ACCOUNT:security-group/<InstancesSecurityGroup.GroupId>",
            "arn:aws:ec2:us-east-1:ACCOUNT:subnet/<network:VpcIsolatedSubnet1Subnet>",
            "arn:aws:ec2:us-east-1:ACCOUNT:subnet/<network:VpcIsolatedSubnet2Subnet>",
        ),
    ),
    "HandOverAndUnplug": (
        "Allow",
        (
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
        ),
        (INTERFACES,),
    ),
}
TRUST = {"HostingRole": SAGEMAKER, "BatchRole": SAGEMAKER}


def roles(stage):
    rehearsed = REHEARSED if stage == "local" else {}
    watched = WATCHED if stage == "prod" else {}
    return {"HostingRole": {**HOSTING, **watched, **rehearsed}, "BatchRole": {**BATCH, **rehearsed}}
