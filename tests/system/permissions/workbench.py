"""The roles of the training box and of the notebook."""

import uuid
from typing import Any

from tests.system.deployed import API, DATA, SERVING, TRAINING, WORKBENCH, Deployed, Session
from tests.system.permissions.calls import (
    HOSTING_ROLE,
    STAR,
    Call,
    allow,
    get_object,
    invoke,
    list_objects,
    make_and_put_log,
    may_not_invoke,
    may_not_list,
    may_not_make_a_model,
    may_not_read,
    may_not_read_another_asset,
    may_not_write,
    put_object,
    stop,
)
from tests.system.permissions.jobs import start_training, start_tuning
from tests.system.permissions.training import (
    TRAIN,
    TUNE,
    approve,
    may_not_start_the_pipeline,
    model_group,
    register,
    start_pipeline,
    version,
)

BOX, NOTEBOOK = "BoxRole", "NotebookRole"


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


def stop_notebook(session: Session, name: str) -> None:
    session.client("sagemaker").stop_notebook_instance(NotebookInstanceName=name)


OWN_TUNING = "whippet-local-nb"


def tune(session: Session, deployed: Deployed, role: str = TUNE, prefix: str = OWN_TUNING, **more: Any) -> None:
    """Started, followed and stopped."""
    name = start_tuning(session, deployed, role, prefix=prefix, **more)
    client, named = session.client("sagemaker"), {"HyperParameterTuningJobName": name}
    client.describe_hyper_parameter_tuning_job(**named)
    client.list_training_jobs_for_hyper_parameter_tuning_job(**named)
    client.stop_hyper_parameter_tuning_job(**named)


def tuning_arn(deployed: Deployed, prefix: str) -> str:
    return deployed.arn("sagemaker", f"hyper-parameter-tuning-job/{prefix}*")


def see_pipeline(session: Session, deployed: Deployed) -> None:
    client = session.client("sagemaker")
    client.describe_pipeline(PipelineName=deployed.pipeline)
    client.list_pipeline_executions(PipelineName=deployed.pipeline)


def follow_run(session: Session, deployed: Deployed) -> None:
    run = {"PipelineExecutionArn": start_pipeline(deployed.root, deployed)}
    session.client("sagemaker").describe_pipeline_execution(**run)
    session.client("sagemaker").list_pipeline_execution_steps(**run)


def see_outputs(session: Session, stack: str) -> None:
    session.client("cloudformation").describe_stacks(StackName=stack)


def see_version(session: Session, package: str) -> None:
    session.client("sagemaker").describe_model_package(ModelPackageName=package)


def predict(session: Session, deployed: Deployed) -> None:
    session.client("sagemaker").describe_endpoint(EndpointName=deployed.endpoint)
    invoke(session, deployed.endpoint, deployed)


SUCCEEDS = [
    Call(BOX, "finds the code", lambda s, d: s.client("ssm").get_parameter(Name=d.code_address)),
    Call(BOX, "reads the code", lambda s, d: get_object(s, *d.training_code)),
    Call(BOX, "lists a data set", lambda s, d: list_objects(s, d, "dataset/")),
    Call(BOX, "reads data", lambda s, d: get_object(s, d.bucket, "dataset/seed")),
    Call(BOX, "leaves a model", lambda s, d: put_object(s, d, "models/matrix-box")),
    Call(BOX, "looks for its log", lambda s, _: s.client("logs").describe_log_groups()),
    Call(BOX, "says what a command says", lambda s, d: make_and_put_log(s, d.outputs(WORKBENCH)["BoxLogGroup"])),
    Call(NOTEBOOK, "lists models", lambda s, d: list_objects(s, d, "models/")),
    Call(NOTEBOOK, "reads data", lambda s, d: get_object(s, d.bucket, "dataset/seed")),
    Call(NOTEBOOK, "brings data", lambda s, d: put_object(s, d, "dataset/matrix-notebook")),
    Call(NOTEBOOK, "writes its log", lambda s, d: make_and_put_log(s, "/aws/sagemaker/NotebookInstances")),
    Call(NOTEBOOK, "starts a training job", lambda s, d: start_training(s, d, TRAIN)),
    Call(NOTEBOOK, "sees what a training left", lambda s, d: get_object(s, d.bucket, "runs/r/training/model")),
    Call(NOTEBOOK, "reads the notebooks that it brings", lambda s, d: get_object(s, *d.notebooks)),
    Call(NOTEBOOK, "reads outputs", lambda s, d: [see_outputs(s, stack) for stack in (DATA, TRAINING, SERVING)]),
    Call(NOTEBOOK, "looks at the pipeline", see_pipeline),
    Call(NOTEBOOK, "follows a run", follow_run),
    Call(NOTEBOOK, "tunes", tune),
    Call(NOTEBOOK, "looks at a version", lambda s, d: see_version(s, version(d))),
    Call(NOTEBOOK, "reads an evaluation", lambda s, d: get_object(s, d.bucket, "runs/r/evaluation/evaluation.json")),
    Call(NOTEBOOK, "predicts", predict),
    Call(NOTEBOOK, "stops itself", lambda s, d: stop_notebook(s, d.restarted_notebook())),
]

