"""What keeps data safe, in every stage and stack: retention, encryption, and the policies of what is not a role."""

import re
import typing

import pytest

from config import load_stage
from config.sections.section import LogDays
from tests import synth
from tests.stacks.permissions import operations
from tests.stacks.test_permissions import plain

pytestmark = pytest.mark.xdist_group("synth")

# What is kept where the stage file says retain_data; everything else goes with its stack.
STATEFUL = ("AWS::KMS::Key", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::ECR::Repository")
# What guards nothing that anybody would want back, and goes with its stack everywhere.
PASSING = {"NewsKey"}
# Types that always say what becomes of them.
SAYS_SO = (*STATEFUL, "AWS::SQS::Queue", "AWS::Logs::LogGroup", "Custom::ServingImage")
# Property -> where it stands; each is encrypted under the stage's own key.
UNDER_OUR_KEY = {
    "AWS::SageMaker::EndpointConfig": ["KmsKeyId", "DataCaptureConfig.KmsKeyId"],
    "AWS::SageMaker::NotebookInstance": ["KmsKeyId"],
}
PLAIN_HTTP = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
DELIVERY = {
    "Effect": "Allow",
    "Principal": {"Service": "logging.s3.amazonaws.com"},
    "Action": "s3:PutObject",
    "Resource": "<AccessLog.Arn>/*",
    "Condition": {
        "ArnLike": {"aws:SourceArn": "<Bucket.Arn>"},
        "StringEquals": {"aws:SourceAccount": "ACCOUNT"},
    },
}


def told_by_rule(queue, rule):
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": f"<{queue}.Arn>",
        "Condition": {"ArnEquals": {"aws:SourceArn": f"<{rule}.Arn>"}},
    }


# Who may do what by a resource's own policy, beside the account's own roles.
RESOURCE_POLICIES = {
    "training": {
        "IntakeFailuresPolicy": [
            {**PLAIN_HTTP, "Action": "sqs:*", "Resource": "<IntakeFailures.Arn>"},
            *(told_by_rule("IntakeFailures", rule) for rule in ("IntakeManifestArrived", "IntakePictureArrived")),
        ],
        "IntakePicturesPolicy": [
            {**PLAIN_HTTP, "Action": "sqs:*", "Resource": "<IntakePictures.Arn>"},
            # CDK's target asks for the queue's address and attributes as well.
            {
                **told_by_rule("IntakePictures", "IntakePictureArrived"),
                "Action": ("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"),
            },
        ],
    },
    "data": {
        "AccessLogPolicy": [{**PLAIN_HTTP, "Resource": ("<AccessLog.Arn>", "<AccessLog.Arn>/*")}, DELIVERY],
        "BucketPolicy": [{**PLAIN_HTTP, "Resource": ("<Bucket.Arn>", "<Bucket.Arn>/*")}],
    },
    "network": {
        "S3GatewayEndpoint": [
            {
                "Sid": "ThisStage",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"),
                "Resource": "<data:Bucket.Arn>",
            },
            {
                "Sid": "ThisStagesObjects",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": (
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:GetObject",
                    "s3:GetObjectTagging",
                    "s3:ListMultipartUploadParts",
                    "s3:PutObject",
                    "s3:PutObjectTagging",
                ),
                "Resource": "<data:Bucket.Arn>/*",
            },
            {
                "Sid": "FindCode",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1",
            },
            {
                "Sid": "ReadWhatAwsKeeps",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "s3:GetObject",
                "Resource": (
                    "arn:aws:s3:::amazon-ssm-packages-us-east-1/*",
                    "arn:aws:s3:::amazon-ssm-us-east-1/*",
                    "arn:aws:s3:::cdk-hnb659fds-assets-ACCOUNT-us-east-1/*",
                    "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*",
                ),
            },
        ]
    },
}


def every(stage, *kinds):
    return [
        (room, re.sub(r"[0-9A-F]{8}$", "", name), body)
        for room, template in synth.templates(stage).items()
        for name, body in template["Resources"].items()
        if body["Type"] in kinds
    ]


