"""What must not be lost, and who may read it."""

import pytest

from tests import synth

pytestmark = pytest.mark.xdist_group("synth")
# A retained bucket without its policy would take plain http and lose its log.
STATEFUL = ("AWS::KMS::Key", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::ECR::Repository")
# Changing one of these loses what it names: CloudFormation would make another resource, empty.
PINNED = {
    "Key961B73FD": "AWS::KMS::Key",
    "AccessLogD598EBE9": "AWS::S3::Bucket",
    "Bucket83908E77": "AWS::S3::Bucket",
    "ModelGroup": "AWS::SageMaker::ModelPackageGroup",
}


def stateful(stage):
    return [
        body
        for room, template in synth.templates(stage).items()
        if room != "operations"  # it holds nothing but news, and its key nothing else
        for kind in STATEFUL
        for body in synth.resources(template, kind).values()
    ]


def data_bucket(stage):
    return synth.resources(synth.templates(stage)["data"])["Bucket83908E77"]["Properties"]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_stages_on_aws_retain_what_holds_data(stage):
    for body in stateful(stage):
        assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_a_rehearsal_leaves_nothing_behind():
    for body in stateful("local"):
        assert body["DeletionPolicy"] == "Delete"


def test_only_prod_is_protected_from_deletion():
    protected = {}
    for stage in synth.STAGES:
        manifest = synth.json.loads((synth.assembly(stage) / "manifest.json").read_text())
        artifacts = manifest["artifacts"].items()
        protected[stage] = [name for name, body in artifacts if body.get("properties", {}).get("terminationProtection")]
    assert protected == {"local": [], "dev": [], "prod": ["whippet-prod-data"]}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_logical_ids_of_stateful_resources_stay(stage):
    found = synth.resources(synth.templates(stage)["data"])
    assert {name: found[name]["Type"] for name in PINNED} == PINNED


@pytest.mark.parametrize("stage", synth.STAGES)
def test_buckets_are_private(stage):
    for body in synth.resources(synth.templates(stage)["data"], "AWS::S3::Bucket").values():
        assert body["Properties"]["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }


@pytest.mark.parametrize("stage", synth.STAGES)
def test_bucket_is_encrypted_under_its_own_key(stage):
    (rule,) = data_bucket(stage)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": ["Key961B73FD", "Arn"]},
    }


@pytest.mark.parametrize("stage", synth.STAGES)
def test_bucket_keeps_versions_and_logs_access(stage):
    bucket = data_bucket(stage)
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["LoggingConfiguration"] == {"DestinationBucketName": {"Ref": "AccessLogD598EBE9"}}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_bucket_tells_eventbridge_of_new_objects(stage):
    notifications = data_bucket(stage)["NotificationConfiguration"]
    assert notifications == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_captures_are_gone_a_day_after_they_expire():
    rules = {rule["Id"]: rule for rule in data_bucket("prod")["LifecycleConfiguration"]["Rules"]}
    assert rules["forget-captures"] == {
        "Id": "forget-captures",
        "Status": "Enabled",
        "Prefix": "capture/",
        "ExpirationInDays": 30,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }


@pytest.mark.parametrize("stage", synth.STAGES)
def test_uploads_for_predictions_are_gone_after_a_day(stage):
    rules = {rule["Id"]: rule for rule in data_bucket(stage)["LifecycleConfiguration"]["Rules"]}
    assert rules["forget-uploads"] == {
        "Id": "forget-uploads",
        "Status": "Enabled",
        "Prefix": "uploads/",
        "ExpirationInDays": 1,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }


def test_old_versions_and_unfinished_uploads_are_tidied_away():
    rules = {rule["Id"]: rule for rule in data_bucket("prod")["LifecycleConfiguration"]["Rules"]}
    assert rules["tidy"] == {
        "Id": "tidy",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
        "ExpiredObjectDeleteMarker": True,
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }


def test_access_log_is_encrypted_and_expires():
    log = synth.resources(synth.templates("prod")["data"])["AccessLogD598EBE9"]["Properties"]
    (encryption,) = log["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (rule,) = log["LifecycleConfiguration"]["Rules"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert rule["ExpirationInDays"] == 365


@pytest.mark.parametrize("stage", synth.STAGES)
def test_objects_belong_to_the_bucket_whoever_wrote_them(stage):
    for body in synth.resources(synth.templates(stage)["data"], "AWS::S3::Bucket").values():
        assert body["Properties"]["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_key_rotates(stage):
    assert synth.only(synth.templates(stage)["data"], "AWS::KMS::Key")["EnableKeyRotation"] is True
