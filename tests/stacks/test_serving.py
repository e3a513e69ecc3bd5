"""The endpoint: what stays when it changes, and what moves."""

import json
import re

import pytest

from serving.settings import Settings, read_settings
from tests import synth
from tests.stacks import variants

pytestmark = pytest.mark.xdist_group("synth")
ARTIFACT = f"models/{'ab' * 32}/model.tar.gz"


def serving(stage="dev"):
    return synth.templates(stage)["serving"]


def named(template, start):
    """The properties of the single resource whose logical id is this and a hash."""
    (found,) = [
        body["Properties"]
        for name, body in template["Resources"].items()
        if re.fullmatch(f"{start}([0-9A-F]{{8}})?", name)
    ]
    return found


def hosting_statements(template):
    (policy,) = named(template, "HostingRole")["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


def test_model_data_is_addressed_by_content_and_ends_in_tar_gz():
    url = named(serving("local"), "HostingModel")["PrimaryContainer"]["ModelDataUrl"]
    assert re.fullmatch(r"s3://cdk-hnb659fds-assets-000000000000-us-east-1/[0-9a-f]{64}\.tar\.gz", url)


@pytest.mark.parametrize("model", ["HostingModel", "BatchModel"])
def test_container_has_no_way_out(model):
    assert named(serving(), model)["EnableNetworkIsolation"] is True


def test_batches_run_the_served_model_under_a_role_of_their_own():
    hosted, batch = named(serving(), "HostingModel"), named(serving(), "BatchModel")
    assert hosted["PrimaryContainer"] == batch["PrimaryContainer"]
    assert hosted["ExecutionRoleArn"] != batch["ExecutionRoleArn"]
    assert serving()["Outputs"]["BatchModelName"]["Value"] == {"Fn::GetAtt": ["BatchModel", "ModelName"]}


def test_without_batches_there_is_neither_model_nor_role():
    template = variants.rooms(serving__batch=False)["serving"]
    assert not [name for name in template["Resources"] if name.startswith("Batch")]


def test_starter_model_ships_as_it_is():
    shipped = [asset.read_bytes() for asset in synth.assembly("dev").glob("asset.*.tar.gz")]
    assert (synth.ROOT / "training" / "starter" / "model.tar.gz").read_bytes() in shipped


def test_a_scaled_fleet_survives_an_update_but_weights_and_capture_do_not():
    endpoint = synth.only(serving(), "AWS::SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    kinds = {entry["VariantPropertyType"] for entry in endpoint["ExcludeRetainedVariantProperties"]}
    assert kinds == {"DesiredWeight", "DataCaptureConfig"}


def test_a_fixed_fleet_takes_its_count_from_the_stage_file():
    template = variants.rooms(serving__scaling__enabled=False, serving__instance_count=3)["serving"]
    endpoint = synth.only(template, "AWS::SageMaker::Endpoint")
    (variant,) = synth.only(template, "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    assert endpoint["RetainAllVariantProperties"] is False
    assert "ExcludeRetainedVariantProperties" not in endpoint
    assert variant["InitialInstanceCount"] == 3
    assert not synth.resources(template, "AWS::ApplicationAutoScaling::ScalableTarget")


def test_scaling_follows_the_rate_of_invocations():
    template = serving("prod")
    target = synth.only(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    policy = synth.only(template, "AWS::ApplicationAutoScaling::ScalingPolicy")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "TargetValue": 600,
        "ScaleOutCooldown": 60,
        "ScaleInCooldown": 300,
    }


def test_scaling_waits_for_the_endpoint():
    resource_id = synth.only(serving(), "AWS::ApplicationAutoScaling::ScalableTarget")["ResourceId"]
    assert {"Fn::GetAtt": ["HostingEndpointD164256E", "EndpointName"]} in resource_id["Fn::Join"][1]


def test_captures_go_to_their_prefix_under_the_key():
    capture = synth.only(serving(), "AWS::SageMaker::EndpointConfig")["DataCaptureConfig"]
    assert capture["InitialSamplingPercentage"] == 10
    assert capture["DestinationS3Uri"]["Fn::Join"][1][-1] == "/capture"
    assert "KmsKeyId" in capture


def test_without_capture_the_role_may_write_nothing():
    template = variants.rooms(serving__capture_percent=0)["serving"]
    assert "DataCaptureConfig" not in synth.only(template, "AWS::SageMaker::EndpointConfig")
    assert "WriteCaptures" not in hosting_statements(template)
    assert hosting_statements(template)["UseKey"]["Action"] == "kms:Decrypt"


def test_volume_is_encrypted_unless_the_stage_file_says_otherwise():
    assert "KmsKeyId" in synth.only(serving(), "AWS::SageMaker::EndpointConfig")
    template = variants.rooms(serving__encrypt_volume=False)["serving"]
    assert "KmsKeyId" not in synth.only(template, "AWS::SageMaker::EndpointConfig")


def test_a_promotion_changes_the_model_its_record_and_nothing_else():
    """Neither a name nor a permission: a fleet on the old model can still replace an instance during the update."""
    before, after = serving(), variants.rooms(model__artifact=ARTIFACT, model__version="7")["serving"]
    changed = {name for name in before["Resources"] if before["Resources"][name] != after["Resources"].get(name)}
    assert before["Resources"].keys() == after["Resources"].keys()
    assert changed == {"HostingModelABEBB7E1", "BatchModel", "LiveModelRecordD08C35DF"}
    url = named(after, "HostingModel")["PrimaryContainer"]["ModelDataUrl"]
    assert url["Fn::Join"][1][-1] == f"/{ARTIFACT}"
    assert after["Outputs"]["ModelVersion"]["Value"] == "7"


@pytest.mark.parametrize("model", ["HostingModel", "BatchModel"])
def test_server_accepts_its_environment(model):
    template = variants.rooms(serving__precision="int8", model__artifact=ARTIFACT)["serving"]
    environment = named(template, model)["PrimaryContainer"]["Environment"]
    assert read_settings(environment) == Settings(precision="int8")


def test_another_precision_is_another_model_and_nothing_else():
    before, after = (
        variants.rooms(serving__precision=precision, model__artifact=ARTIFACT)["serving"]["Resources"]
        for precision in ("fp32", "int8")
    )
    assert {name for name in before if before[name] != after.get(name)} == {"HostingModelABEBB7E1", "BatchModel"}


def test_record_of_the_live_model_is_written_after_everything_else():
    template = serving()
    ((name, record),) = [
        (name, body) for name, body in template["Resources"].items() if body["Type"] == "AWS::SSM::Parameter"
    ]
    assert json.loads(record["Properties"]["Value"]) == {"artifact": "starter", "version": "starter"}
    others = {name for name, body in template["Resources"].items() if body["Type"].startswith("AWS::SageMaker::")}
    others |= {name for name, body in template["Resources"].items() if "AutoScaling" in body["Type"]}
    assert others <= set(record["DependsOn"])
    assert template["Outputs"]["LiveModelRecord"]["Value"] == {"Ref": name}


def test_paused_scaling_leaves_the_endpoint_exactly_as_it_was():
    running, paused = serving(), variants.rooms(serving__scaling__paused=True)["serving"]
    gone = {name for name in running["Resources"] if name not in paused["Resources"]}
    assert {running["Resources"][name]["Type"].split("::")[1] for name in gone} == {"ApplicationAutoScaling"}
    for name, body in paused["Resources"].items():
        if body["Type"] != "AWS::SSM::Parameter":
            assert body == running["Resources"][name]