DENIALS = [
    may_not_list(BOX),
    may_not_read(BOX, "reads a capture", "capture/seed"),
    may_not_write(BOX, "writes data", "dataset/matrix"),
    may_not_read_another_asset(BOX),
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
    may_not_invoke(BOX),
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
        "starts a training job under the hosting role",
        lambda s, d: start_training(s, d, HOSTING_ROLE),
        lambda d: [allow("iam:PassRole", d.role_arn(HOSTING_ROLE))],
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
        lambda s, d: start_training(s, d, TRAIN, "other"),
        lambda d: [allow("sagemaker:CreateTrainingJob", d.arn("sagemaker", "training-job/other-*"))],
    ),
    may_not_read(NOTEBOOK, "reads a run's pictures", "runs/r/data/train/picture"),
    may_not_write(NOTEBOOK, "writes a model", "models/matrix"),
    may_not_read(NOTEBOOK, "reads a capture", "capture/seed"),
    may_not_make_a_model(NOTEBOOK),
    may_not_start_the_pipeline(NOTEBOOK),
    may_not_read_another_asset(NOTEBOOK),
    Call(
        NOTEBOOK,
        "reads another stack's outputs",
        lambda s, d: see_outputs(s, API),
        lambda d: [allow("cloudformation:DescribeStacks", d.arn("cloudformation", f"stack/{API}/*"))],
    ),
    Call(
        NOTEBOOK,
        "tunes under the hosting role",
        lambda s, d: tune(s, d, HOSTING_ROLE),
        lambda d: [allow("iam:PassRole", d.role_arn(HOSTING_ROLE))],
    ),
    Call(
        NOTEBOOK,
        "tunes on a volume without the key",
        lambda s, d: tune(s, d, with_key=False),
        lambda d: [allow("sagemaker:CreateHyperParameterTuningJob", tuning_arn(d, OWN_TUNING))],
    ),
    Call(
        NOTEBOOK,
        "stops a run's tuning",
        lambda s, d: s.client("sagemaker").stop_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=start_tuning(d.root, d, TUNE)
        ),
        lambda d: [allow("sagemaker:StopHyperParameterTuningJob", tuning_arn(d, "matrix-"))],
    ),
    Call(
        NOTEBOOK,
        "stops a run",
        lambda s, d: s.client("sagemaker").stop_pipeline_execution(
            PipelineExecutionArn=start_pipeline(d.root, d), ClientRequestToken=uuid.uuid4().hex
        ),
        lambda d: [allow("sagemaker:StopPipelineExecution", d.arn("sagemaker", f"pipeline/{d.pipeline}/execution/*"))],
    ),
    Call(
        NOTEBOOK,
        "registers a version",
        lambda s, d: register(s, d, model_group(d)),
        lambda d: [
            allow(
                "sagemaker:CreateModelPackage",
                d.arn("sagemaker", f"model-package-group/{model_group(d)}"),
                d.arn("sagemaker", f"model-package/{model_group(d)}/*"),
            )
        ],
    ),
    Call(
        NOTEBOOK,
        "approves a version",
        lambda s, d: approve(s, version(d)),
        lambda d: [allow("sagemaker:UpdateModelPackage", d.arn("sagemaker", f"model-package/{model_group(d)}/*"))],
    ),
    Call(
        NOTEBOOK,
        "asks another endpoint",
        lambda s, d: invoke(s, d.other_endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.other_endpoint}"))],
    ),
]
