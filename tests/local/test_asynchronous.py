"""Asynchronous endpoints: 202 at once, the result in S3 later, and a queue that keeps while there is no instance."""

import json
import time
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local import control
from tests.embedded import ALLOW_ALL, APP, Embedded, fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)


def config(embedded, bucket, role=None, **more):
    output = {"S3OutputPath": f"s3://{bucket}/async/output", "S3FailurePath": f"s3://{bucket}/async/failure", **more}
    return embedded.config(
        embedded.model(name="later", role=role),
        AsyncInferenceConfig={
            "OutputConfig": output,
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
        },
    )


def serving(embedded, config_name):
    name = embedded.endpoint(config_name)
    assert embedded.settled(name)["EndpointStatus"] == "InService"
    return name


@pytest.fixture(scope="module")
def bucket(embedded):
    return embedded.bucket()


@pytest.fixture(scope="module")
def endpoint(embedded, bucket):
    return serving(embedded, config(embedded, bucket))


def leave(embedded, endpoint, bucket, body, keys=None, **more):
    location = embedded.put(bucket, f"async/input/{fresh('request')}", json.dumps(body).encode())
    return embedded.client("sagemaker-runtime", keys).invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=location, ContentType="application/json", **more
    )


def arrived(embedded, location):
    place, client = urlsplit(location), embedded.client("s3")
    for _ in range(200):
        try:
            return client.get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read()
        except client.exceptions.NoSuchKey:
            time.sleep(0.05)
    raise AssertionError(f"nothing at {location} within 10 s")


def test_result_arrives_where_the_answer_said(embedded, endpoint, bucket):
    answer = leave(
        embedded, endpoint, bucket, {"breed": "whippet"}, InferenceId="my-own", CustomAttributes="colour=blue"
    )
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["InferenceId"]) == (202, "my-own")
    seen = json.loads(arrived(embedded, answer["OutputLocation"]))
    assert (seen["model"], seen["bytes"]) == ("later", len(json.dumps({"breed": "whippet"})))
    assert seen["headers"]["x-amzn-sagemaker-inference-id"] == "my-own"
    assert seen["headers"]["x-amzn-sagemaker-custom-attributes"] == "colour=blue"
    assert seen["headers"]["content-type"] == "application/json"


def test_error_of_the_model_arrives_as_a_failure(embedded, endpoint, bucket):
    answer = leave(embedded, endpoint, bucket, {"status": 400})
    said = arrived(embedded, answer["FailureLocation"]).decode()
    assert 'Received client error (400) from primary with message "no such breed"' in said


def test_input_that_is_not_there_is_a_failure(embedded, endpoint, bucket):
    answer = embedded.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=f"s3://{bucket}/async/input/nothing"
    )
    assert "could not be read" in arrived(embedded, answer["FailureLocation"]).decode()


def test_requests_wait_while_there_is_no_instance(embedded, bucket):
    endpoint, client = serving(embedded, config(embedded, bucket)), embedded.client("sagemaker")

    def resize(count):
        wanted = [{"VariantName": "variant-0", "DesiredInstanceCount": count}]
        client.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=wanted)
        assert embedded.settled(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == count

    resize(0)
    answers = [leave(embedded, endpoint, bucket, {"number": number}) for number in range(3)]
    time.sleep(0.5)
    with pytest.raises(ClientError, match="NoSuchKey"):
        place = urlsplit(answers[0]["OutputLocation"])
        embedded.client("s3").get_object(Bucket=place.netloc, Key=place.path[1:])
    resize(1)
    assert all(arrived(embedded, answer["OutputLocation"]) for answer in answers)


def test_restart_waits_for_no_instance_and_answers_what_was_left_before_it(tmp_path):
    wanted = {"state": tmp_path / "aws", "port": 0, "images": APP / "images.toml"}
    try:
        before = Embedded(control.start(**wanted))
        bucket = before.bucket()
        endpoint = serving(before, config(before, bucket))
        # They are being answered when the stop comes.
        answers = [leave(before, endpoint, bucket, {"sleep": 1, "number": number}) for number in range(2)]
        control.stop(tmp_path / "aws")
        begun = time.monotonic()
        after = Embedded(control.start(**wanted))
        # A start that waits for the instances, and they for it, ends at 60 s.
        assert time.monotonic() - begun < 30
        assert after.settled(endpoint)["EndpointStatus"] == "InService"
        assert all(arrived(after, answer["OutputLocation"]) for answer in answers)
    finally:
        control.stop(tmp_path / "aws")


@pytest.fixture
def heard(embedded):
    """A topic and what a queue behind it has got."""
    topic = embedded.client("sns").create_topic(Name=fresh("topic"))["TopicArn"]
    sqs = embedded.client("sqs")
    url = sqs.create_queue(QueueName=fresh("queue"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [statement("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"})],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    embedded.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def messages():
        found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", [])
        return [json.loads(json.loads(one["Body"])["Message"]) for one in found]

    return topic, messages


@pytest.mark.parametrize(
    ("body", "kind", "status"), [({}, "SuccessTopic", "Completed"), ({"status": 500}, "ErrorTopic", "Failed")]
)
def test_topic_tells_of_a_result_and_of_a_failure(embedded, bucket, heard, body, kind, status):
    topic, messages = heard
    endpoint = serving(embedded, config(embedded, bucket, NotificationConfig={kind: topic}))
    answer = leave(embedded, endpoint, bucket, body)
    (said,) = messages()
    assert (said["invocationStatus"], said["inferenceId"]) == (status, answer["InferenceId"])
    assert said["requestParameters"]["endpointName"] == endpoint
    where = "outputLocation" if status == "Completed" else "failureLocation"
    assert said["responseParameters"][where] == answer[f"{where[0].upper()}{where[1:]}"]


def test_leaving_a_request_needs_its_own_permission(embedded, endpoint, bucket):
    own = f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/{endpoint}"
    keys = embedded.acting(statement("sagemaker:InvokeEndpoint", own))
    with pytest.raises(ClientError, match="not authorized to perform: sagemaker:InvokeEndpointAsync"):
        leave(embedded, endpoint, bucket, {}, keys)
    keys = embedded.acting(statement("sagemaker:InvokeEndpointAsync", own))
    assert leave(embedded, endpoint, bucket, {}, keys)["OutputLocation"]


def test_hosting_role_reads_inputs_and_writes_results_only_where_it_may(embedded, bucket):
    role = embedded.role(
        statement("s3:GetObject", "*"), statement("s3:PutObject", f"arn:aws:s3:::{bucket}/async/failure/*")
    )
    endpoint = serving(embedded, config(embedded, bucket, role=role))
    said = arrived(embedded, leave(embedded, endpoint, bucket, {})["FailureLocation"]).decode()
    assert "could not be written" in said
    assert "s3:PutObject" in said
    embedded.allow(role, statement("s3:PutObject", f"arn:aws:s3:::{bucket}/async/output/*"))
    assert arrived(embedded, leave(embedded, endpoint, bucket, {})["OutputLocation"])


def test_endpoint_answers_the_way_that_it_was_made_for(embedded, endpoint, bucket):
    with pytest.raises(ClientError, match="use InvokeEndpointAsync"):
        embedded.ask(endpoint)
    always_on = embedded.serving(role=embedded.role(ALLOW_ALL))
    with pytest.raises(ClientError, match="not configured for async inference"):
        leave(embedded, always_on, bucket, {})


def test_description_says_that_it_is_asynchronous(embedded, endpoint):
    found = embedded.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    assert found["AsyncInferenceConfig"]["ClientConfig"]["MaxConcurrentInvocationsPerInstance"] == 2