def at(properties, path):
    for part in path.split("."):
        properties = properties.get(part, {})
    return properties


@pytest.mark.parametrize("stage", synth.STAGES)
def test_everything_says_what_becomes_of_it(stage):
    kept = "Retain" if load_stage(stage)[0].stage.retain_data else "Delete"
    for _, name, body in every(stage, *SAYS_SO):
        expected = kept if body["Type"] in STATEFUL and name not in PASSING else "Delete"
        assert (body.get("DeletionPolicy"), body.get("UpdateReplacePolicy")) == (expected, expected), name


@pytest.mark.parametrize("stage", synth.STAGES)
def test_only_types_that_the_list_knows_say_what_becomes_of_them(stage):
    saying = {
        body["Type"]
        for template in synth.templates(stage).values()
        for body in template["Resources"].values()
        if "DeletionPolicy" in body
    }
    assert saying <= set(SAYS_SO)


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_log_forgets(stage):
    for _, name, body in every(stage, "AWS::Logs::LogGroup"):
        assert body["Properties"].get("RetentionInDays") in typing.get_args(LogDays), name


@pytest.mark.parametrize("stage", synth.STAGES)
def test_what_can_be_encrypted_is_under_the_stages_own_key(stage):
    found = every(stage, *UNDER_OUR_KEY)
    assert found
    for _, name, body in found:
        for path in UNDER_OUR_KEY[body["Type"]]:
            assert plain(at(body["Properties"], path)) in {"<data:Key.Arn>", "<Key.Arn>", "<NotebookKey.Arn>"}, (
                name,
                path,
            )


def _without_rules_id(statement):
    return {key: value for key, value in statement.items() if not str(value).startswith("AllowEventRule")}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_resources_admit_whom_the_table_says(stage):
    found = {}
    for room, template in synth.templates(stage).items():
        for name, body in template["Resources"].items():
            document = body["Properties"].get("PolicyDocument") if "Properties" in body else None
            if document and not body["Type"].startswith("AWS::IAM::"):
                # CDK writes the stage into the id of what it adds for a rule.
                statements = [_without_rules_id(plain(one)) for one in document["Statement"]]
                found.setdefault(room, {})[re.sub(r"[0-9A-F]{8}$", "", name)] = statements
    assert found == {**RESOURCE_POLICIES, "operations": operations.resources(stage)}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_buckets_forget_as_the_stage_file_says(stage):
    days = load_stage(stage)[0].data
    rules = {
        name: {rule["Id"]: rule for rule in body["Properties"].get("LifecycleConfiguration", {}).get("Rules", [])}
        for _, name, body in every(stage, "AWS::S3::Bucket")
    }
    assert rules["AccessLog"]["expire"]["ExpirationInDays"] == days.access_log_days
    assert rules["Bucket"]["tidy"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": days.noncurrent_days}
    for name, prefix, kept in (("captures", "capture/", days.capture_days), ("requests", "async/", days.async_days)):
        rule = rules["Bucket"][f"forget-{name}"]
        assert (rule["Prefix"], rule["ExpirationInDays"]) == (prefix, kept)
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_bucket_is_encrypted(stage):
    algorithms = {"AccessLog": "AES256", "Bucket": "aws:kms"}
    for _, name, body in every(stage, "AWS::S3::Bucket"):
        (rule,) = body["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithms[name]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_containers_that_serve_have_no_way_out(stage):
    models = every(stage, "AWS::SageMaker::Model")
    assert models
    for _, name, body in models:
        assert body["Properties"].get("EnableNetworkIsolation") is True, name


def test_unneeded_images_are_dropped():
    for stage in ("dev", "prod"):
        for _, _, body in every(stage, "AWS::ECR::Repository"):
            assert '"countType":"imageCountMoreThan"' in body["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_queues_are_encrypted(stage):
    queues = synth.resources(synth.templates(stage)["training"], "AWS::SQS::Queue")
    assert queues
    for body in queues.values():
        assert body["Properties"]["SqsManagedSseEnabled"] is True
