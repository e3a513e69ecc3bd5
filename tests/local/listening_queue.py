"""A topic that somebody listens to, and what publishes to it by itself."""

import json

from tests.embedded import fresh

ALARMS, RULES, BUCKETS = "cloudwatch.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com"


class Listened:
    """A topic, a new one unless another is given, and a queue that hears it."""

    def __init__(self, embedded, topic=None):
        self.sqs, self.sns = embedded.client("sqs"), embedded.client("sns")
        self.topic = topic or self.sns.create_topic(Name=fresh("topic"))["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=fresh("queue"))["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        take = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [{**take, "Resource": arn}]}
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps(policy)})
        subscribed = self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self.subscription = subscribed["SubscriptionArn"]

    def leave(self):
        self.sns.unsubscribe(SubscriptionArn=self.subscription)
        self.sqs.delete_queue(QueueUrl=self.queue)

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

    def encrypt(self, key):
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="KmsMasterKeyId", AttributeValue=key)


def ring(embedded, topic):
    """An alarm that tells the topic."""
    name, cloudwatch = fresh("alarm"), embedded.client("cloudwatch")
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
        AlarmActions=[topic],
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")


def publish_by_rule(embedded, listened, admitted=True):
    events, name, source = embedded.client("events"), fresh("rule"), fresh("source")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    listened.admit(RULES, rule if admitted else f"{rule}-not")
    words = {"InputPathsMap": {"who": "$.detail.who"}, "InputTemplate": '"It was <who>."'}
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": listened.topic, "InputTransformer": words}])
    events.put_events(Entries=[{"Source": source, "DetailType": "test", "Detail": json.dumps({"who": "me"})}])
