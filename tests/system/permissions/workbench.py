"""The roles of the training box and of the notebook."""

from tests.system.deployed import WORKBENCH, Deployed, Session
from tests.system.permissions.calls import (
    STAR,
    Call,
    allow,
    get_object,
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
from tests.system.permissions.jobs import start_training
from tests.system.permissions.training import TRAIN, TUNE

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
        lambda s, d: start_training(s, d, TRAIN, "other"),
        lambda d: [allow("sagemaker:CreateTrainingJob", d.arn("sagemaker", "training-job/other-*"))],
    ),
    may_not_read(NOTEBOOK, "reads a run's pictures", "runs/r/data/train/picture"),
    may_not_write(NOTEBOOK, "writes a model", "models/matrix"),
    may_not_read(NOTEBOOK, "reads a capture", "capture/seed"),
    may_not_make_a_model(NOTEBOOK),
]
