"""The roles of the pipeline, of its steps' jobs, and of what starts it."""

import uuid

from tests.system.deployed import TRAINING, Deployed, Session
from tests.system.permissions.calls import (
    HOSTING_ROLE,
    Call,
    allow,
    get_object,
    list_objects,
    make_and_put_log,
    may_not_list,
    may_not_make_a_model,
    may_not_read,
    may_not_write,
    object_arn,
    put_log,
    put_metric,
    put_object,
)
from tests.system.permissions.jobs import follow_and_stop, start_processing, start_training, start_tuning

INTAKE = "IntakeFunctionPartsRole"
PREPARE, TUNE, TRAIN, EVALUATE, PIPELINE = "PrepareRole", "TuneRole", "TrainRole", "EvaluateRole", "PipelineRole"
JOBS = {PREPARE: "ProcessingJobs", TUNE: "TrainingJobs", TRAIN: "TrainingJobs", EVALUATE: "ProcessingJobs"}
# What a step's job looks for and reads, and where it writes.
STEPS = {
    PREPARE: ("dataset/seed/", "dataset/seed/picture", "runs/r/data/matrix"),
    TUNE: ("runs/r/data/train/", "runs/r/data/train/picture", "runs/r/trials/matrix"),
    TRAIN: ("runs/r/data/train/", "runs/r/data/train/picture", "runs/r/training/matrix"),
    EVALUATE: ("runs/r/data/test/", "runs/r/data/test/picture", "models/matrix"),
}
# What would be of use to it and is another's.
BEYOND = {
    PREPARE: ("runs/r/data/test/picture", "models/matrix"),
    TUNE: ("runs/r/data/test/picture", "runs/r/training/matrix"),
    TRAIN: ("dataset/seed/picture", "models/matrix"),
    EVALUATE: ("runs/r/data/train/picture", "runs/r/data/matrix"),
}


