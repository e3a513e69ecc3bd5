"""The box and the notebook: who reaches them, what changes them and what replaces them."""

import json
import re
import tarfile

import botocore.session
import pytest

from config.instances import NOTEBOOK_SIZES
from stacks.constructs import notebook_files
from stacks.constructs.training_code import packed
from tests import synth
from tests.stacks import variants
from tests.stacks.permissions.workbench import NOTEBOOK, WORK
from tests.stacks.test_permissions import plain

pytestmark = pytest.mark.xdist_group("synth")
# EC2 takes that many bytes of user data before base64, SageMaker that many characters of a script after it.
USER_DATA_BYTES, LIFECYCLE_CHARACTERS = 16_384, 16_384


def workbench(**changes):
    return variants.rooms(workbench__notebook__enabled=True, **changes)["workbench"]


@pytest.fixture(scope="module")
def both():
    return workbench()


@pytest.fixture(scope="module")
def isolated():
    return workbench(network__isolated=True)


def launch(template):
    return synth.only(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]


def user_data(template):
    return plain(launch(template)["UserData"]["Fn::Base64"])


def test_each_stage_has_what_its_file_says():
    assert set(synth.resources(synth.templates("dev")["workbench"], "AWS::EC2::Instance")) == {"BoxInstance30D13AEC"}
    assert not synth.resources(synth.templates("dev")["workbench"], "AWS::SageMaker::NotebookInstance")
    assert "workbench" not in synth.templates("prod")
    assert len(synth.resources(synth.templates("local")["workbench"], "AWS::SageMaker::NotebookInstance")) == 1


def test_a_notebook_alone_brings_no_box():
    template = workbench(workbench__box__enabled=False)
    assert not [body for body in template["Resources"].values() if body["Type"].startswith("AWS::EC2::")]


def test_ami_is_looked_up_when_a_box_is_launched(both):
    assert launch(both)["ImageId"] == (
        "resolve:ssm:/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04/latest/ami-id"
    )


def test_ami_can_be_pinned():
    assert launch(workbench(workbench__box__ami_id="ami-0123456789abcdef0"))["ImageId"] == "ami-0123456789abcdef0"


def test_root_device_is_called_as_the_system_calls_it():
    other = workbench(workbench__box__ami_type="oss-nvidia-driver-gpu-pytorch-2.10-amazon-linux-2023")
    assert [launch(one)["BlockDeviceMappings"][0]["DeviceName"] for one in (workbench(), other)] == [
        "/dev/sda1",
        "/dev/xvda",
    ]


