"""Endpoints are real processes; what their containers do is what the caller sees."""

import io
import json
import os
import re
import signal
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, AWS_IMAGE, fresh

pytestmark = pytest.mark.xdist_group(__name__)


@pytest.fixture(scope="module")
def endpoint(embedded):
    return embedded.serving(name="one")


def test_request_reaches_the_container_as_it_came(embedded, endpoint):
    seen = embedded.ask(endpoint, CustomAttributes="colour=blue", Accept="application/json", InferenceId="7")
    headers = seen["headers"]
    assert headers["content-type"] == headers["accept"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "colour=blue"
    assert headers["x-amzn-sagemaker-inference-id"] == "7"


def test_answer_names_its_variant_and_carries_the_containers_attributes(embedded, endpoint):
    answer = embedded.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=b"\x00\xff", ContentType="image/jpeg", CustomAttributes="colour=blue"
    )
    assert (answer["InvokedProductionVariant"], answer["CustomAttributes"]) == ("variant-0", "colour=blue")
    assert answer["ContentType"] == "application/json"


@pytest.mark.parametrize("status", [400, 429, 500])
def test_error_of_the_model_is_a_model_error_with_the_original(embedded, endpoint, status):
    with pytest.raises(ClientError) as caught:
        embedded.ask(endpoint, {"status": status})
    answer = caught.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (answer["OriginalStatusCode"], answer["OriginalMessage"]) == (status, "no such breed")


def test_unknown_endpoint_is_a_validation_error(embedded):
    with pytest.raises(ClientError, match=r"ValidationError.*Endpoint nowhere of account 000000000000 not found"):
        embedded.ask("nowhere")


def test_too_large_a_body_is_refused(embedded, endpoint):
    with pytest.raises(ClientError) as caught:
        embedded.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=bytes(25 * 2**20 + 1))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_container_sees_its_environment_and_none_of_the_servers(embedded, endpoint):
    seen = embedded.ask(endpoint, {"environment": True})["environment"]
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert seen["AWS_ENDPOINT_URL"] == embedded.running.url
    assert not [name for name in seen if name.startswith(("MINISTACK", "STATE_DIR", "S3_", "AUTH"))]


def test_every_instance_is_a_process_of_its_own(embedded):
    endpoint = embedded.endpoint(embedded.config(embedded.model(), count=2))
    assert embedded.settled(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert len({embedded.ask(endpoint)["pid"] for _ in range(40)}) == 2


def test_target_variant_chooses(embedded):
    endpoint = embedded.endpoint(embedded.config(embedded.model(name="a"), embedded.model(name="b")))
    embedded.settled(endpoint)
    assert {embedded.ask(endpoint, TargetVariant="variant-1")["model"] for _ in range(10)} == {"b"}


def test_changed_capacity_is_a_changed_number_of_processes(embedded):
    endpoint = embedded.serving()
    embedded.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "variant-0", "DesiredInstanceCount": 3}],
    )
    assert embedded.settled(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    assert len({embedded.ask(endpoint)["pid"] for _ in range(60)}) == 3


def test_dead_process_is_replaced(embedded):
    endpoint = embedded.serving()
    before = embedded.ask(endpoint)["pid"]
    os.kill(before, signal.SIGKILL)
    assert answered(embedded, endpoint)["pid"] != before


def test_kill_under_load_is_felt_by_those_on_the_dead_instance_alone(embedded):
    """A request that had reached it is answered 503, since it may have been worked on; every other one gets the other."""
    endpoint = embedded.endpoint(embedded.config(embedded.model(), count=2))
    embedded.settled(endpoint)
    killed = embedded.ask(endpoint)["pid"]
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(embedded.ask, endpoint, {"sleep": 0.3}) for _ in range(4)]
        time.sleep(0.15)
        os.kill(killed, signal.SIGKILL)
        later = [pool.submit(embedded.ask, endpoint) for _ in range(40)]
    caught = [one.exception() for one in waiting if one.exception()]
    assert {one.response["ResponseMetadata"]["HTTPStatusCode"] for one in caught} <= {503}
    assert killed not in {one.result()["pid"] for one in later}
    until_count(embedded, endpoint, 2)


