"""Subscriptions of topics by e-mail: files that a person can read, after a link that they open."""

import email
import email.policy
import json
import re
import ssl
import time
import urllib.error
import urllib.request

import pytest

from tests.embedded import fresh

pytestmark = pytest.mark.xdist_group("embedded")


def mails(embedded, receiver):
    """To this receiver, oldest first."""
    found = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(embedded.running.home.mail.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    ]
    return [one for one in found if one["To"] == receiver]


def link(mail):
    return re.search(r"https://localhost:\S+", mail.get_content())[0]


def opened(embedded, address):
    trusted = ssl.create_default_context(cafile=embedded.environment["AWS_CA_BUNDLE"])
    return urllib.request.urlopen(address, timeout=10, context=trusted)


def topic_of(embedded):
    return embedded.client("sns").create_topic(Name=fresh("topic"))["TopicArn"]


def test_a_subscription_asks_first_and_then_gets_what_is_published(embedded):
    sns, topic, receiver = embedded.client("sns"), topic_of(embedded), f"{fresh('me')}@example.com"
    made = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=receiver)
    assert made["SubscriptionArn"] == "pending confirmation"
    (kept,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert kept["SubscriptionArn"] == "PendingConfirmation"
    sns.publish(TopicArn=topic, Message="too early")
    (asked,) = mails(embedded, receiver)
    assert (asked["Subject"], asked["From"].split()[0]) == ("AWS Notification - Subscription Confirmation", "AWS")
    assert topic in asked.get_content()
    with pytest.raises(urllib.error.HTTPError):
        opened(embedded, re.sub("Token=.*", "Token=0", link(asked)))
    with opened(embedded, link(asked)) as answer:
        assert answer.status == 200
    sns.publish(TopicArn=topic, Message="Feuer: größer\nand more", Subject="fire\nBcc: x")
    _, told = mails(embedded, receiver)
    assert told["Subject"] == "fire Bcc: x"
    assert told.get_content().startswith("Feuer: größer\nand more\n")
    (kept,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=kept["SubscriptionArn"])
    sns.publish(TopicArn=topic, Message="too late")
    assert len(mails(embedded, receiver)) == 2


def test_an_alarm_reaches_whom_a_template_subscribed(embedded):
    receiver, stack = f"{fresh('me')}@example.com", fresh("stack")
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Mail": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": receiver},
            },
            "Alarm": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "AlarmName": stack,
                    "Namespace": "Test",
                    "MetricName": "M",
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "Threshold": 1,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "AlarmActions": [{"Ref": "Topic"}],
                },
            },
        }
    }
    client = embedded.client("cloudformation")
    client.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    for _ in range(60):
        if mails(embedded, receiver):
            break
        time.sleep(0.05)
    opened(embedded, link(mails(embedded, receiver)[0])).close()
    embedded.client("cloudwatch").set_alarm_state(AlarmName=stack, StateValue="ALARM", StateReason="for a test")
    for _ in range(60):
        if len(mails(embedded, receiver)) == 2:
            break
        time.sleep(0.05)
    told = mails(embedded, receiver)[1]
    assert stack in told["Subject"]
    assert json.loads(told.get_content().split("\n\n--\n")[0])["NewStateValue"] == "ALARM"
    client.delete_stack(StackName=stack)
