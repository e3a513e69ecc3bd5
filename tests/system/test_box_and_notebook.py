"""The box and the notebook of the deployed system."""

import base64
import json
import re
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime

import pytest

from ops import cdk
from tests.system.deployed import OPERATIONS, WORKBENCH, Deployed

pytestmark = pytest.mark.xdist_group("deployed")


def instance(deployed: Deployed):
    (found,) = deployed.root.client("ec2").describe_instances(InstanceIds=[deployed.training_box])["Reservations"]
    return found["Instances"][0]


def test_box_runs_the_newest_ami_of_its_type_with_its_profile(deployed):
    name = "/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04/latest/ami-id"
    ami = deployed.root.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    found = instance(deployed)
    assert (found["ImageId"], found["State"]["Name"]) == (ami, "running")
    assert found["IamInstanceProfile"]["Arn"] == deployed.resources(WORKBENCH)["BoxProfile"]


def test_boxs_disk_is_encrypted_under_the_stages_key(deployed):
    volume = instance(deployed)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    (found,) = deployed.root.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (found["Size"], found["VolumeType"], found["Encrypted"]) == (100, "gp3", True)


def test_boxs_user_data_is_the_script_with_its_settings(deployed):
    template = deployed.resources(WORKBENCH)["BoxLaunch"]
    versions = deployed.root.client("ec2").describe_launch_template_versions(LaunchTemplateId=template)
    (version,) = versions["LaunchTemplateVersions"]
    script = base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()
    assert f'"bucket":"{deployed.bucket}"' in script
    assert f'"code_parameter":"{deployed.code_address}"' in script


def test_box_stops_and_starts(deployed):
    ec2, box = deployed.root.client("ec2"), {"InstanceIds": [deployed.training_box]}
    ec2.stop_instances(**box)
    assert instance(deployed)["State"]["Name"] in ("stopping", "stopped")
    ec2.get_waiter("instance_stopped").wait(**box, WaiterConfig={"Delay": 1})
    ec2.start_instances(**box)
    ec2.get_waiter("instance_running").wait(**box, WaiterConfig={"Delay": 1})


@pytest.mark.slow
def test_box_trains_by_command_and_leaves_the_model_in_the_bucket(deployed, tmp_path):
    folder = tmp_path / "pictures"
    made = [sys.executable, "-m", "training.synthetic", "--out", str(folder), "--train", "60", "--valid", "20"]
    subprocess.run([*made, "--test", "20"], cwd=cdk.ROOT, check=True, capture_output=True)
    s3 = deployed.root.client("s3")
    for file in folder.rglob("*.jpg"):
        key = f"dataset/on-the-box/{file.relative_to(folder).as_posix()}"
        s3.put_object(Bucket=deployed.bucket, Key=key, Body=file.read_bytes())
    command = f"{deployed.outputs(WORKBENCH)['BoxTrainCommand']} --data on-the-box --epochs 1 --input-size 32"
    done = sent(deployed, f"{command} --batch-size 16")
    assert done["Status"] == "Success", done["StandardOutputContent"] + done["StandardErrorContent"]
    key = re.search(r'artifact = "(models/[0-9a-f]{64}/model\.tar\.gz)"', done["StandardOutputContent"])[1]
    (tmp_path / "model.tar.gz").write_bytes(s3.get_object(Bucket=deployed.bucket, Key=key)["Body"].read())
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert {"model.json", "model.onnx", "model.pt"} <= set(tar.getnames())


@pytest.mark.slow
def test_idle_box_stops_itself(deployed):
    """By its own check, as its timer runs it every minute; an hour without work is only said to have passed."""
    look = "echo 0 >/run/whippet-last-busy; systemctl start whippet-idle.service"
    # Beside the command, whose worker is itself a sign of work.
    sent(deployed, f"nohup bash -c 'while sleep 1; do {look}; done' >/dev/null 2>&1 &")
    box = [deployed.training_box]
    ec2 = deployed.root.client("ec2")
    ec2.get_waiter("instance_stopped").wait(InstanceIds=box, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    assert instance(deployed)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    ec2.start_instances(InstanceIds=box)
    ec2.get_waiter("instance_running").wait(InstanceIds=box, WaiterConfig={"Delay": 1})


@pytest.mark.slow
def test_sweep_stops_the_box_that_has_done_no_work(deployed):
    """With a minute for the hour of the stage file, and a reading as the embedded AWS publishes it every five."""
    name, box = deployed.outputs(OPERATIONS)["IdleFunctionName"], deployed.training_box
    ec2, functions = deployed.root.client("ec2"), deployed.root.client("lambda")
    put = deployed.root.client("cloudwatch").put_metric_data
    dimensions = [{"Name": "InstanceId", "Value": box}]
    point = {"MetricName": "CPUUtilization", "Dimensions": dimensions, "Value": 0.3, "Unit": "Percent"}
    put(Namespace="AWS/EC2", MetricData=[point])
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    changed = {"Variables": {**before, "BOX_IDLE_MINUTES": "1"}}
    functions.update_function_configuration(FunctionName=name, Environment=changed)
    try:
        age = datetime.now(UTC) - instance(deployed)["LaunchTime"]
        time.sleep(max(0.0, 61 - age.total_seconds()))
        said = json.loads(functions.invoke(FunctionName=name)["Payload"].read())
        assert "errorMessage" not in said, said
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[box], WaiterConfig={"Delay": 1})
        assert instance(deployed)["StateTransitionReason"].startswith("User initiated")
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
        ec2.start_instances(InstanceIds=[box])
        ec2.get_waiter("instance_running").wait(InstanceIds=[box], WaiterConfig={"Delay": 1})


def sent(deployed, *commands):
    """What became of a shell script on the box."""
    ssm, box = deployed.root.client("ssm"), deployed.training_box
    deployed.root.client("ec2").get_waiter("instance_running").wait(InstanceIds=[box], WaiterConfig={"Delay": 1})
    parameters = {"commands": list(commands)}
    command = ssm.send_command(InstanceIds=[box], DocumentName="AWS-RunShellScript", Parameters=parameters)
    identity = command["Command"]["CommandId"]
    while True:
        found = ssm.get_command_invocation(CommandId=identity, InstanceId=box)
        if found["Status"] not in ("Pending", "InProgress"):
            return found
        time.sleep(0.1)


def test_notebook_is_in_service_as_its_template_says(deployed):
    found = deployed.root.client("sagemaker").describe_notebook_instance(
        NotebookInstanceName=deployed.restarted_notebook()
    )
    assert (found["NotebookInstanceStatus"], found["RootAccess"]) == ("InService", "Disabled")
    assert found["PlatformIdentifier"] == "notebook-al2023-v1"
    assert found["NotebookInstanceLifecycleConfigName"]