def job_succeeds(role: str, log: str, found: str, read: str, written: str) -> list[Call]:
    return [
        Call(role, "finds its input", lambda s, d: list_objects(s, d, found)),
        Call(role, "reads its input", lambda s, d: get_object(s, d.bucket, read)),
        Call(role, "reads the code", lambda s, d: get_object(s, *d.code)),
        Call(role, "writes its output", lambda s, d: put_object(s, d, written)),
        Call(role, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
        Call(role, "writes the jobs' log", lambda s, d: make_and_put_log(s, log)),
        Call(role, "publishes its metrics", lambda s, d: put_metric(s, log)),
    ]


def job_denials(role: str, read: str, written: str) -> list[Call]:
    return [
        may_not_read(role, "reads what is not its input", read),
        may_not_write(role, "writes where it has no output", written),
        may_not_list(role),
        may_not_start_the_pipeline(role),
    ]


def may_not_start_the_pipeline(role: str) -> Call:
    return Call(
        role,
        "starts the pipeline",
        start_pipeline,
        lambda d: [allow("sagemaker:StartPipelineExecution", d.arn("sagemaker", f"pipeline/{d.pipeline}"))],
    )


def register(session: Session, deployed: Deployed, group: str) -> str:
    container = {"Image": deployed.image, "ModelDataUrl": f"s3://{deployed.bucket}/models/seed"}
    made = session.client("sagemaker").create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    return str(made["ModelPackageArn"])


def model_group(deployed: Deployed) -> str:
    return str(deployed.outputs(TRAINING)["ModelGroupName"])


def version(deployed: Deployed) -> str:
    """One that nobody has approved."""
    return register(deployed.root, deployed, model_group(deployed))


def approve(session: Session, package: str) -> None:
    session.client("sagemaker").update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")


def send(session: Session, queue: str) -> None:
    session.client("sqs").send_message(QueueUrl=queue, MessageBody="matrix")


def tag(session: Session, deployed: Deployed, key: str) -> None:
    tags = {"TagSet": [{"Key": "refused", "Value": "matrix"}]}
    session.client("s3").put_object_tagging(Bucket=deployed.bucket, Key=key, Tagging=tags)


def start_pipeline(session: Session, deployed: Deployed) -> str:
    """The run's ARN."""
    started = session.client("sagemaker").start_pipeline_execution(
        PipelineName=deployed.pipeline,
        PipelineParameters=[{"Name": "DatasetPrefix", "Value": "dataset/none"}],
        ClientRequestToken=uuid.uuid4().hex,
    )
    return str(started["PipelineExecutionArn"])


SUCCEEDS = [
    *(call for role, log in JOBS.items() for call in job_succeeds(role, f"/aws/sagemaker/{log}", *STEPS[role])),
    Call(EVALUATE, "reads a trial's model", lambda s, d: get_object(s, d.bucket, "runs/r/trials/model")),
    Call(INTAKE, "reads a manifest", lambda s, d: get_object(s, d.bucket, "dataset/seed/manifest.json")),
    Call(INTAKE, "reads a picture", lambda s, d: get_object(s, d.bucket, "dataset/seed/picture")),
    Call(INTAKE, "tags a picture", lambda s, d: tag(s, d, "dataset/seed/picture")),
    Call(INTAKE, "counts a data set", lambda s, d: list_objects(s, d, "dataset/seed/")),
    Call(INTAKE, "takes a failure back", lambda s, d: s.client("sqs").receive_message(QueueUrl=d.failures)),
    Call(INTAKE, "starts the pipeline", start_pipeline),
    Call(INTAKE, "writes its log", lambda s, d: put_log(s, d.intake_log)),
    Call(INTAKE, "keeps a failure", lambda s, d: send(s, d.failures)),
    Call(PIPELINE, "starts a processing job", lambda s, d: start_processing(s, d, PREPARE)),
    Call(PIPELINE, "starts a training job", lambda s, d: start_training(s, d, TRAIN, "pipelines")),
    Call(PIPELINE, "starts a tuning job", lambda s, d: start_tuning(s, d, TUNE)),
    Call(
        PIPELINE,
        "follows and stops a job",
        lambda s, d: follow_and_stop(s, start_training(d.root, d, TRAIN, "pipelines")),
    ),
    Call(PIPELINE, "registers a version", lambda s, d: register(s, d, model_group(d))),
    Call(PIPELINE, "reads an evaluation", lambda s, d: get_object(s, d.bucket, "runs/r/evaluation/evaluation.json")),
]

DENIALS = [
    may_not_read(INTAKE, "reads a model", "models/seed"),
    Call(
        INTAKE,
        "tags what is no data",
        lambda s, d: tag(s, d, "models/seed"),
        lambda d: [allow("s3:PutObjectTagging", object_arn(d.bucket, "models/seed"))],
    ),
    may_not_write(INTAKE, "writes data", "dataset/matrix", with_key=True),
    Call(
        INTAKE,
        "looks at the pipeline",
        lambda s, d: s.client("sagemaker").describe_pipeline(PipelineName=d.pipeline),
        lambda d: [allow("sagemaker:DescribePipeline", d.arn("sagemaker", f"pipeline/{d.pipeline}"))],
    ),
    Call(
        INTAKE,
        "takes a failure out again",
        lambda s, d: s.client("sqs").purge_queue(QueueUrl=d.failures),
        lambda d: [allow("sqs:PurgeQueue", d.arn("sqs", d.failures.rsplit("/", 1)[-1]))],
    ),
    *(call for role, keys in BEYOND.items() for call in job_denials(role, *keys)),
    may_not_write(PIPELINE, "writes an evaluation", "runs/r/evaluation/matrix", with_key=True),
    may_not_start_the_pipeline(PIPELINE),
    Call(
        PIPELINE,
        "starts a processing job under the hosting role",
        lambda s, d: start_processing(s, d, HOSTING_ROLE),
        lambda d: [allow("iam:PassRole", d.role_arn(HOSTING_ROLE))],
    ),
    Call(
        PIPELINE,
        "starts a processing job on a larger machine",
        lambda s, d: start_processing(s, d, PREPARE, instance_type="ml.m5.24xlarge"),
        lambda d: [allow("sagemaker:CreateProcessingJob", d.arn("sagemaker", "processing-job/pipelines-*"))],
    ),
    Call(
        PIPELINE,
        "starts a training job that reaches the network",
        lambda s, d: start_training(s, d, TRAIN, "pipelines", EnableNetworkIsolation=False),
        lambda d: [allow("sagemaker:CreateTrainingJob", d.arn("sagemaker", "training-job/pipelines-*"))],
    ),
    Call(
        PIPELINE,
        "starts a training job by another name",
        lambda s, d: start_training(s, d, TRAIN, "other"),
        lambda d: [allow("sagemaker:CreateTrainingJob", d.arn("sagemaker", "training-job/other-*"))],
    ),
    Call(
        PIPELINE,
        "tunes on a volume without the key",
        lambda s, d: start_tuning(s, d, TUNE, with_key=False),
        lambda d: [
            allow("sagemaker:CreateHyperParameterTuningJob", d.arn("sagemaker", "hyper-parameter-tuning-job/*"))
        ],
    ),
    Call(
        PIPELINE,
        "stops another's job",
        lambda s, d: s.client("sagemaker").stop_training_job(TrainingJobName=start_training(d.root, d, TRAIN, "other")),
        lambda d: [allow("sagemaker:StopTrainingJob", d.arn("sagemaker", "training-job/other-*"))],
    ),
    Call(
        PIPELINE,
        "registers a version of another model",
        lambda s, d: register(s, d, d.other_model_group),
        lambda d: [
            allow(
                "sagemaker:CreateModelPackage",
                d.arn("sagemaker", f"model-package-group/{d.other_model_group}"),
                d.arn("sagemaker", f"model-package/{d.other_model_group}/*"),
            )
        ],
    ),
    Call(
        PIPELINE,
        "approves what it registered",
        lambda s, d: approve(s, version(d)),
        lambda d: [allow("sagemaker:UpdateModelPackage", d.arn("sagemaker", f"model-package/{model_group(d)}/*"))],
    ),
    Call(
        PIPELINE,
        "deletes a version",
        lambda s, d: s.client("sagemaker").delete_model_package(ModelPackageName=version(d)),
        lambda d: [allow("sagemaker:DeleteModelPackage", d.arn("sagemaker", f"model-package/{model_group(d)}/*"))],
    ),
    may_not_read(PIPELINE, "reads a picture", "runs/r/data/train/picture"),
    may_not_make_a_model(PIPELINE),
]