def test_another_type_or_other_code_launches_no_other_box(both):
    """A new launch template version would: both stand outside it."""
    assert launch(workbench(workbench__box__instance_type="g4dn.xlarge")) == launch(both)
    assert synth.only(both, "AWS::EC2::Instance")["InstanceType"] == "m5.xlarge"
    assert not re.search(r"[0-9a-f]{64}", json.dumps(launch(both)))
    assert re.search(r"s3://.*/[0-9a-f]{64}\.tar\.gz", json.dumps(synth.only(both, "AWS::SSM::Parameter")["Value"]))


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_metadata_takes_a_token_and_goes_one_hop(stage):
    assert launch(synth.templates(stage)["workbench"])["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_disk_is_under_the_stages_key(stage):
    (disk,) = launch(synth.templates(stage)["workbench"])["BlockDeviceMappings"]
    assert plain(disk["Ebs"]) == {
        "VolumeType": "gp3",
        "VolumeSize": 100,
        "Encrypted": True,
        "KmsKeyId": "<data:Key.Arn>",
        "DeleteOnTermination": True,
    }


def test_nobody_calls_into_the_box_and_it_calls_https_only(both):
    (group,) = synth.resources(both, "AWS::EC2::SecurityGroup").values()
    assert "SecurityGroupIngress" not in group["Properties"]
    (rule,) = group["Properties"]["SecurityGroupEgress"]
    assert (rule["CidrIp"], rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("0.0.0.0/0", "tcp", 443, 443)


def test_box_has_no_key_pair(both):
    assert "KeyName" not in json.dumps(both)


def test_box_stands_in_the_public_subnet_or_inside(both, isolated):
    (outside,), (inside,) = launch(both)["NetworkInterfaces"], launch(isolated)["NetworkInterfaces"]
    assert outside["AssociatePublicIpAddress"] is True
    assert "PublicSubnet" in json.dumps(outside["SubnetId"])
    assert inside["AssociatePublicIpAddress"] is False
    assert "IsolatedSubnet1" in json.dumps(inside["SubnetId"])


def test_on_demand_unless_asked_otherwise(both):
    assert "InstanceMarketOptions" not in launch(both)


def test_spot_box_is_stopped_and_not_ended():
    spot = launch(workbench(workbench__box__market="spot"))
    assert spot["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
    }


def test_switching_itself_off_stops_the_box(both):
    assert launch(both)["InstanceInitiatedShutdownBehavior"] == "stop"


def test_scripts_fit(both):
    assert len(user_data(both).encode()) < USER_DATA_BYTES
    lifecycle = synth.only(both, "AWS::SageMaker::NotebookInstanceLifecycleConfig")
    assert len(plain(lifecycle["OnStart"][0]["Content"]["Fn::Base64"]).encode()) * 4 / 3 < LIFECYCLE_CHARACTERS


def test_scripts_have_no_gap_left(both):
    scripts = user_data(both) + json.dumps(synth.only(both, "AWS::SageMaker::NotebookInstanceLifecycleConfig"))
    assert not re.findall(r"@[A-Z_]+@", scripts)


def test_box_is_told_what_it_reads(both):
    settings = json.loads(re.search(r"'SETTINGS'\n(.+)\nSETTINGS", user_data(both))[1])
    assert settings == {
        "bucket": "<data:Bucket>",
        "region": "us-east-1",
        "code_parameter": "<BoxCodeAddress>",
        "folder": "/opt/whippet/work",
        "idle_minutes": 60,
    }


def notebook(template):
    return synth.only(template, "AWS::SageMaker::NotebookInstance")


def test_notebook_has_no_root_and_the_newer_metadata_service(both):
    found = notebook(both)
    assert found["RootAccess"] == "Disabled"
    assert found["InstanceMetadataServiceConfiguration"] == {"MinimumInstanceMetadataServiceVersion": "2"}


def test_notebook_is_under_a_key_of_its_own(both):
    (key,) = synth.resources(both, "AWS::KMS::Key")
    assert notebook(both)["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert synth.only(both, "AWS::KMS::Key")["EnableKeyRotation"] is True


def test_notebooks_key_is_ruled_by_the_account_alone():
    (statement,) = synth.only(synth.templates("local")["workbench"], "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    root = "arn:aws:iam::ACCOUNT:root"
    assert (plain(statement["Principal"]), statement["Action"]) == ({"AWS": root}, "kms:*")


def test_notebook_reaches_the_internet_unless_isolated(both, isolated):
    assert notebook(both)["DirectInternetAccess"] == "Enabled"
    assert not {"SubnetId", "SecurityGroupIds"} & notebook(both).keys()
    assert notebook(isolated)["DirectInternetAccess"] == "Disabled"
    assert "IsolatedSubnet1" in json.dumps(notebook(isolated)["SubnetId"])
    assert len(notebook(isolated)["SecurityGroupIds"]) == 1


def test_notebook_runs_its_lifecycle_configuration():
    template = synth.templates("local")["workbench"]
    (name,) = synth.resources(template, "AWS::SageMaker::NotebookInstanceLifecycleConfig")
    assert notebook(template)["LifecycleConfigName"] == {"Fn::GetAtt": [name, "NotebookInstanceLifecycleConfigName"]}


def test_notebooks_platform_and_types_are_the_apis():
    model = botocore.session.get_session().get_service_model("sagemaker")
    members = model.operation_model("CreateNotebookInstance").input_shape.members
    assert "notebook-al2023-v1" in members["PlatformIdentifier"].documentation
    ours = {f"ml.{family}.{size}" for family, sizes in NOTEBOOK_SIZES.items() for size in sizes.split()}
    assert set(members["InstanceType"].enum) == ours


def started_by_notebook(template):
    """The condition under which the notebook may start a training job."""
    (role,) = [body for name, body in synth.resources(template, "AWS::IAM::Role").items() if "Notebook" in name]
    (policy,) = role["Properties"]["Policies"]
    (found,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == "StartTrainingJob"]
    return plain(found["Condition"])


def test_notebook_starts_jobs_of_the_stages_shape_alone(both, isolated):
    assert started_by_notebook(both)["StringEquals"] == {"sagemaker:VolumeKmsKey": "<data:Key.Arn>"}
    assert "sagemaker:VpcSubnets" not in started_by_notebook(both)["ForAllValues:StringEquals"]
    assert len(started_by_notebook(isolated)["ForAllValues:StringEquals"]["sagemaker:VpcSubnets"]) == 2
    changed = started_by_notebook(workbench(training__instance_type="ml.g5.xlarge", training__encrypt_volume=False))
    assert changed["ForAllValues:StringEquals"]["sagemaker:InstanceTypes"] == ("ml.g5.xlarge",)
    assert "StringEquals" not in changed


def of_notebook_role(template):
    """Its statements' ids."""
    (role,) = [body for name, body in synth.resources(template, "AWS::IAM::Role").items() if "Notebook" in name]
    return {one["Sid"] for one in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]}


def on_start(template):
    lifecycle = synth.only(template, "AWS::SageMaker::NotebookInstanceLifecycleConfig")
    return plain(lifecycle["OnStart"][0]["Content"]["Fn::Base64"])


def test_notebook_that_only_trains_has_no_leave_for_more_and_brings_no_notebook(both):
    trains = workbench(workbench__notebook__rights="train")
    assert of_notebook_role(both) - of_notebook_role(trains) == set(WORK)
    assert of_notebook_role(trains) == set(NOTEBOOK)
    assert re.search(r"notebooks='s3://[^']+\.tar\.gz'", on_start(both))
    assert "notebooks=''" in on_start(trains)


def test_notebook_is_told_its_stage(both):
    assert json.loads(re.search(r"<<<'(.+)'; then", on_start(both))[1]) == {"project": "whippet", "stage": "dev"}


def test_notebook_brings_what_is_committed(tmp_path):
    """The same bytes wherever it is synthesized, and nothing that Jupyter leaves beside them."""
    path = tmp_path / "notebooks.tar.gz"
    path.write_bytes(packed(notebook_files.files()))
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["whippet/operationalize.ipynb", "whippet/requirements-notebook.txt"]
        kept = tar.extractfile("whippet/operationalize.ipynb").read()
    assert kept == (synth.ROOT / "notebooks" / "operationalize.ipynb").read_bytes()


SETTINGS = [
    ("box__instance_type", "c5.2xlarge", "AWS::EC2::Instance", "InstanceType"),
    ("box__volume_gb", 321, "AWS::EC2::LaunchTemplate", "LaunchTemplateData.BlockDeviceMappings.0.Ebs.VolumeSize"),
    ("box__idle_minutes", 47, "AWS::EC2::LaunchTemplate", '"idle_minutes":47}'),
    ("notebook__instance_type", "ml.m5.2xlarge", "AWS::SageMaker::NotebookInstance", "InstanceType"),
    ("notebook__volume_gb", 33, "AWS::SageMaker::NotebookInstance", "VolumeSizeInGB"),
    ("notebook__idle_minutes", 53, "AWS::SageMaker::NotebookInstanceLifecycleConfig", "notebook_idle.py 53"),
]


@pytest.fixture(scope="module")
def changed():
    return workbench(**{f"workbench__{key}": value for key, value, *_ in SETTINGS})


@pytest.mark.parametrize(("key", "value", "kind", "where"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_setting_reaches_its_place(changed, key, value, kind, where):
    properties = synth.only(changed, kind)
    if " " in where or '"' in where:
        assert where in json.dumps(properties).replace('\\"', '"')
        return
    for part in where.split("."):
        properties = properties[int(part) if part.isdigit() else part]
    assert properties == value


def test_warning_names_what_spot_needs():
    assert "aws kms create-grant" in variants.warnings(workbench__box__market="spot")


def test_box_reads_the_weights_that_the_stage_begins_from_and_no_others(both):
    weights = {"key": "weights/resnet50.pth", "sha256": "0" * 64}
    (role,) = [
        one
        for name, one in synth.resources(workbench(training__weights=weights), "AWS::IAM::Role").items()
        if name.startswith("BoxRole")
    ]
    statements = {one["Sid"]: one for one in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]}
    assert plain(statements["ReadWeights"]["Resource"]) == "<data:Bucket.Arn>/weights/resnet50.pth"
    assert "ReadWeights" not in json.dumps(both)
