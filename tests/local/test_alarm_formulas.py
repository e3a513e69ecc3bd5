"""Alarms on formulas, and on readings of one unit only, in the embedded AWS."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.embedded import fresh

LATEST_SECONDS = 30


def stat(id, metric, namespace, unit=None):
    found = {"Metric": {"Namespace": namespace, "MetricName": metric}, "Period": 60, "Stat": "Sum"}
    return {"Id": id, "ReturnData": False, "MetricStat": found | ({"Unit": unit} if unit else {})}


def template(namespace, topic=None, formula="IF(requests >= 5, 100 * errors / requests, 0)", **more):
    properties = {
        "Metrics": [
            stat("errors", "Errors", namespace),
            stat("requests", "Requests", namespace),
            {"Id": "share", "Expression": formula, "ReturnData": True},
        ],
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        **({"AlarmActions": [topic]} if topic else {}),
        **more,
    }
    return json.dumps({"Resources": {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}})


def made(embedded, body):
    name, cloudformation = fresh("alarm-stack"), embedded.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=body)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    return cloudformation.describe_stack_resources(StackName=name)["StackResources"][0]["PhysicalResourceId"]


def state(embedded, alarm):
    return embedded.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"]


def publish(embedded, namespace, unit=None, **values):
    """In the minute that is just over, which is the one that is judged."""
    at = time.time() // 60 * 60 - 30
    data = [
        {"MetricName": name, "Value": value, "Timestamp": at, **({"Unit": unit} if unit else {})}
        for name, value in values.items()
    ]
    embedded.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def becomes(embedded, alarm, expected):
    deadline = time.monotonic() + LATEST_SECONDS
    while (found := state(embedded, alarm)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_an_alarm_on_a_formula_rings_and_tells_its_topic(embedded):
    sns, sqs, namespace = embedded.client("sns"), embedded.client("sqs"), fresh("space")
    topic = sns.create_topic(Name=fresh("topic"))["TopicArn"]
    queue = sqs.create_queue(QueueName=fresh("queue"))["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allowed, "Resource": queue_arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    alarm = made(embedded, template(namespace, topic))
    assert state(embedded, alarm) == "OK"
    publish(embedded, namespace, Errors=1, Requests=10)
    becomes(embedded, alarm, "ALARM")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"])["NewStateValue"] == "ALARM"


def test_few_requests_ring_nothing(embedded):
    namespace = fresh("space")
    alarm = made(embedded, template(namespace))
    publish(embedded, namespace, Errors=4, Requests=4)
    assert state(embedded, alarm) == "OK"


def test_a_formula_that_is_not_worked_out_fails_the_deploy_by_name(embedded):
    cloudformation, name = embedded.client("cloudformation"), fresh("alarm-stack")
    cloudformation.create_stack(StackName=name, TemplateBody=template(fresh("space"), formula="SEARCH(errors)"))
    deadline = time.monotonic() + LATEST_SECONDS
    while not (
        said := [
            event["ResourceStatusReason"]
            for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            if "SEARCH" in event.get("ResourceStatusReason", "")
        ]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "is not worked out by the embedded AWS" in said[0]


@pytest.mark.parametrize(("unit", "expected"), [("Milliseconds", "ALARM"), ("Microseconds", "INSUFFICIENT_DATA")])
def test_an_alarm_sees_readings_of_its_own_unit_only(embedded, unit, expected):
    namespace, name, cloudwatch = fresh("space"), fresh("alarm"), embedded.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace=namespace,
        MetricName="Latency",
        Statistic="Maximum",
        Unit=unit,
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    publish(embedded, namespace, unit="Milliseconds", Latency=50)
    becomes(embedded, name, expected)


def test_conditions_on_an_instances_tags_hold(embedded):
    made = embedded.client("ec2").run_instances(
        ImageId="ami-00000000000000000",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "owner", "Value": "us"}]}],
    )
    box = made["Instances"][0]["InstanceId"]

    def stop(owner):
        condition = {"StringEquals": {"aws:ResourceTag/owner": owner}}
        allowed = {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*", "Condition": condition}
        embedded.client("ec2", embedded.acting(allowed)).stop_instances(InstanceIds=[box])

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        stop("them")
    stop("us")
