"""Roles of the training stack: one for each step's jobs, one for the pipeline, one for what starts it."""

from tests.stacks.permissions.logs import WRITE_LOG

ASSETS = "arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1"
HERE = "arn:aws:sagemaker:us-east-1:ACCOUNT"
THROUGH_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}


def data(name):
    return f"<data:Bucket.Arn>/{name}/*"


def job(log, found, reads, writes):
    arn = f"arn:aws:logs:us-east-1:ACCOUNT:log-group:/aws/sagemaker/{log}"
    return {
        "FindInput": ("Allow", ("s3:ListBucket",), ("<data:Bucket.Arn>",), {"StringLike": {"s3:prefix": found}}),
        "ReadInput": ("Allow", ("s3:GetObject",), reads),
        "WriteOutput": ("Allow", ("s3:AbortMultipartUpload", "s3:PutObject"), writes),
        "FindCode": ("Allow", ("s3:ListBucket",), (ASSETS,), {"StringEquals": {"s3:prefix": "SHA256.tar.gz"}}),
        "ReadCode": ("Allow", ("s3:GetObject",), (f"{ASSETS}/SHA256.tar.gz",)),
        "LogIn": ("Allow", ("ecr:GetAuthorizationToken",), ("*",)),
        "PullImage": (
            "Allow",
            ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
            ("arn:aws:ecr:us-east-1:763104351884:repository/pytorch",),
        ),
        "WriteLog": (
            "Allow",
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
            (arn, f"{arn}:*"),
        ),
        "PublishMetrics": (
            "Allow",
            ("cloudwatch:PutMetricData",),
            ("*",),
            {"StringEquals": {"cloudwatch:namespace": f"/aws/sagemaker/{log}"}},
        ),
        "UseKey": ("Allow", ("kms:Decrypt", "kms:GenerateDataKey"), ("<data:Key.Arn>",), THROUGH_S3),
        "LendKeyToVolume": (
            "Allow",
            ("kms:CreateGrant",),
            ("<data:Key.Arn>",),
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        "SeeKey": ("Allow", ("kms:DescribeKey",), ("<data:Key.Arn>",)),
    }


PREPARE = job("ProcessingJobs", ("dataset/*",), (data("dataset"),), (data("runs/*/data"),))
TUNE = job(
    "TrainingJobs",
    ("runs/*/data/train/*", "runs/*/data/valid/*", "runs/*/checkpoints/tune*"),
    (data("runs/*/checkpoints/tune"), data("runs/*/data/train"), data("runs/*/data/valid")),
    (data("runs/*/checkpoints/tune"), data("runs/*/trials")),
)
TRAIN = job(
    "TrainingJobs",
    ("runs/*/data/*", "runs/*/checkpoints/train*"),
    (data("runs/*/checkpoints/train"), data("runs/*/data")),
    (data("runs/*/checkpoints/train"), data("runs/*/training")),
)
EVALUATE = job(
    "ProcessingJobs",
    ("runs/*/data/test/*", "runs/*/training/*", "runs/*/trials/*", "models/*"),
    (data("models"), data("runs/*/data/test"), data("runs/*/training"), data("runs/*/trials")),
    (data("models"), data("runs/*/evaluation")),
)
JOBS = (
    f"{HERE}:processing-job/pipelines-*",
    f"{HERE}:training-job/pipelines-*",
    f"{HERE}:hyper-parameter-tuning-job/*",
)
VERSIONS = f"{HERE}:model-package/whippet-STAGE-models/*"
AS_CONFIGURED = {
    "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ("ml.m5.xlarge",)},
    "Null": {"sagemaker:InstanceTypes": "false"},
    "Bool": {"sagemaker:NetworkIsolation": "true"},
    "StringEquals": {"sagemaker:VolumeKmsKey": "<data:Key.Arn>"},
}
PIPELINE = {
    "StartProcessingJob": ("Allow", ("sagemaker:CreateProcessingJob",), (JOBS[0],), AS_CONFIGURED),
    "StartTrainingJob": ("Allow", ("sagemaker:CreateTrainingJob",), (JOBS[1],), AS_CONFIGURED),
    "StartHyperParameterTuningJob": (
        "Allow",
        ("sagemaker:CreateHyperParameterTuningJob",),
        (JOBS[2],),
        AS_CONFIGURED,
    ),
    "FollowJobs": (
        "Allow",
        (
            "sagemaker:DescribeHyperParameterTuningJob",
            "sagemaker:DescribeProcessingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopHyperParameterTuningJob",
            "sagemaker:StopProcessingJob",
            "sagemaker:StopTrainingJob",
        ),
        tuple(sorted(JOBS)),
    ),
    "SeeTrials": ("Allow", ("sagemaker:DescribeTrainingJob",), (f"{HERE}:training-job/*",)),
    "TagJobs": ("Allow", ("sagemaker:AddTags",), tuple(sorted((*JOBS, VERSIONS)))),
    "Register": (
        "Allow",
        ("sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"),
        (f"{HERE}:model-package-group/whippet-STAGE-models", VERSIONS),
    ),
    "PassStepRoles": (
        "Allow",
        ("iam:PassRole",),
        ("<EvaluateRole.Arn>", "<PrepareRole.Arn>", "<TrainRole.Arn>", "<TuneRole.Arn>"),
        {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    ),
    "ReadEvaluation": ("Allow", ("s3:GetObject",), (data("runs/*/evaluation"),)),
    "UseKey": ("Allow", ("kms:Decrypt",), ("<data:Key.Arn>",), THROUGH_S3),
}
INTAKE = {
    "ReadArrivals": ("Allow", ("s3:GetObject", "s3:GetObjectVersion"), (data("dataset"),)),
    "CountFiles": (
        "Allow",
        ("s3:ListBucket",),
        ("<data:Bucket.Arn>",),
        {"StringLike": {"s3:prefix": "dataset/*"}},
    ),
    "TagArrivals": ("Allow", ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"), (data("dataset"),)),
    "StartPipeline": (
        "Allow",
        ("sagemaker:StartPipelineExecution",),
        (f"{HERE}:pipeline/whippet-STAGE-training",),
    ),
    "UseKey": PIPELINE["UseKey"],
    "TakeMessages": (
        "Allow",
        ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
        ("<IntakeFailures.Arn>", "<IntakePictures.Arn>"),
    ),
    "KeepFailures": ("Allow", ("sqs:SendMessage",), ("<IntakeFailures.Arn>",)),
    "WriteLog": (*WRITE_LOG, ("<IntakeFunctionPartsLog.Arn>",)),
}


def trust(source):
    return (
        "sagemaker.amazonaws.com",
        {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}, "ArnLike": {"aws:SourceArn": source}},
    )


TRUST = {
    "IntakeFunctionPartsRole": ("lambda.amazonaws.com", None),
    "PrepareRole": trust(f"{HERE}:processing-job/*"),
    "FeaturesRole": trust(f"{HERE}:processing-job/*"),
    "TuneRole": trust(f"{HERE}:*"),
    "TrainRole": trust(f"{HERE}:training-job/*"),
    "EvaluateRole": trust(f"{HERE}:processing-job/*"),
    "PipelineRole": trust((f"{HERE}:pipeline/whippet-STAGE-training", f"{HERE}:pipeline/whippet-STAGE-training/*")),
}


def roles(stage):
    return {
        "PrepareRole": PREPARE,
        "TuneRole": TUNE,
        "TrainRole": TRAIN,
        "EvaluateRole": EVALUATE,
        "PipelineRole": PIPELINE,
        "IntakeFunctionPartsRole": INTAKE,
    }


WEIGHTS = "weights/resnet50-11ad3fa6.pth"


def frozen_roles():
    """With stage = "head" and [training.weights]: features are computed once, and trials read nothing else."""
    features = job(
        "ProcessingJobs",
        ("runs/*/data/train/*", "runs/*/data/valid/*", WEIGHTS),
        (data("runs/*/data/train"), data("runs/*/data/valid"), f"<data:Bucket.Arn>/{WEIGHTS}"),
        (data("runs/*/features"),),
    )
    tune = job(
        "TrainingJobs",
        ("runs/*/features/*", "runs/*/checkpoints/tune*", WEIGHTS),
        (data("runs/*/checkpoints/tune"), data("runs/*/features"), f"<data:Bucket.Arn>/{WEIGHTS}"),
        (data("runs/*/checkpoints/tune"), data("runs/*/trials")),
    )
    train = job(
        "TrainingJobs",
        ("runs/*/data/*", "runs/*/features/*", "runs/*/checkpoints/train*", WEIGHTS),
        (
            data("runs/*/checkpoints/train"),
            data("runs/*/data"),
            data("runs/*/features"),
            f"<data:Bucket.Arn>/{WEIGHTS}",
        ),
        (data("runs/*/checkpoints/train"), data("runs/*/training")),
    )
    passed = ("EvaluateRole", "FeaturesRole", "PrepareRole", "TrainRole", "TuneRole")
    before = PIPELINE["PassStepRoles"]
    pipeline = {**PIPELINE, "PassStepRoles": (*before[:2], tuple(f"<{role}.Arn>" for role in passed), before[3])}
    changed = {"FeaturesRole": features, "TuneRole": tune, "TrainRole": train, "PipelineRole": pipeline}
    return {**roles("dev"), **changed}
