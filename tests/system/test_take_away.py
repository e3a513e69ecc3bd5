"""Taking everything away again. Runs last in its group, since it takes the others' deployment with it."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import control
from ops import cdk, destroy
from ops.__main__ import main
from ops.teardown import Teardown
from tests.system.deployed import API, DATA, IMAGE, NETWORK, OPERATIONS, SERVING, TRAINING, WORKBENCH, Deployed

pytestmark = pytest.mark.xdist_group("deployed")


def endpoint_processes() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if " serving " in command]


def gone(deployed: Deployed, stack: str) -> bool:
    try:
        deployed.stack_status(stack)
    except ClientError as error:
        return "does not exist" in str(error)
    return False


def bucket_is_gone(deployed: Deployed, name: str) -> bool:
    try:
        deployed.root.client("s3").head_bucket(Bucket=name)
    except ClientError:
        return True
    return False


@pytest.fixture
def ops(deployed, monkeypatch, tmp_path):
    """The operator's command line, as a person would call it where this deployment's embedded AWS runs."""
    monkeypatch.setattr(control, "running", lambda _home: deployed.running)
    monkeypatch.setattr(destroy, "NOTES", tmp_path)
    return main


def fill(deployed: Deployed) -> None:
    """What keeps a bucket from being deleted: an object, an older version, a delete marker, an unfinished upload."""
    s3 = deployed.root.client("s3")
    for body in (b"one", b"two"):
        s3.put_object(Bucket=deployed.bucket, Key="dataset/kept", Body=body)
    s3.put_object(Bucket=deployed.bucket, Key="dataset/deleted", Body=b"gone")
    s3.delete_object(Bucket=deployed.bucket, Key="dataset/deleted")
    s3.create_multipart_upload(Bucket=deployed.bucket, Key="dataset/unfinished")


def left_behind(deployed: Deployed) -> None:
    """A network interface that its service no longer holds; EC2 refuses to delete the subnet with it."""
    subnet = next(place for place in deployed.resources(NETWORK).values() if place.startswith("subnet-"))
    deployed.root.client("ec2").create_network_interface(SubnetId=subnet)


def working(deployed: Deployed) -> str:
    """A job that would go on for an hour, under one of the stage's roles; and a model that was registered."""
    sagemaker, name = deployed.root.client("sagemaker"), "take-away"
    outputs = deployed.outputs(TRAINING)
    container = {"Image": deployed.image, "ModelDataUrl": f"s3://{deployed.bucket}/models/seed"}
    sagemaker.create_model_package(
        ModelPackageGroupName=outputs["ModelGroupName"],
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=deployed.role_arn("PrepareRole"),
        AppSpecification={"ImageUri": outputs["TrainingImage"], "ContainerEntrypoint": ["sleep", "3600"]},
        ProcessingResources={
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
    )
    return name


def test_a_stage_is_not_taken_away_where_nobody_can_be_asked(deployed, ops, capsys):
    assert ops(["destroy", "--stage", "local"]) == 1
    said = capsys.readouterr().err
    assert f"s3://{deployed.bucket} goes, with every version in it" in said
    assert said.endswith("Nobody can be asked here: say `--yes` if this is to be done.\n")
    assert not gone(deployed, API)


def test_a_protected_stage_is_not_taken_away(deployed, ops, capsys):
    cloudformation = deployed.root.client("cloudformation")
    cloudformation.update_termination_protection(StackName=DATA, EnableTerminationProtection=True)
    try:
        assert ops(["destroy", "--stage", "local", "--yes"]) == 1
    finally:
        cloudformation.update_termination_protection(StackName=DATA, EnableTerminationProtection=False)
    assert capsys.readouterr().err == (
        f"{DATA} is protected: set stage.protect = false in config/local.toml, deploy it, then destroy.\n"
    )


def interrupted_at(name):
    whole = Teardown._delete

    def delete(self, stack, remark):
        if stack.name == name:
            raise KeyboardInterrupt
        whole(self, stack, remark)

    return delete


def test_a_stage_is_taken_away_whole_and_what_stays_is_told(deployed, ops, capsys, monkeypatch):
    """The key of the first stack as well, which is gone when an interrupted run is begun again."""
    instances = str(deployed.running.home.instances / deployed.endpoint)
    assert any(instances in command for command in endpoint_processes())
    fill(deployed)
    left_behind(deployed)
    job = working(deployed)
    group, sagemaker = deployed.outputs(TRAINING)["ModelGroupName"], deployed.root.client("sagemaker")
    registered = len(sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"])
    buckets = [resource for name, resource in deployed.resources(DATA).items() if name in ("Bucket", "AccessLog")]
    log, own = deployed.endpoint_log, deployed.key.rsplit("/", 1)[-1]
    keys = [own, deployed.resources(OPERATIONS)["NewsKey"], deployed.resources(WORKBENCH)["NotebookKey"]]

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Teardown, "_delete", interrupted_at(API))
        assert ops(["destroy", "--stage", "local", "--yes"]) == 130
    assert re.search(rf"Stop what trains .*{job}", capsys.readouterr().err)
    stopped = deployed.root.client("sagemaker").describe_processing_job(ProcessingJobName=job)
    assert stopped["ProcessingJobStatus"] == "Stopped"
    assert gone(deployed, OPERATIONS)
    assert ops(["destroy", "--stage", "local", "--yes", "--json"]) == 0

    said = capsys.readouterr()
    assert re.search(r"network interfaces to go .* 1 went", said.err)
    done = json.loads(said.out)
    assert done["stacks"].index(API) < done["stacks"].index(SERVING) < done["stacks"].index(DATA)
    assert (done["objects"] >= 5, done["model_packages"]) == (True, registered)
    assert all(gone(deployed, stack) for stack in (API, SERVING, IMAGE, DATA))
    assert len(buckets) == 2
    assert all(bucket_is_gone(deployed, name) for name in buckets)
    assert not any(instances in command for command in endpoint_processes())
    assert done["log_groups"] == [log]
    assert log not in str(deployed.root.client("logs").describe_log_groups(logGroupNamePrefix=log)["logGroups"])
    told = {left["what"]: left["why"] for left in done["left"]}
    # Which of the logs that all jobs of an account share there are by now, the tests before this one decided.
    shared = {what for what, why in told.items() if why == "shared by all of its kind in the account"}
    assert all(what.startswith("Log group /aws/sagemaker/") for what in shared)
    assert told.keys() - shared == {*(f"Key {key}" for key in keys), "Stack CDKToolkit"}
    assert all("pending deletion" in told[f"Key {key}"] for key in keys)


def test_taken_away_twice_says_that_there_is_nothing(ops, capsys):
    assert ops(["destroy", "--stage", "local", "--yes"]) == 0
    assert "There is nothing of stage local" in capsys.readouterr().err


def test_cdk_refuses_a_bucket_that_holds_objects_and_ops_goes_on_from_there(deployed, ops):
    deployed.deploy(stack=DATA)
    deployed.forget()
    fill(deployed)
    bucket = deployed.bucket
    with pytest.raises(cdk.CdkError):
        deployed.run_cdk("destroy", "--all", "--force")
    assert deployed.stack_status(DATA) == "DELETE_FAILED"

    assert ops(["destroy", "--stage", "local", "--yes"]) == 0
    assert gone(deployed, DATA)
    assert bucket_is_gone(deployed, bucket)


def test_data_that_the_stage_keeps_stays_with_its_price_and_goes_when_that_is_said(deployed, ops, capsys):
    deployed.deploy(deployed.changed(stage__retain_data=True), stack=DATA)
    deployed.forget()
    fill(deployed)
    bucket, key = deployed.bucket, deployed.key.rsplit("/", 1)[-1]

    assert ops(["destroy", "--stage", "local", "--yes"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert gone(deployed, DATA)
    assert deployed.root.client("s3").list_object_versions(Bucket=bucket)["Versions"]
    for told in (bucket, key, "`--also-data`", "0.023 a GB-month"):
        assert told in said

    # No stack tells of it any more.
    assert ops(["destroy", "--stage", "local", "--also-data"]) == 1
    assert f"Bucket {bucket}, which an earlier run left, goes" in capsys.readouterr().err
    assert ops(["destroy", "--stage", "local", "--yes", "--also-data", "--json"]) == 0
    assert bucket_is_gone(deployed, bucket)
    assert deployed.root.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert f"Key {key}" in {left["what"] for left in json.loads(capsys.readouterr().out)["left"]}
    assert ops(["destroy", "--stage", "local", "--yes"]) == 0
    assert "There is nothing of stage local" in capsys.readouterr().err
