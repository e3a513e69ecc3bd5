"""The permission matrix, tried for real on the deployed system.

Each role's credentials make calls that must succeed and calls that must be denied. Each denial turns into success when
exactly the listed statements are added, and stays a denial while any of them is missing: so no denial is an accident.
"""

import contextlib
import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.system.deployed import TRAINING, WORKBENCH, Deployed, Session

pytestmark = pytest.mark.xdist_group("deployed")

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
STAR = "*"


@dataclass(frozen=True)
class Call:
    role: str
    what: str
    make: Callable[[Session, Deployed], Any]
    missing: Callable[[Deployed], list[dict[str, Any]]] | None = None
    """The statements that the role lacks, where the call must be denied."""

    def __str__(self) -> str:
        return f"{self.role} {self.what}"


def allow(action: str | list[str], *resources: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources), **condition}


def put_log(session: Session, group: str) -> None:
    logs = session.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="matrix")
    logs.put_log_events(logGroupName=group, logStreamName="matrix", logEvents=[{"timestamp": 1, "message": "matrix"}])


def make_and_put_log(session: Session, group: str) -> None:
    logs = session.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    put_log(session, group)


def invoke(session: Session, endpoint: str, deployed: Deployed) -> None:
    answer = session.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="image/jpeg", Body=deployed.sample.read_bytes()
    )
    assert json.loads(answer["Body"].read())["predictions"]


def put_object(session: Session, deployed: Deployed, key: str) -> None:
    session.client("s3").put_object(Bucket=deployed.bucket, Key=key, Body=b"matrix")


def get_object(session: Session, bucket: str, key: str) -> None:
    session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def put_metric(session: Session, namespace: str) -> None:
    session.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "matrix", "Value": 1}])


def pull(session: Session, repository: str) -> None:
    session.client("ecr").batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "source"}])


def object_arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def push(session: Session, repository: str) -> None:
    session.client("ecr").put_image(repositoryName=repository, imageManifest=json.dumps({"made": uuid.uuid4().hex}))


def describe_images(session: Session, repository: str) -> None:
    session.client("ecr").describe_images(repositoryName=repository)


def start_build(session: Session, project: str) -> None:
    session.client("codebuild").start_build(projectName=project)


def stop_notebook(session: Session, name: str) -> None:
    session.client("sagemaker").stop_notebook_instance(NotebookInstanceName=name)


def start_training(session: Session, deployed: Deployed, role: str, **changed: Any) -> None:
    """What becomes of it is not looked at: it has no code, and says so when it fails."""
    request: dict[str, Any] = {
        "TrainingJobName": f"whippet-local-{deployed.fresh_name()}",
        "RoleArn": deployed.role_arn(role),
        "AlgorithmSpecification": {
            "TrainingImage": deployed.outputs(TRAINING)["TrainingImage"],
            "TrainingInputMode": "File",
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{deployed.bucket}/runs/r/training"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
            "VolumeKmsKeyId": deployed.key,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
    }
    session.client("sagemaker").create_training_job(**{**request, **changed})


def list_objects(session: Session, deployed: Deployed, prefix: str) -> None:
    session.client("s3").list_objects_v2(Bucket=deployed.bucket, Prefix=prefix)


def read_metric(session: Session) -> None:
    stat = {"Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}, "Period": 60, "Stat": "Maximum"}
    session.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "matrix", "MetricStat": stat}], StartTime=0, EndTime=60
    )


def describe_endpoint(session: Session, endpoint: str) -> None:
    session.client("sagemaker").describe_endpoint(EndpointName=endpoint)


PASSED_TO_EC2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def launch(session: Session, deployed: Deployed) -> None:
    profile = {"Arn": deployed.resources(WORKBENCH)["BoxProfile"]}
    launched = session.client("ec2").run_instances(
        ImageId="ami-00000000000000000", MinCount=1, MaxCount=1, IamInstanceProfile=profile
    )
    identity = launched["Instances"][0]["InstanceId"]
    deployed.root.client("ec2").terminate_instances(InstanceIds=[identity])


