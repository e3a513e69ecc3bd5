"""Alarms and rules publish to a topic only where its policy lets them."""

import json
import time

import pytest

from tests.embedded import fresh


class Listened:
    """A topic and a queue that hears it."""

    def __init__(self, embedded):
        self.sqs, self.sns = embedded.client("sqs"), embedded.client("sns")
        self.topic = self.sns.create_topic(Name=fresh("topic"))["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=fresh("queue"))["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        take = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [{**take, "Resource": arn}]}
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps(policy)})
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def admit(self, service, source):
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sns:Publish",
            "Resource": self.topic,
            "Condition": {"ArnLike": {"aws:SourceArn": source}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy)

    def heard(self):
        found = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=1).get("Messages", [])
        return [json.loads(message["Body"])["Message"] for message in found]


@pytest.fixture
def listened(embedded):
    return Listened(embedded)


@pytest.mark.parametrize(("source", "count"), [("alarm:*", 1), ("alarm:another", 0)])
def test_an_alarm_publishes_where_it_is_admitted(embedded, listened, source, count):
    account, name, cloudwatch = embedded.running.facts.account, fresh("alarm"), embedded.client("cloudwatch")
    listened.admit("cloudwatch.amazonaws.com", f"arn:aws:cloudwatch:us-east-1:{account}:{source}")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace=fresh("space"),
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
        AlarmActions=[listened.topic],
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    assert len(listened.heard()) == count


@pytest.mark.parametrize("admitted", [True, False])
def test_a_rule_publishes_where_it_is_admitted_with_its_own_words(embedded, listened, admitted):
    events, name = embedded.client("events"), fresh("rule")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": ["test"]}))["RuleArn"]
    listened.admit("events.amazonaws.com", rule if admitted else f"{rule}-not")
    words = {"InputPathsMap": {"who": "$.detail.who"}, "InputTemplate": '"It was <who>."'}
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": listened.topic, "InputTransformer": words}])
    events.put_events(Entries=[{"Source": "test", "DetailType": "test", "Detail": json.dumps({"who": "me"})}])
    deadline, heard = time.monotonic() + 3, []
    while admitted and not heard and time.monotonic() < deadline:
        heard = listened.heard()
    assert [one.strip('"') for one in heard or listened.heard()] == (["It was me."] if admitted else [])
