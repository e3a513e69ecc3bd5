"""The key of a volume: there, enabled, and lent by whoever may lend it; else what would need the volume fails."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, fresh, statement
from tests.local.jobs import ended, processing, training

NOBODYS = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ANOTHER_ACCOUNTS = "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def key(embedded):
    return embedded.client("kms").create_key()["KeyMetadata"]["Arn"]


def lend(key, service="sagemaker"):
    """As a careful policy allows it."""
    through = {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}
    more = {"Bool": {"kms:GrantIsForAWSResource": "true"}, "StringEquals": through}
    return statement("kms:CreateGrant", key, Condition=more)


def create(client, config):
    name = fresh("endpoint")
    client.create_endpoint(EndpointName=name, EndpointConfigName=config)
    return name


def test_endpoint_under_a_key_needs_whoever_makes_it_to_lend_the_key(embedded, key):
    config = embedded.config(embedded.model(), KmsKeyId=key)
    maker = statement("sagemaker:*", "*")
    with pytest.raises(ClientError, match=r"AccessDenied.*not authorized to perform: kms:CreateGrant on resource: .*"):
        create(embedded.client("sagemaker", embedded.acting(maker)), config)
    with pytest.raises(ClientError, match="AccessDenied"):
        create(embedded.client("sagemaker", embedded.acting(maker, lend(key, service="ec2"))), config)
    name = create(embedded.client("sagemaker", embedded.acting(maker, lend(key))), config)
    assert embedded.settled(name)["EndpointStatus"] == "InService"


def test_key_that_lets_nobody_lend_it_is_not_lent(embedded, key):
    mine = {"Sid": "OnlyLook", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Describe*", "Resource": "*"}
    owner = {**mine, "Sid": "Owner", "Principal": {"AWS": "arn:aws:iam::000000000000:user/owner"}, "Action": "kms:*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [mine, owner]})
    embedded.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    config = embedded.config(embedded.model(), KmsKeyId=key)
    with pytest.raises(ClientError, match=r"AccessDenied.*kms:CreateGrant"):
        create(embedded.client("sagemaker", embedded.acting(ALLOW_ALL)), config)


@pytest.mark.parametrize("absent", [NOBODYS, ANOTHER_ACCOUNTS, "alias/nobodys"])
def test_endpoint_under_a_key_that_is_not_there_is_refused(embedded, absent):
    config = embedded.config(embedded.model(), KmsKeyId=absent)
    with pytest.raises(ClientError, match=f"The key of the volume cannot be used: Key '{absent}' does not exist"):
        create(embedded.client("sagemaker"), config)


def test_endpoint_takes_a_key_by_its_alias_and_stays_where_the_key_is_disabled(embedded, key):
    alias = f"alias/{fresh('key')}"
    embedded.client("kms").create_alias(AliasName=alias, TargetKeyId=key)
    name = create(embedded.client("sagemaker"), embedded.config(embedded.model(), KmsKeyId=alias))
    assert embedded.settled(name)["EndpointStatus"] == "InService"
    embedded.client("kms").disable_key(KeyId=key)
    # What runs keeps its volume; another instance gets none.
    more = {"VariantName": "variant-0", "DesiredInstanceCount": 2}
    embedded.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[more]
    )
    assert embedded.settled(name)["FailureReason"] == f"The key of the volume cannot be used: {key} is disabled."
    assert embedded.ask(name)["pid"]
    other = embedded.config(embedded.model(), KmsKeyId=alias)
    with pytest.raises(ClientError, match="is disabled"):
        embedded.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=other)


@pytest.mark.parametrize("lent_by", ["role", "caller", "nobody"])
def test_volume_of_a_job_is_by_leave_of_its_role_else_of_its_maker(embedded, key, lent_by):
    own = statement(["ecr:*", "s3:*"], "*")
    role = embedded.role(own, *([lend(key)] if lent_by == "role" else []))
    maker = [statement(["sagemaker:*", "iam:PassRole"], "*"), *([lend(key)] if lent_by == "caller" else [])]
    bucket = embedded.bucket()
    job = training(
        embedded, "", role=role, keys=embedded.acting(*maker), bucket=bucket, resources={"VolumeKmsKeyId": key}
    )
    found = ended(embedded, job)
    if lent_by == "nobody":
        assert "is not authorized to perform: kms:CreateGrant" in found["FailureReason"]
    else:
        assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]


@pytest.mark.parametrize(
    ("spoil", "said"), [("disable_key", "is disabled"), ("schedule_key_deletion", "is pending deletion")]
)
def test_job_under_a_key_out_of_use_fails_with_the_reason(embedded, key, spoil, said):
    getattr(embedded.client("kms"), spoil)(KeyId=key)
    found = ended(embedded, training(embedded, "", resources={"VolumeKmsKeyId": key}))
    assert found["FailureReason"] == f"ClientError: The key of the volume cannot be used: {key} {said}"


def test_processing_job_under_a_key_that_is_not_there_fails(embedded):
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, "VolumeKmsKeyId": NOBODYS}
    name = processing(embedded, "", ProcessingResources={"ClusterConfig": resources})
    assert f"Key '{NOBODYS}' does not exist" in ended(embedded, name, "processing")["FailureReason"]


def test_notebook_instance_needs_whoever_makes_it_to_lend_its_key(embedded, key):
    given = {"InstanceType": "ml.t3.medium", "RoleArn": embedded.role(ALLOW_ALL), "KmsKeyId": key}
    maker = statement(["sagemaker:*", "iam:PassRole"], "*")
    client = embedded.client("sagemaker", embedded.acting(maker))
    with pytest.raises(ClientError, match=r"AccessDenied.*kms:CreateGrant"):
        client.create_notebook_instance(NotebookInstanceName=fresh("notebook"), **given)
    embedded.client("kms").disable_key(KeyId=key)
    with pytest.raises(ClientError, match="cannot be used: .* is disabled"):
        embedded.client("sagemaker").create_notebook_instance(NotebookInstanceName=fresh("notebook"), **given)