def send_command(session: Session, deployed: Deployed) -> None:
    box = [deployed.training_box]
    deployed.root.client("ec2").get_waiter("instance_running").wait(InstanceIds=box, WaiterConfig={"Delay": 1})
    session.client("ssm").send_command(
        InstanceIds=box, DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]}
    )


def stop(session: Session, box: str) -> None:
    session.client("ec2").stop_instances(InstanceIds=[box])


def tell(session: Session, topic: str) -> None:
    session.client("sns").publish(TopicArn=topic, Message="matrix")


def become(session: Session, deployed: Deployed, kind: str) -> None:
    session.client("sts").assume_role(RoleArn=deployed.bootstrap_role(kind), RoleSessionName="matrix")


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
        Call(
            role,
            "reads what is not its input",
            lambda s, d: get_object(s, d.bucket, read),
            lambda d: [allow("s3:GetObject", object_arn(d.bucket, read))],
        ),
        Call(
            role,
            "writes where it has no output",
            lambda s, d: put_object(s, d, written),
            lambda d: [allow("s3:PutObject", object_arn(d.bucket, written))],
        ),
        Call(
            role,
            "lists the bucket",
            lambda s, d: s.client("s3").list_objects_v2(Bucket=d.bucket),
            lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
        ),
        Call(
            role,
            "starts the pipeline",
            start_pipeline,
            lambda d: [allow("sagemaker:StartPipelineExecution", d.arn("sagemaker", f"pipeline/{d.pipeline}"))],
        ),
    ]


def send(session: Session, queue: str) -> None:
    session.client("sqs").send_message(QueueUrl=queue, MessageBody="matrix")


def tag(session: Session, deployed: Deployed, key: str) -> None:
    tags = {"TagSet": [{"Key": "refused", "Value": "matrix"}]}
    session.client("s3").put_object_tagging(Bucket=deployed.bucket, Key=key, Tagging=tags)


def start_pipeline(session: Session, deployed: Deployed) -> None:
    session.client("sagemaker").start_pipeline_execution(
        PipelineName=deployed.pipeline,
        PipelineParameters=[{"Name": "DatasetPrefix", "Value": "dataset/none"}],
        ClientRequestToken=uuid.uuid4().hex,
    )


PREDICT, HOSTING, BATCH = "PredictFunctionPartsRole", "HostingRole", "BatchRole"
FLOW_LOG = "FlowLogRole"
BOX, NOTEBOOK = "BoxRole", "NotebookRole"
IDLE, DEPLOY, DIFF = "IdleFunctionPartsRole", "GithubDeployRole", "GithubDiffRole"
BUILD, BUILD_FUNCTION = "BuilderBuildRole", "BuilderFunctionPartsRole"

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

TRANSFORM_LOG = "/aws/sagemaker/TransformJobs"

