"""Roles of the workbench: the training box's and the notebook's."""

from tests.stacks.permissions.training import AS_CONFIGURED

JOBS = "arn:aws:sagemaker:us-east-1:ACCOUNT:training-job/whippet-STAGE-*"
BOX_LOG = "arn:aws:logs:us-east-1:ACCOUNT:log-group:<BoxLog>"
JOBS_LOG = "arn:aws:logs:us-east-1:ACCOUNT:log-group:/aws/sagemaker/TrainingJobs"
USE_KEY = (
    "Allow",
    ("kms:Decrypt", "kms:GenerateDataKey"),
    ("<data:Key.Arn>",),
    {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
)
BOX = {
    "BeReached": ("Allow", ("ssm:UpdateInstanceInformation",), ("arn:aws:ec2:us-east-1:ACCOUNT:instance/*",)),
    "Talk": (
        "Allow",
        (
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ),
        ("*",),
    ),
    "FindCode": ("Allow", ("ssm:GetParameter",), ("arn:aws:ssm:us-east-1:ACCOUNT:parameter/<BoxCodeAddress>",)),
    "ReadCode": (
        "Allow",
        ("s3:GetObject",),
        ("arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1/SHA256.tar.gz",),
    ),
    "ListData": ("Allow", ("s3:ListBucket",), ("<data:Bucket.Arn>",), {"StringLike": {"s3:prefix": "dataset/*"}}),
    "ReadData": ("Allow", ("s3:GetObject",), ("<data:Bucket.Arn>/dataset/*",)),
    "LeaveModel": ("Allow", ("s3:AbortMultipartUpload", "s3:PutObject"), ("<data:Bucket.Arn>/models/*",)),
    "FindLog": ("Allow", ("logs:DescribeLogGroups",), ("arn:aws:logs:us-east-1:ACCOUNT:log-group:*",)),
    "WriteLog": (
        "Allow",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        (f"{BOX_LOG}:*", BOX_LOG),
    ),
    "UseKey": USE_KEY,
}
NOTEBOOK = {
    "StopItself": (
        "Allow",
        ("sagemaker:StopNotebookInstance",),
        ("arn:aws:sagemaker:us-east-1:ACCOUNT:notebook-instance/*",),
        {"StringEquals": {"aws:ResourceTag/project": "whippet", "aws:ResourceTag/stage": "STAGE"}},
    ),
    "WriteLog": (
        "Allow",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        (
            "arn:aws:logs:us-east-1:ACCOUNT:log-group:/aws/sagemaker/NotebookInstances",
            "arn:aws:logs:us-east-1:ACCOUNT:log-group:/aws/sagemaker/NotebookInstances:*",
        ),
    ),
    "StartTrainingJob": ("Allow", ("sagemaker:CreateTrainingJob",), (JOBS,), AS_CONFIGURED),
    "FollowJobs": (
        "Allow",
        ("sagemaker:AddTags", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"),
        (JOBS,),
    ),
    "PassTrainingRole": (
        "Allow",
        ("iam:PassRole",),
        ("<training:TrainRole.Arn>",),
        {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    ),
    "FindJobLogs": ("Allow", ("logs:DescribeLogStreams",), (JOBS_LOG, f"{JOBS_LOG}:log-stream:")),
    "ReadJobLogs": ("Allow", ("logs:GetLogEvents",), (f"{JOBS_LOG}:log-stream:whippet-STAGE-*",)),
    "ListBucket": (
        "Allow",
        ("s3:ListBucket",),
        ("<data:Bucket.Arn>",),
        {"StringLike": {"s3:prefix": ("dataset/*", "models/*", "runs/*")}},
    ),
    "ReadDataAndModels": (
        "Allow",
        ("s3:GetObject",),
        ("<data:Bucket.Arn>/dataset/*", "<data:Bucket.Arn>/models/*", "<data:Bucket.Arn>/runs/*/training/*"),
    ),
    "BringData": ("Allow", ("s3:AbortMultipartUpload", "s3:PutObject"), ("<data:Bucket.Arn>/dataset/*",)),
    "UseKey": USE_KEY,
}
HERE = "arn:aws:sagemaker:us-east-1:ACCOUNT"
STACKS = "arn:aws:cloudformation:us-east-1:ACCOUNT:stack/whippet-STAGE-"
TUNINGS = f"{HERE}:hyper-parameter-tuning-job/whippet-STAGE-nb*"
# Beside training, what notebooks/operationalize.ipynb does.
WORK = {
    "ReadNotebooks": (
        "Allow",
        ("s3:GetObject",),
        ("arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1/SHA256.tar.gz",),
    ),
    "ReadOutputs": (
        "Allow",
        ("cloudformation:DescribeStacks",),
        (f"{STACKS}data/*", f"{STACKS}serving/*", f"{STACKS}training/*"),
    ),
    "SeePipeline": (
        "Allow",
        ("sagemaker:DescribePipeline", "sagemaker:ListPipelineExecutions"),
        (f"{HERE}:pipeline/whippet-STAGE-training",),
    ),
    "FollowRuns": (
        "Allow",
        ("sagemaker:DescribePipelineExecution", "sagemaker:ListPipelineExecutionSteps"),
        (f"{HERE}:pipeline/whippet-STAGE-training/execution/*",),
    ),
    "SeeJobsOfRuns": (
        "Allow",
        (
            "sagemaker:DescribeHyperParameterTuningJob",
            "sagemaker:DescribeProcessingJob",
            "sagemaker:DescribeTrainingJob",
        ),
        (
            f"{HERE}:hyper-parameter-tuning-job/*",
            f"{HERE}:processing-job/pipelines-*",
            f"{HERE}:training-job/pipelines-*",
        ),
    ),
    "StartTuning": ("Allow", ("sagemaker:CreateHyperParameterTuningJob",), (TUNINGS,), AS_CONFIGURED),
    "FollowTuning": (
        "Allow",
        (
            "sagemaker:AddTags",
            "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
            "sagemaker:StopHyperParameterTuningJob",
        ),
        (TUNINGS,),
    ),
    "SeeTrials": ("Allow", ("sagemaker:DescribeTrainingJob",), (f"{HERE}:training-job/whippet-STAGE-nb*",)),
    "PassTuningRole": (
        "Allow",
        ("iam:PassRole",),
        ("<training:TuneRole.Arn>",),
        {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    ),
    "SeeVersions": (
        "Allow",
        ("sagemaker:DescribeModelPackage",),
        (f"{HERE}:model-package/whippet-STAGE-models/*",),
    ),
    "ReadEvaluations": ("Allow", ("s3:GetObject",), ("<data:Bucket.Arn>/runs/*/evaluation/*",)),
    "Predict": (
        "Allow",
        ("sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"),
        (f"{HERE}:endpoint/whippet-STAGE-realtime",),
    ),
}
TRUST = {
    "BoxRole": ("ec2.amazonaws.com", None),
    "NotebookRole": (
        "sagemaker.amazonaws.com",
        {
            "StringEquals": {"aws:SourceAccount": "ACCOUNT"},
            "ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:us-east-1:ACCOUNT:notebook-instance/*"},
        },
    ),
}


def roles(stage):
    """dev has no notebook, prod neither."""
    return {"local": {"BoxRole": BOX, "NotebookRole": NOTEBOOK | WORK}, "dev": {"BoxRole": BOX}, "prod": {}}[stage]