def until_count(embedded, endpoint, count):
    deadline = time.monotonic() + 10
    while len({embedded.ask(endpoint)["pid"] for _ in range(20)}) != count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_container_that_dies_of_a_request_is_a_503_and_comes_back(embedded):
    endpoint = embedded.serving()
    with pytest.raises(ClientError) as caught:
        embedded.ask(endpoint, {"die": True})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert answered(embedded, endpoint)["pid"]


def answered(embedded, endpoint):
    for _ in range(100):
        try:
            return embedded.ask(endpoint)
        except ClientError:
            time.sleep(0.05)
    raise AssertionError("no answer within 5 s")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [({"exit": True}, "ended with exit status 1.*this model cannot be loaded"), ({"unhealthy": True}, "no 200 within")],
)
def test_bad_ping_fails_the_endpoint_with_a_reason(embedded, behaviour, reason):
    variants = [
        {
            "VariantName": "main",
            "ModelName": embedded.model(**behaviour),
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60,
        }
    ]
    found = embedded.settled(embedded.endpoint(embedded.config(variants=variants)))
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert re.search(reason, found["FailureReason"])


def test_unknown_image_fails_like_a_failed_pull(embedded):
    model = embedded.model(image="763104351884.dkr.ecr.us-east-1.amazonaws.com/other:1")
    found = embedded.settled(embedded.endpoint(embedded.config(model)))
    assert "does not exist or could not be pulled" in found["FailureReason"]


def test_failing_update_leaves_the_old_fleet_in_service(embedded):
    endpoint = embedded.serving(name="good")
    before = embedded.ask(endpoint)["pid"]
    bad = embedded.config(embedded.model(exit=True))
    embedded.client("sagemaker").update_endpoint(EndpointName=endpoint, EndpointConfigName=bad)
    found = embedded.settled(endpoint)
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] != bad
    assert embedded.ask(endpoint)["pid"] == before


def test_update_switches_traffic_and_stops_the_old_process(embedded):
    endpoint = embedded.serving(name="old")
    before = embedded.ask(endpoint)["pid"]
    config = embedded.config(embedded.model(name="new"))
    embedded.client("sagemaker").update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    assert embedded.settled(endpoint)["EndpointConfigName"] == config
    assert embedded.ask(endpoint)["model"] == "new"
    assert gone(before)


def gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("excluded", "count"), [([], 2), (["DesiredInstanceCount"], 1)])
def test_retained_properties_keep_a_scaled_out_fleet(embedded, excluded, count):
    endpoint = embedded.endpoint(embedded.config(embedded.model(), count=2))
    embedded.settled(endpoint)
    embedded.client("sagemaker").update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName=embedded.config(embedded.model()),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": kind} for kind in excluded],
    )
    assert embedded.settled(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == count


def test_deleted_endpoint_leaves_no_process(embedded):
    endpoint = embedded.serving()
    pid = embedded.ask(endpoint)["pid"]
    embedded.client("sagemaker").delete_endpoint(EndpointName=endpoint)
    assert gone(pid)


def test_artefact_that_climbs_out_is_refused(embedded):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("../../escaped")
        tar.addfile(member, io.BytesIO())
    name = fresh("model")
    url = embedded.put(embedded.bucket(), "model.tar.gz", buffer.getvalue())
    embedded.client("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=embedded.role(ALLOW_ALL),
        PrimaryContainer={"Image": AWS_IMAGE, "ModelDataUrl": url},
    )
    found = embedded.settled(embedded.endpoint(embedded.config(name)))
    assert "is not a usable tar.gz" in found["FailureReason"]


def captured(embedded, bucket):
    for _ in range(100):
        found = embedded.client("s3").list_objects_v2(Bucket=bucket, Prefix="capture/").get("Contents", [])
        if found:
            body = embedded.client("s3").get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read()
            return found[0]["Key"], [json.loads(line) for line in body.splitlines()]
        time.sleep(0.05)
    raise AssertionError("no capture within 5 s")


def capturing(embedded, bucket, modes, percentage=100):
    return embedded.config(
        embedded.model(role=embedded.role(ALLOW_ALL)),
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": percentage,
            "DestinationS3Uri": f"s3://{bucket}/capture",
            "CaptureOptions": [{"CaptureMode": mode} for mode in modes],
        },
    )