SUCCEEDS = [
    Call(PREDICT, "invokes its endpoint", lambda s, d: invoke(s, d.endpoint, d)),
    Call(PREDICT, "lets an upload in", lambda s, d: put_object(s, d, "uploads/seed")),
    Call(PREDICT, "reads an upload", lambda s, d: get_object(s, d.bucket, "uploads/seed")),
    Call(PREDICT, "writes its log", lambda s, d: put_log(s, d.function_log)),
    Call(HOSTING, "reads its model", lambda s, d: get_object(s, *d.model)),
    Call(BOX, "finds the code", lambda s, d: s.client("ssm").get_parameter(Name=d.code_address)),
    Call(BOX, "reads the code", lambda s, d: get_object(s, *d.training_code)),
    Call(BOX, "lists a data set", lambda s, d: list_objects(s, d, "dataset/")),
    Call(BOX, "reads data", lambda s, d: get_object(s, d.bucket, "dataset/seed")),
    Call(BOX, "leaves a model", lambda s, d: put_object(s, d, "models/matrix-box")),
    Call(NOTEBOOK, "lists models", lambda s, d: list_objects(s, d, "models/")),
    Call(NOTEBOOK, "reads data", lambda s, d: get_object(s, d.bucket, "dataset/seed")),
    Call(NOTEBOOK, "brings data", lambda s, d: put_object(s, d, "dataset/matrix-notebook")),
    Call(NOTEBOOK, "writes its log", lambda s, d: make_and_put_log(s, "/aws/sagemaker/NotebookInstances")),
    Call(NOTEBOOK, "starts a training job", lambda s, d: start_training(s, d, TRAIN)),
    Call(NOTEBOOK, "sees what a training left", lambda s, d: get_object(s, d.bucket, "runs/r/training/model")),
    Call(NOTEBOOK, "stops itself", lambda s, d: stop_notebook(s, d.restarted_notebook())),
    Call(HOSTING, "reads a promoted model", lambda s, d: get_object(s, d.bucket, "models/seed")),
    Call(HOSTING, "writes a capture", lambda s, d: put_object(s, d, "capture/matrix")),
    Call(HOSTING, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
    Call(HOSTING, "pulls its image", lambda s, d: pull(s, d.repository)),
    Call(HOSTING, "writes the endpoint's log", lambda s, d: make_and_put_log(s, d.endpoint_log)),
    Call(HOSTING, "publishes its metrics", lambda s, d: put_metric(s, "/aws/sagemaker/Endpoints")),
    Call(IDLE, "looks for boxes", lambda s, d: s.client("ec2").describe_instances()),
    Call(IDLE, "reads metrics", lambda s, d: read_metric(s)),
    Call(IDLE, "describes its endpoint", lambda s, d: describe_endpoint(s, d.endpoint)),
    Call(IDLE, "stops this stage's box", lambda s, d: stop(s, d.own_box)),
    Call(IDLE, "tells its news", lambda s, d: tell(s, d.news_topic)),
    Call(IDLE, "writes its log", lambda s, d: put_log(s, d.idle_log)),
    Call(DEPLOY, "becomes the role that deploys", lambda s, d: become(s, d, "deploy")),
    Call(DEPLOY, "becomes the role that publishes assets", lambda s, d: become(s, d, "file-publishing")),
    Call(DEPLOY, "becomes the role that looks up", lambda s, d: become(s, d, "lookup")),
    Call(DIFF, "becomes the role that looks up", lambda s, d: become(s, d, "lookup")),
    Call(FLOW_LOG, "writes its log", lambda s, d: put_log(s, d.flow_log)),
    Call(BATCH, "reads its model", lambda s, d: get_object(s, *d.model)),
    Call(BATCH, "reads a promoted model", lambda s, d: get_object(s, d.bucket, "models/seed")),
    Call(BATCH, "finds a batch", lambda s, d: list_objects(s, d, "batch/input/")),
    Call(BATCH, "reads a batch", lambda s, d: get_object(s, d.bucket, "batch/input/seed")),
    Call(BATCH, "writes a result", lambda s, d: put_object(s, d, "batch/output/matrix")),
    Call(BATCH, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
    Call(BATCH, "pulls its image", lambda s, d: pull(s, d.repository)),
    Call(BATCH, "writes the jobs' log", lambda s, d: make_and_put_log(s, TRANSFORM_LOG)),
    Call(BATCH, "publishes its metrics", lambda s, d: put_metric(s, TRANSFORM_LOG)),
    Call(BUILD, "reads its sources", lambda s, d: get_object(s, *d.sources)),
    Call(BUILD, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
    Call(BUILD, "pushes to its repository", lambda s, d: push(s, d.built_repository)),
    Call(BUILD, "writes its log", lambda s, d: put_log(s, d.build_log)),
    Call(BUILD_FUNCTION, "looks for an image", lambda s, d: describe_images(s, d.built_repository)),
    Call(BUILD_FUNCTION, "starts the build", lambda s, d: start_build(s, d.project)),
    *(call for role, log in JOBS.items() for call in job_succeeds(role, f"/aws/sagemaker/{log}", *STEPS[role])),
    Call(INTAKE, "reads a manifest", lambda s, d: get_object(s, d.bucket, "dataset/seed/manifest.json")),
    Call(INTAKE, "reads a picture", lambda s, d: get_object(s, d.bucket, "dataset/seed/picture")),
    Call(INTAKE, "tags a picture", lambda s, d: tag(s, d, "dataset/seed/picture")),
    Call(INTAKE, "counts a data set", lambda s, d: list_objects(s, d, "dataset/seed/")),
    Call(INTAKE, "takes a failure back", lambda s, d: s.client("sqs").receive_message(QueueUrl=d.failures)),
    Call(INTAKE, "starts the pipeline", start_pipeline),
    Call(INTAKE, "writes its log", lambda s, d: put_log(s, d.intake_log)),
    Call(INTAKE, "keeps a failure", lambda s, d: send(s, d.failures)),
    Call(PIPELINE, "reads an evaluation", lambda s, d: get_object(s, d.bucket, "runs/r/evaluation/evaluation.json")),
]
DENIALS = [
    Call(
        INTAKE,
        "reads a model",
        lambda s, d: get_object(s, d.bucket, "models/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "models/seed"))],
    ),
    Call(
        INTAKE,
        "tags what is no data",
        lambda s, d: tag(s, d, "models/seed"),
        lambda d: [allow("s3:PutObjectTagging", object_arn(d.bucket, "models/seed"))],
    ),
    Call(
        INTAKE,
        "writes data",
        lambda s, d: put_object(s, d, "dataset/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "dataset/matrix")), allow("kms:GenerateDataKey", d.key)],
    ),
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
    Call(
        PIPELINE,
        "writes an evaluation",
        lambda s, d: put_object(s, d, "runs/r/evaluation/matrix"),
        lambda d: [
            allow("s3:PutObject", object_arn(d.bucket, "runs/r/evaluation/matrix")),
            allow("kms:GenerateDataKey", d.key),
        ],
    ),
    Call(
        PIPELINE,
        "starts itself",
        start_pipeline,
        lambda d: [allow("sagemaker:StartPipelineExecution", d.arn("sagemaker", f"pipeline/{d.pipeline}"))],
    ),
    Call(
        BOX,
        "lists all of the bucket",
        lambda s, d: s.client("s3").list_objects_v2(Bucket=d.bucket),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    Call(
        BOX,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed"))],
    ),
    Call(
        BOX,
        "writes data",
        lambda s, d: put_object(s, d, "dataset/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "dataset/matrix"))],
    ),
    Call(
        BOX,
        "reads another asset",
        lambda s, d: get_object(s, d.model[0], "matrix"),
        lambda d: [allow("s3:GetObject", object_arn(d.model[0], "matrix"))],
    ),
    Call(
        BOX,
        "reads another parameter",
        lambda s, d: s.client("ssm").get_parameter(Name="/cdk-bootstrap/hnb659fds/version"),
        lambda d: [allow("ssm:GetParameter", d.arn("ssm", "parameter/cdk-bootstrap/hnb659fds/version"))],
    ),
    Call(
        BOX,
        "sends a command",
        send_command,
        lambda d: [
            allow("ssm:SendCommand", d.arn("ec2", f"instance/{d.training_box}")),
            allow("ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"),
        ],
    ),
    Call(
        BOX,
        "launches another box with its own profile",
        launch,
        lambda d: [
            allow("ec2:RunInstances", STAR),
            allow("iam:PassRole", d.role_arn(BOX), Condition=PASSED_TO_EC2),
        ],
    ),
    Call(
        BOX,
        "stops itself by a call",
        lambda s, d: stop(s, d.own_box),
        lambda d: [allow("ec2:StopInstances", d.arn("ec2", f"instance/{d.own_box}"))],
    ),
    Call(
        BOX,
        "invokes the endpoint",
        lambda s, d: invoke(s, d.endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    ),
    Call(
        NOTEBOOK,
        "stops another notebook",
        lambda s, d: stop_notebook(s, d.other_notebook),
        lambda d: [
            allow("sagemaker:StopNotebookInstance", d.arn("sagemaker", f"notebook-instance/{d.other_notebook}"))
        ],
    ),
    Call(
        NOTEBOOK,
        "starts a training job under the tuning role",
        lambda s, d: start_training(s, d, TUNE),
        lambda d: [allow("iam:PassRole", d.role_arn(TUNE))],
    ),
    Call(
        NOTEBOOK,
        "starts a training job that reaches the network",
        lambda s, d: start_training(s, d, TRAIN, EnableNetworkIsolation=False),
        lambda d: [allow("sagemaker:CreateTrainingJob", d.arn("sagemaker", "training-job/whippet-local-*"))],
    ),
    Call(
        NOTEBOOK,
        "starts a training job by another name",
        lambda s, d: start_training(s, d, TRAIN, TrainingJobName=d.fresh_name()),
        lambda d: [allow("sagemaker:CreateTrainingJob", d.arn("sagemaker", "training-job/matrix-*"))],
    ),
    Call(
        NOTEBOOK,
        "reads a run's pictures",
        lambda s, d: get_object(s, d.bucket, "runs/r/data/train/picture"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "runs/r/data/train/picture"))],
    ),
    Call(
        NOTEBOOK,
        "writes a model",
        lambda s, d: put_object(s, d, "models/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "models/matrix"))],
    ),
    Call(
        NOTEBOOK,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed"))],
    ),
    Call(
        NOTEBOOK,
        "makes a model that runs with the hosting role",
        lambda s, d: s.client("sagemaker").create_model(
            ModelName=d.fresh_name(), ExecutionRoleArn=d.role_arn(HOSTING), PrimaryContainer={"Image": d.image}
        ),
        lambda d: [
            allow("sagemaker:CreateModel", d.arn("sagemaker", "model/*")),
            allow("iam:PassRole", d.role_arn(HOSTING)),
        ],
    ),
    Call(
        BATCH,
        "looks through the models",
        lambda s, d: list_objects(s, d, "models/"),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    Call(
        BATCH,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed"))],
    ),
    Call(
        BATCH,
        "changes its batch",
        lambda s, d: put_object(s, d, "batch/input/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "batch/input/matrix"))],
    ),
    Call(
        BATCH,
        "invokes the endpoint",
        lambda s, d: invoke(s, d.endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    ),
    Call(
        BATCH,
        "uses the key past S3",
        lambda s, d: s.client("kms").generate_data_key(KeyId=d.key, KeySpec="AES_256"),
        lambda d: [allow("kms:GenerateDataKey", d.key)],
    ),
    Call(
        HOSTING,
        "reads a batch",
        lambda s, d: get_object(s, d.bucket, "batch/input/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "batch/input/seed"))],
    ),
    Call(
        IDLE,
        "stops another's box",
        lambda s, d: stop(s, d.foreign_box),
        lambda d: [allow("ec2:StopInstances", d.arn("ec2", f"instance/{d.foreign_box}"))],
    ),
    Call(
        IDLE,
        "terminates this stage's box",
        lambda s, d: s.client("ec2").terminate_instances(InstanceIds=[d.doomed_box]),
        lambda d: [allow("ec2:TerminateInstances", d.arn("ec2", f"instance/{d.doomed_box}"))],
    ),
    Call(
        IDLE,
        "describes another endpoint",
        lambda s, d: describe_endpoint(s, d.other_endpoint),
        lambda d: [allow("sagemaker:DescribeEndpoint", d.arn("sagemaker", f"endpoint/{d.other_endpoint}"))],
    ),
    Call(
        IDLE,
        "deletes an endpoint",
        lambda s, d: s.client("sagemaker").delete_endpoint(EndpointName=d.forgotten_endpoint),
        lambda d: [allow("sagemaker:DeleteEndpoint", d.arn("sagemaker", f"endpoint/{d.forgotten_endpoint}"))],
    ),
    Call(
        IDLE,
        "tells another topic",
        lambda s, d: tell(s, d.other_topic),
        lambda d: [allow("sns:Publish", d.other_topic)],
    ),
    Call(
        IDLE,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed")), allow("kms:Decrypt", d.key)],
    ),
    Call(
        DEPLOY,
        "reads the model",
        lambda s, d: get_object(s, *d.model),
        lambda d: [allow("s3:GetObject", object_arn(*d.model))],
    ),
    Call(
        DIFF,
        "becomes the role that deploys",
        lambda s, d: become(s, d, "deploy"),
        lambda d: [allow("sts:AssumeRole", d.bootstrap_role("deploy"))],
    ),
    Call(
        DIFF,
        "becomes the role that publishes assets",
        lambda s, d: become(s, d, "file-publishing"),
        lambda d: [allow("sts:AssumeRole", d.bootstrap_role("file-publishing"))],
    ),
    Call(
        FLOW_LOG,
        "writes another log",
        lambda s, d: put_log(s, d.function_log),
        lambda d: [
            allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                d.arn("logs", f"log-group:{d.function_log}:*"),
                d.arn("logs", f"log-group:{d.function_log}"),
            )
        ],
    ),
    Call(
        FLOW_LOG,
        "makes a log group",
        lambda s, d: s.client("logs").create_log_group(logGroupName=d.fresh_name()),
        lambda d: [allow("logs:CreateLogGroup", d.arn("logs", "log-group:matrix-*"))],
    ),
    Call(
        BUILD,
        "reads the model",
        lambda s, d: get_object(s, *d.model),
        lambda d: [allow("s3:GetObject", object_arn(*d.model))],
    ),
    Call(
        BUILD,
        "pushes to another repository",
        lambda s, d: push(s, d.other_repository),
        lambda d: [allow("ecr:PutImage", d.arn("ecr", f"repository/{d.other_repository}"))],
    ),
    Call(
        BUILD,
        "deletes an image",
        lambda s, d: s.client("ecr").batch_delete_image(
            repositoryName=d.built_repository, imageIds=[{"imageTag": "none"}]
        ),
        lambda d: [allow("ecr:BatchDeleteImage", d.arn("ecr", f"repository/{d.built_repository}"))],
    ),
    Call(
        BUILD,
        "writes data",
        lambda s, d: put_object(s, d, "dataset/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "dataset/matrix")), allow("kms:GenerateDataKey", d.key)],
    ),
    Call(
        BUILD_FUNCTION,
        "starts another build",
        lambda s, d: start_build(s, d.other_project),
        lambda d: [allow("codebuild:StartBuild", d.arn("codebuild", f"project/{d.other_project}"))],
    ),
    Call(
        BUILD_FUNCTION,
        "pushes an image",
        lambda s, d: push(s, d.built_repository),
        lambda d: [allow("ecr:PutImage", d.arn("ecr", f"repository/{d.built_repository}"))],
    ),
    Call(
        BUILD_FUNCTION,
        "invokes the endpoint",
        lambda s, d: invoke(s, d.endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    ),
    Call(
        PREDICT,
        "invokes another endpoint",
        lambda s, d: invoke(s, d.other_endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.other_endpoint}"))],
    ),
    Call(
        PREDICT,
        "describes its endpoint",
        lambda s, d: s.client("sagemaker").describe_endpoint(EndpointName=d.endpoint),
        lambda d: [allow("sagemaker:DescribeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    ),
    Call(
        PREDICT,
        "deletes an endpoint",
        lambda s, d: s.client("sagemaker").delete_endpoint(EndpointName=d.doomed_endpoint),
        lambda d: [allow("sagemaker:DeleteEndpoint", d.arn("sagemaker", f"endpoint/{d.doomed_endpoint}"))],
    ),
    Call(
        PREDICT,
        "reads the model",
        lambda s, d: get_object(s, *d.model),
        lambda d: [allow("s3:GetObject", object_arn(*d.model))],
    ),
    Call(
        PREDICT,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed"))],
    ),
    Call(
        PREDICT,
        "writes data",
        lambda s, d: put_object(s, d, "dataset/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "dataset/matrix"))],
    ),
    Call(
        PREDICT,
        "looks for uploads",
        lambda s, d: list_objects(s, d, "uploads/"),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    Call(
        PREDICT,
        "uses the key past S3",
        lambda s, d: s.client("kms").generate_data_key(KeyId=d.key, KeySpec="AES_256"),
        lambda d: [allow("kms:GenerateDataKey", d.key)],
    ),
    Call(
        PREDICT,
        "writes another log",
        lambda s, d: put_log(s, d.endpoint_log),
        lambda d: [
            allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                d.arn("logs", f"log-group:{d.endpoint_log}:*"),
                d.arn("logs", f"log-group:{d.endpoint_log}"),
            )
        ],
    ),
    Call(
        PREDICT,
        "makes a model that runs with the hosting role",
        lambda s, d: s.client("sagemaker").create_model(
            ModelName=d.fresh_name(), ExecutionRoleArn=d.role_arn(HOSTING), PrimaryContainer={"Image": d.image}
        ),
        lambda d: [
            allow("sagemaker:CreateModel", d.arn("sagemaker", "model/*")),
            allow("iam:PassRole", d.role_arn(HOSTING)),
        ],
    ),
    Call(
        HOSTING,
        "reads another asset",
        lambda s, d: get_object(s, d.model[0], "matrix"),
        lambda d: [allow("s3:GetObject", object_arn(d.model[0], "matrix"))],
    ),
    Call(
        HOSTING,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed"))],
    ),
    Call(
        HOSTING,
        "writes a model",
        lambda s, d: put_object(s, d, "models/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "models/matrix"))],
    ),
    Call(
        HOSTING,
        "deletes a capture",
        lambda s, d: s.client("s3").delete_object(Bucket=d.bucket, Key="capture/doomed"),
        lambda d: [allow("s3:DeleteObject", object_arn(d.bucket, "capture/doomed"))],
    ),
    Call(
        HOSTING,
        "lists the bucket",
        lambda s, d: s.client("s3").list_objects_v2(Bucket=d.bucket),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    Call(
        HOSTING,
        "uses the key past S3",
        lambda s, d: s.client("kms").generate_data_key(KeyId=d.key, KeySpec="AES_256"),
        lambda d: [allow("kms:GenerateDataKey", d.key)],
    ),
    Call(
        HOSTING,
        "publishes other metrics",
        lambda s, d: put_metric(s, "Elsewhere"),
        lambda d: [
            allow("cloudwatch:PutMetricData", STAR, Condition={"StringEquals": {"cloudwatch:namespace": "Elsewhere"}})
        ],
    ),
    Call(
        HOSTING,
        "writes another log",
        lambda s, d: put_log(s, d.function_log),
        lambda d: [
            allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                d.arn("logs", f"log-group:{d.function_log}:*"),
                d.arn("logs", f"log-group:{d.function_log}"),
            )
        ],
    ),
    Call(
        HOSTING,
        "pulls another image",
        lambda s, d: pull(s, d.other_repository),
        lambda d: [allow("ecr:BatchGetImage", d.arn("ecr", f"repository/{d.other_repository}"))],
    ),
    Call(
        HOSTING,
        "invokes its endpoint",
        lambda s, d: invoke(s, d.endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    ),
]


def denied(call: Call, session: Session, deployed: Deployed) -> bool:
    try:
        call.make(session, deployed)
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            return True
        raise
    return False


@pytest.mark.parametrize("call", SUCCEEDS, ids=str)
def test_role_may(call, deployed):
    call.make(deployed.session_as(call.role), deployed)


@pytest.mark.parametrize("call", DENIALS, ids=str)
def test_role_may_not_until_exactly_that_is_granted(call, deployed):
    session, statements = deployed.session_as(call.role), call.missing(deployed)
    for few in range(len(statements)):
        for granted in itertools.combinations(statements, few):
            with deployed.granted(call.role, list(granted)):
                assert denied(call, session, deployed), granted
    with deployed.granted(call.role, statements):
        assert not denied(call, session, deployed)


def test_every_role_of_the_stage_is_in_the_matrix(deployed):
    tried = {call.role for call in [*SUCCEEDS, *DENIALS]}
    assert deployed.roles() == tried


def test_nobody_but_its_service_may_assume_a_role(deployed):
    for role in deployed.roles():
        with pytest.raises(ClientError, match="AccessDenied"):
            deployed.session_as(PREDICT).client("sts").assume_role(
                RoleArn=deployed.role_arn(role), RoleSessionName="matrix"
            )
