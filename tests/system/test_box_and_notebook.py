"""The box and the notebook of the deployed system."""

import base64

import pytest

from tests.system.deployed import WORKBENCH, Deployed

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
    ec2 = deployed.root.client("ec2")
    ec2.stop_instances(InstanceIds=[deployed.training_box])
    assert instance(deployed)["State"]["Name"] == "stopped"
    ec2.start_instances(InstanceIds=[deployed.training_box])
    assert instance(deployed)["State"]["Name"] == "running"


def test_notebook_is_in_service_as_its_template_says(deployed):
    found = deployed.root.client("sagemaker").describe_notebook_instance(
        NotebookInstanceName=deployed.restarted_notebook()
    )
    assert (found["NotebookInstanceStatus"], found["RootAccess"]) == ("InService", "Disabled")
    assert found["PlatformIdentifier"] == "notebook-al2023-v1"
    assert found["NotebookInstanceLifecycleConfigName"]
