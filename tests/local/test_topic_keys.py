"""A topic's KMS key: nobody publishes who may not use it, services by the key's own policy."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.embedded import fresh, statement
from tests.local.listening_queue import ALARMS, BUCKETS, RULES, Listened, publish_by_rule, ring

WRITE, READ = "kms:GenerateDataKey", "kms:Decrypt"
OTHER_ACCOUNT = {"StringEquals": {"aws:SourceAccount": "111111111111"}}
OWN_ACCOUNT = {"StringEquals": {"aws:SourceAccount": "000000000000"}}
OWN_TOPICS = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": "arn:aws:sns:us-east-1:000000000000:*"}}


@pytest.fixture
def listened(embedded):
    return Listened(embedded)


def key_lent(embedded, *services, actions=("kms:GenerateDataKey*", READ), condition=None):
    """A key of the account's own that those services may use too."""
    root = f"arn:aws:iam::{embedded.running.facts.account}:root"
    statements = [statement("kms:*", "*", Principal={"AWS": root})]
    more = {"Condition": condition} if condition else {}
    statements += [statement(list(actions), "*", Principal={"Service": one}, **more) for one in services]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return embedded.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]


LENT = {
    "to alarms of the account": (1, [ALARMS], {"condition": OWN_ACCOUNT}),
    "to alarms of another account": (0, [ALARMS], {"condition": OTHER_ACCOUNT}),
    "to alarms, for writing alone": (0, [ALARMS], {"actions": ["kms:GenerateDataKey*"]}),
    "to rules": (0, [RULES], {}),
}


@pytest.mark.parametrize("lent", LENT)
def test_an_alarm_publishes_where_the_key_is_lent_to_alarms(embedded, listened, lent):
    count, services, more = LENT[lent]
    listened.encrypt(key_lent(embedded, *services, **more))
    ring(embedded, listened.topic)
    assert len(listened.heard()) == count


def test_no_alarm_publishes_under_a_key_that_cannot_be_used(embedded, listened):
    disabled = key_lent(embedded, ALARMS)
    embedded.client("kms").disable_key(KeyId=disabled)
    for key, said in {
        disabled: f"the topic's key {disabled} is disabled",
        "alias/aws/sns": "AWS's own key alias/aws/sns lets no service use it; give the topic a key of your own",
        "alias/nobodys": "its key 'alias/nobodys' does not exist",
    }.items():
        listened.encrypt(key)
        ring(embedded, listened.topic)
        log = embedded.running.home.log.read_text()
        assert any(listened.topic in line and line.endswith(said) for line in log.splitlines()), said
    assert listened.heard() == []


@pytest.mark.parametrize(("count", "condition"), [(1, OWN_TOPICS), (0, OWN_ACCOUNT)])
def test_a_rule_uses_the_key_without_naming_its_account(embedded, listened, count, condition):
    listened.encrypt(key_lent(embedded, RULES, condition=condition))
    publish_by_rule(embedded, listened)
    assert len(listened.heard()) == count


@pytest.mark.parametrize(("count", "service"), [(1, BUCKETS), (0, ALARMS)])
def test_a_bucket_publishes_where_the_key_is_lent_to_buckets(embedded, listened, count, service):
    bucket = embedded.bucket()
    listened.admit(BUCKETS, f"arn:aws:s3:::{bucket}")
    listened.encrypt(key_lent(embedded, service))
    told = {"TopicConfigurations": [{"TopicArn": listened.topic, "Events": ["s3:ObjectCreated:*"]}]}
    embedded.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=told, SkipDestinationValidation=True
    )
    embedded.put(bucket, "key", b"")
    assert sum("ObjectCreated:Put" in one for one in listened.heard()) == count


def using(key, *actions, service="sns"):
    through = {"StringEquals": {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}}
    return statement(list(actions), key, Condition=through)


def publish(embedded, topic, *statements):
    client = embedded.client("sns", embedded.acting(statement("sns:Publish", topic), *statements))
    client.publish(TopicArn=topic, Message="hello")


def test_whoever_publishes_needs_the_key_through_sns(embedded, listened):
    key = key_lent(embedded)
    listened.encrypt(key)
    for lacking, has in (
        (WRITE, using(key, READ)),
        (READ, using(key, WRITE)),
        (WRITE, using(key, WRITE, READ, service="s3")),
    ):
        with pytest.raises(ClientError, match=f"not authorized to perform: {lacking} on resource: {key}") as found:
            publish(embedded, listened.topic, has)
        assert found.value.response["Error"]["Code"] == "KMSAccessDenied"
        assert found.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    publish(embedded, listened.topic, using(key, WRITE, READ))
    assert listened.heard() == ["hello"]


def test_nobody_publishes_under_a_key_that_is_disabled_or_absent(embedded, listened):
    key = key_lent(embedded)
    embedded.client("kms").disable_key(KeyId=key)
    for named, said in ((key, "KMSDisabled.*is disabled"), ("alias/nobodys", "KMSNotFound")):
        listened.encrypt(named)
        with pytest.raises(ClientError, match=said):
            publish(embedded, listened.topic, using(key, WRITE, READ))


def test_awss_own_key_serves_whoever_may_publish(embedded, listened):
    listened.encrypt("alias/aws/sns")
    publish(embedded, listened.topic)
    assert listened.heard() == ["hello"]


def test_a_topics_key_comes_and_goes_with_its_template(embedded):
    cloudformation, stack = embedded.client("cloudformation"), fresh("topic")
    for verb, properties in (("create", {"KmsMasterKeyId": "alias/one"}), ("update", {"DisplayName": "News"})):
        template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": properties}}})
        getattr(cloudformation, f"{verb}_stack")(StackName=stack, TemplateBody=template)
        done = cloudformation.get_waiter(f"stack_{verb}_complete")
        done.wait(StackName=stack, WaiterConfig={"Delay": 1})
        topic = cloudformation.describe_stack_resources(StackName=stack)["StackResources"][0]["PhysicalResourceId"]
        found = embedded.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        assert found.get("KmsMasterKeyId") == properties.get("KmsMasterKeyId")
