"""IAM is told what AWS would tell it."""

import json

import pytest
from botocore.exceptions import ClientError

from local.request_context import alias_action, log_stream_arn, metric_namespace
from tests.embedded import fresh, statement

GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:/a"


def test_call_on_a_stream_names_the_stream():
    assert log_stream_arn(GROUP, "PutLogEvents", b'{"logStreamName": "s"}') == f"{GROUP}:log-stream:s"


def test_call_on_a_group_names_the_group():
    assert log_stream_arn(GROUP, "PutRetentionPolicy", b"{}") == GROUP


@pytest.mark.parametrize(
    ("body", "params"), [(json.dumps({"Namespace": "mine"}).encode(), {}), (b"", {"Namespace": ["mine"]})]
)
def test_metrics_name_their_namespace(body, params):
    assert metric_namespace("cloudwatch:PutMetricData", body, params) == {"cloudwatch:namespace": "mine"}


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/2015-03-31/functions/f/aliases/live", "lambda:GetAlias"),
        ("PUT", "/2015-03-31/functions/f/aliases/live", "lambda:UpdateAlias"),
        ("DELETE", "/2015-03-31/functions/f/aliases/live", "lambda:DeleteAlias"),
        ("GET", "/2015-03-31/functions/f/aliases", None),
        ("POST", "/2015-03-31/functions/f/aliases", None),
    ],
)
def test_call_on_one_alias_is_no_list_of_all(method, path, action):
    assert alias_action(method, path) == action


@pytest.mark.xdist_group(__name__)
def test_policy_on_a_groups_streams_lets_its_events_in(embedded):
    group = fresh("/group")
    embedded.client("logs").create_log_group(logGroupName=group)
    resource = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    client = embedded.client("logs", embedded.acting(statement("logs:CreateLogStream", resource)))
    client.create_log_stream(logGroupName=group, logStreamName="s")


@pytest.mark.xdist_group(__name__)
def test_policy_on_a_namespace_keeps_other_metrics_out(embedded):
    only = {"StringEquals": {"cloudwatch:namespace": "mine"}}
    keys = embedded.acting(statement("cloudwatch:PutMetricData", "*", Condition=only))
    client, data = embedded.client("cloudwatch", keys), [{"MetricName": "m", "Value": 1}]
    client.put_metric_data(Namespace="mine", MetricData=data)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_metric_data(Namespace="another", MetricData=data)


@pytest.mark.xdist_group(__name__)
def test_policy_on_every_group_lists_groups_and_one_on_a_group_does_not(embedded):
    every, one = (f"arn:aws:logs:us-east-1:000000000000:log-group:{name}" for name in ("*", "/mine*"))
    embedded.client("logs", embedded.acting(statement("logs:DescribeLogGroups", every))).describe_log_groups()
    with pytest.raises(ClientError, match="on resource: arn:aws:logs:us-east-1:000000000000:log-group::log-stream:"):
        embedded.client("logs", embedded.acting(statement("logs:DescribeLogGroups", one))).describe_log_groups()
