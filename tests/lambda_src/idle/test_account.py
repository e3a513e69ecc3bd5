"""What AWS is asked and how its answers are read, against botocore's own models."""

from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from lambda_src.idle.account import Account
from tests.lambda_src.idle.stub import NOW, ago, box

TAGS = [{"Name": "tag:project", "Values": ["whippet"]}, {"Name": "tag:stage", "Values": ["test"]}]
KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}


class Stubbed:
    def __init__(self, session):
        self.clients = {name: session.create_client(name, **KEYS) for name in ("ec2", "sagemaker", "cloudwatch", "sns")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.account = Account(**self.clients, project="whippet", stage="test")

    def expect(self, service, operation, answer, **params):
        self.stubs[service].add_response(operation, answer, params)


@pytest.fixture(scope="module")
def session():
    """Reads each API model once."""
    return botocore.session.get_session()


@pytest.fixture
def aws(session):
    made = Stubbed(session)
    yield made
    for stub in made.stubs.values():
        stub.assert_no_pending_responses()


def instance(state, **more):
    return {
        "InstanceId": "i-1",
        "InstanceType": "t3.large",
        "State": {"Name": state},
        "LaunchTime": ago(days=3),
        "BlockDeviceMappings": [{"Ebs": {"VolumeId": "vol-1"}}],
        **more,
    }


def test_boxes_are_asked_for_by_both_tags(aws):
    found = [instance("running"), instance("terminated")]
    aws.expect("ec2", "describe_instances", {"Reservations": [{"Instances": found}]}, Filters=TAGS)
    (only,) = aws.account.boxes()
    assert (only.id, only.running, only.since, only.volumes) == ("i-1", True, ago(days=3), ("vol-1",))


def test_when_a_box_stopped_is_read_out_of_ec2s_words(aws):
    words = "User initiated (2026-11-14 12:00:00 GMT)"
    found = [instance("stopped", StateTransitionReason=words), instance("stopped", StateTransitionReason="")]
    aws.expect("ec2", "describe_instances", {"Reservations": [{"Instances": found}]}, Filters=TAGS)
    said, unsaid = aws.account.boxes()
    assert said.since == datetime(2026, 11, 14, 12, tzinfo=UTC)
    assert unsaid.since == ago(days=3)


def readings(aws, *pairs):
    times, values = [at for at, _ in pairs], [value for _, value in pairs]
    answer = {"MetricDataResults": [{"Id": "reading", "Timestamps": times, "Values": values}]}
    aws.expect("cloudwatch", "get_metric_data", answer, MetricDataQueries=ANY, StartTime=ANY, EndTime=ANY)


def test_the_last_work_is_the_end_of_the_last_busy_reading(aws):
    readings(aws, (ago(hours=1), 2.0), (ago(hours=2), 50.0), (ago(hours=3), 60.0))
    assert aws.account.last_work(box(ago(days=1)), 5.0, NOW) == ago(hours=2) + timedelta(minutes=5)


def test_a_box_that_never_worked_is_idle_since_its_start(aws):
    readings(aws, (ago(hours=1), 2.0))
    assert aws.account.last_work(box(ago(hours=2)), 5.0, NOW) == ago(hours=2)


def test_a_box_without_a_reading_says_nothing(aws):
    readings(aws)
    assert aws.account.last_work(box(ago(hours=2)), 5.0, NOW) is None


def test_a_box_that_was_started_again_did_not_work_before(aws):
    readings(aws, (ago(hours=5), 90.0))
    assert aws.account.last_work(box(ago(minutes=10)), 5.0, NOW) == ago(minutes=10)


def test_notebooks_are_ours_by_their_tags(aws):
    def notebook(name):
        return {
            "NotebookInstanceName": name,
            "NotebookInstanceArn": f"arn:aws:sagemaker:us-east-1:111122223333:notebook-instance/{name}",
            "InstanceType": "ml.t3.medium",
            "LastModifiedTime": ago(hours=1),
        }

    both = {"NotebookInstances": [notebook("ours"), notebook("theirs")]}
    aws.expect("sagemaker", "list_notebook_instances", both, StatusEquals="InService")
    for stage in ("test", "other"):
        tags = [{"Key": "project", "Value": "whippet"}, {"Key": "stage", "Value": stage}]
        aws.expect("sagemaker", "list_tags", {"Tags": tags}, ResourceArn=ANY)
    assert [one.name for one in aws.account.notebooks()] == ["ours"]


def test_stopping_names_one_resource(aws):
    aws.expect("ec2", "stop_instances", {}, InstanceIds=["i-1"])
    aws.account.stop_box(box(NOW))