def test_capture_is_written_as_json_lines_under_the_documented_key(embedded):
    bucket = embedded.bucket()
    endpoint = embedded.endpoint(capturing(embedded, bucket, ["Input", "Output"]))
    embedded.settled(endpoint)
    embedded.ask(endpoint, {"breed": "whippet"})
    key, (record,) = captured(embedded, bucket)
    assert key.startswith(f"capture/{endpoint}/variant-0/{time.strftime('%Y/%m/%d/%H', time.gmtime())}")
    assert json.loads(record["captureData"]["endpointInput"]["data"]) == {"breed": "whippet"}
    assert record["captureData"]["endpointOutput"]["encoding"] == "JSON"


def test_capture_takes_only_the_directions_asked_for(embedded):
    bucket = embedded.bucket()
    endpoint = embedded.endpoint(capturing(embedded, bucket, ["Output"]))
    embedded.settled(endpoint)
    embedded.ask(endpoint)
    _, (record,) = captured(embedded, bucket)
    assert set(record["captureData"]) == {"endpointOutput"}


def test_capture_takes_nothing_at_zero_percent(embedded):
    bucket = embedded.bucket()
    endpoint = embedded.endpoint(capturing(embedded, bucket, ["Input"], percentage=0))
    embedded.settled(endpoint)
    embedded.ask(endpoint)
    embedded.client("sagemaker").delete_endpoint(EndpointName=endpoint)
    time.sleep(1.2)
    assert "Contents" not in embedded.client("s3").list_objects_v2(Bucket=bucket)


def test_properties_are_checked_against_the_api_before_they_are_taken(embedded):
    with pytest.raises(ClientError, match=r"InstanceType is 'ml.unheard.of'"):
        embedded.config(
            variants=[
                {
                    "VariantName": "main",
                    "ModelName": embedded.model(),
                    "InstanceType": "ml.unheard.of",
                    "InitialInstanceCount": 1,
                }
            ]
        )


def test_what_would_lose_traffic_is_refused_by_name(embedded):
    shadow = {"VariantName": "shadow", "ModelName": embedded.model(), "InstanceType": "ml.m5.large"}
    with pytest.raises(ClientError, match="ShadowProductionVariants is not available in the embedded AWS"):
        embedded.config(embedded.model(), ShadowProductionVariants=[{**shadow, "InitialInstanceCount": 1}])


def test_model_group_is_created_described_and_deleted(embedded):
    client, name = embedded.client("sagemaker"), fresh("group")
    client.create_model_package_group(ModelPackageGroupName=name, Tags=[{"Key": "a", "Value": "b"}])
    found = client.describe_model_package_group(ModelPackageGroupName=name)
    assert found["ModelPackageGroupStatus"] == "Completed"
    client.delete_model_package_group(ModelPackageGroupName=name)
    with pytest.raises(ClientError, match="Could not find model package group"):
        client.describe_model_package_group(ModelPackageGroupName=name)


def test_variant_under_scaling_cannot_be_removed(embedded):
    endpoint = embedded.serving()
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/variant-0",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    embedded.client("application-autoscaling").register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    other = embedded.config(
        variants=[
            {
                "VariantName": "other",
                "ModelName": embedded.model(),
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ]
    )
    with pytest.raises(ClientError, match="must be deregistered"):
        embedded.client("sagemaker").update_endpoint(EndpointName=endpoint, EndpointConfigName=other)
