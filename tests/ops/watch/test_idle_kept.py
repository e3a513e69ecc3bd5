"""What bills and is used by nobody, though no machine runs: network, storage, keys, logs, alarms."""

from datetime import UTC, datetime, timedelta

import pytest

from ops.stage import Stage
from ops.watch import idle_machines, idle_network, idle_services, idle_storage, idle_watching
from ops.watch.idlers import GIB, Ground
from tests.ops.stubbed import scripted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR_AGO, LONG_AGO = NOW - timedelta(hours=1), NOW - timedelta(days=40)
TAGS = [{"Name": "tag:project", "Values": ["whippet"]}, {"Name": "tag:stage", "Values": ["dev"]}]
OUTPUTS = {"data": {"BucketName": "b"}, "serving": {"EndpointName": "e"}}
SOME_BYTES = {"Datapoints": [{"Timestamp": NOW, "Sum": 1.0}]}
NO_BYTES = {"Datapoints": []}


@pytest.fixture
def script(monkeypatch):
    """What AWS says to stage dev; `script.look(LOOK)` looks, and has asked for all of it."""
    stage, script = scripted(monkeypatch, OUTPUTS)
    held = {"AWS::EC2::VPC": ["vpc-1"], "AWS::ECR::Repository": ["repo"], "AWS::CloudWatch::Alarm": ["a"]}

    def resources(_stage, room, kind=None):
        if kind is None:
            return ["held"]
        return held[kind] if room in {"network", "image", "operations"} else []

    monkeypatch.setattr(Stage, "resources", resources)
    script.look = lambda look: (list(look(Ground(stage, NOW))), script.done())[0]
    return script


def nat(script, made, moved):
    gateway = {"NatGatewayId": "nat-1", "CreateTime": made}
    open_ones = {"Name": "state", "Values": ["available"]}
    for filters in (TAGS, [{"Name": "vpc-id", "Values": ["vpc-1"]}]):
        asked = {"Filter": [*filters, open_ones]}
        script.says("ec2", "describe_nat_gateways", {"NatGateways": [gateway]}, asked)
    if made == LONG_AGO:
        script.says("cloudwatch", "get_metric_statistics", moved)
    return script.look(idle_network.nat_gateways)


def test_a_nat_gateway_of_ours_or_in_our_network_is_told_once_and_priced(script):
    (found,) = nat(script, LONG_AGO, NO_BYTES)
    assert (found.name, found.usd_an_hour, found.stop) == ("nat-1", 0.045, None)
    assert (found.idle_for, found.sign) == (
        "nothing went through it for 7 days",
        "BytesOutToDestination of AWS/NATGateway",
    )
    assert found.remedy == "aws ec2 delete-nat-gateway --nat-gateway-id nat-1"
    assert nat(script, LONG_AGO, SOME_BYTES) == []
    assert nat(script, HOUR_AGO, NO_BYTES) == []


def test_an_address_that_nothing_has_is_told_and_one_in_use_is_not(script):
    free = {"AllocationId": "eipalloc-1", "PublicIp": "192.0.2.1"}
    used = {"AllocationId": "eipalloc-2", "PublicIp": "192.0.2.2", "AssociationId": "x"}
    script.says("ec2", "describe_addresses", {"Addresses": [free, used]}, {"Filters": TAGS})
    (found,) = script.look(idle_network.addresses)
    assert (found.name, found.usd_an_hour) == ("eipalloc-1", 0.005)


def ways(script, moved, made=LONG_AGO):
    endpoint = {
        "VpcEndpointId": "vpce-1",
        "ServiceName": "com.amazonaws.us-east-1.ecr.api",
        "VpcId": "vpc-1",
        "SubnetIds": ["a", "b"],
        "CreationTimestamp": made,
    }
    script.says("ec2", "describe_vpc_endpoints", {"VpcEndpoints": [endpoint]})
    if made == LONG_AGO:
        script.says("cloudwatch", "get_metric_statistics", moved)
    return script.look(idle_network.interface_endpoints)


def test_an_interface_endpoint_without_traffic_bills_by_zone(script):
    (found,) = ways(script, NO_BYTES)
    assert (found.what, found.name) == ("interface endpoint of ecr.api", "vpce-1, 2 zones")
    assert found.usd_an_hour == pytest.approx(0.02)
    assert ways(script, SOME_BYTES) == []
    assert ways(script, NO_BYTES, made=HOUR_AGO) == []


def test_a_snapshot_is_unpriced_since_nothing_tells_what_it_is_billed_for(script):
    made = {"SnapshotId": "snap-1", "VolumeSize": 120, "StartTime": LONG_AGO}
    script.says("ec2", "describe_snapshots", {"Snapshots": [made]}, {"OwnerIds": ["self"], "Filters": TAGS})
    (found,) = script.look(idle_machines.snapshots)
    assert (found.what, found.idle_for, found.usd_an_hour) == ("snapshot, 120 GiB at most", "40 days old", None)


def test_a_stopped_notebook_still_pays_for_its_volume(script):
    arn = "arn:aws:sagemaker:us-east-1:111122223333:notebook-instance/n"
    listed = {"NotebookInstanceName": "n", "NotebookInstanceArn": arn, "LastModifiedTime": LONG_AGO}
    script.says("sagemaker", "list_notebook_instances", {"NotebookInstances": [listed]}, {"StatusEquals": "Stopped"})
    tags = [{"Key": "project", "Value": "whippet"}, {"Key": "stage", "Value": "dev"}]
    script.says("sagemaker", "list_tags", {"Tags": tags})
    script.says("sagemaker", "describe_notebook_instance", {"VolumeSizeInGB": 20})
    (found,) = script.look(idle_services.notebook_volumes)
    assert (found.what, found.idle_for) == ("volume of a stopped notebook, 20 GiB", "40 days since its stop")


def image(digest, **more):
    return {"imageDigest": digest, "imageSizeInBytes": 2 * GIB, "imagePushedAt": LONG_AGO, **more}


def test_images_that_nobody_pulls_are_told_but_not_the_one_that_is_served(script):
    arn, made = "arn:aws:sagemaker:us-east-1:111122223333:x/xxxxxxxxx", {"CreationTime": LONG_AGO}
    endpoint = {"EndpointName": "e", "EndpointArn": arn, "EndpointConfigName": "c", "EndpointStatus": "InService"}
    script.says("sagemaker", "describe_endpoint", {**endpoint, **made, "LastModifiedTime": LONG_AGO})
    config = {
        "EndpointConfigName": "c",
        "EndpointConfigArn": arn,
        "ProductionVariants": [{"VariantName": "v", "ModelName": "m"}],
    }
    script.says("sagemaker", "describe_endpoint_config", {**config, **made})
    model = {"ModelName": "m", "ModelArn": arn, "PrimaryContainer": {"Image": "1.dkr.ecr.x.amazonaws.com/r:served"}}
    script.says("sagemaker", "describe_model", {**model, **made})
    kept = [
        image("sha256:1"),
        image("sha256:2", imageTags=["served"]),
        image("sha256:3", lastRecordedPullTime=HOUR_AGO),
        image("sha256:4", imagePushedAt=HOUR_AGO),
    ]
    script.says("ecr", "describe_images", {"imageDetails": kept})
    (found,) = script.look(idle_storage.images)
    assert (found.what, found.idle_for) == ("1 images", "no pull for 30 days")
    assert found.usd_an_hour == pytest.approx(2 * 0.10 / 730)


def uploads(script, size, begun=LONG_AGO):
    script.says("s3", "list_multipart_uploads", {"Uploads": [{"Key": "k", "UploadId": "u", "Initiated": begun}]})
    if begun == LONG_AGO:
        script.says("s3", "list_parts", {"Parts": [{"Size": size}, {"Size": size}]})
    return script.look(idle_storage.unfinished_uploads)


def test_halves_of_uploads_are_told_where_they_cost_something(script):
    (found,) = uploads(script, 5 * GIB)
    assert (found.what, found.name) == ("1 unfinished uploads", "b")
    assert found.usd_an_hour == pytest.approx(10 * 0.023 / 730)
    assert uploads(script, 1000) == []
    assert uploads(script, 5 * GIB, begun=HOUR_AGO) == []


def test_replaced_versions_are_told_where_they_cost_something(script):
    for size, count in ((3 * GIB, 1), (1000, 0)):
        versions = [{"Key": "k", "Size": size, "IsLatest": False}, {"Key": "k", "Size": 99 * GIB, "IsLatest": True}]
        script.says("s3", "list_object_versions", {"Versions": versions})
        found = script.look(idle_storage.replaced_versions)
        assert [one.usd_an_hour for one in found] == [pytest.approx(3 * 0.023 / 730)] * count


def tagged(script, *arns):
    found = [{"ResourceARN": arn} for arn in arns]
    script.says("resourcegroupstaggingapi", "get_resources", {"ResourceTagMappingList": found})


def test_what_a_destroyed_stage_left_is_told_and_what_a_stack_holds_is_not(script):
    key = "arn:aws:kms:us-east-1:111122223333:key/"
    tagged(
        script, f"{key}held", f"{key}left", f"{key}going", "arn:aws:s3:::old", "arn:aws:ecr:us-east-1:1:repository/o/r"
    )
    for name, state in (("left", "Enabled"), ("going", "PendingDeletion")):
        script.says("kms", "describe_key", {"KeyMetadata": {"KeyId": name, "KeyState": state}}, {"KeyId": name})
    sizes = [{"Timestamp": NOW - timedelta(days=day), "Average": 10.0 * GIB / day} for day in (1, 2)]
    script.says("cloudwatch", "get_metric_statistics", {"Datapoints": sizes})
    script.says("ecr", "describe_images", {"imageDetails": [{"imageSizeInBytes": GIB}]}, {"repositoryName": "o/r"})
    found = {one.name: one for one in script.look(idle_storage.left_behind)}
    assert found.keys() == {"left", "old", "o/r"}
    assert found["left"].usd_an_hour == pytest.approx(1 / 730)
    assert found["old"].usd_an_hour == pytest.approx(10 * 0.023 / 730)
    assert found["o/r"].usd_an_hour == pytest.approx(0.10 / 730)


def test_a_bucket_that_nothing_is_known_of_is_unpriced(script):
    tagged(script, "arn:aws:s3:::old")
    script.says("cloudwatch", "get_metric_statistics", {"Datapoints": []})
    (found,) = script.look(idle_storage.left_behind)
    assert (found.what, found.usd_an_hour) == ("bucket", None)


def test_the_endpoints_log_is_told_while_nothing_in_it_is_ever_forgotten(script):
    name = "/aws/sagemaker/Endpoints/e"
    others = [{"logGroupName": f"{name}-other", "storedBytes": 50 * GIB}]
    for group, count in (
        ({"storedBytes": 50 * GIB}, 1),
        ({"storedBytes": 50 * GIB, "retentionInDays": 30}, 0),
        ({}, 0),
    ):
        script.says("logs", "describe_log_groups", {"logGroups": [{"logGroupName": name, **group}, *others]})
        found = script.look(idle_watching.endless_logs)
        assert [one.usd_an_hour for one in found] == [pytest.approx(50 * 0.03 / 730)] * count


def test_an_alarm_with_nothing_to_judge_for_a_week_is_told(script):
    for since, count in ((LONG_AGO, 1), (HOUR_AGO, 0)):
        alarm = {"AlarmName": "a", "StateUpdatedTimestamp": since}
        asked = {"AlarmNames": ["a"], "StateValue": "INSUFFICIENT_DATA"}
        script.says("cloudwatch", "describe_alarms", {"MetricAlarms": [alarm]}, asked)
        found = script.look(idle_watching.silent_alarms)
        assert [(one.name, one.usd_an_hour) for one in found] == [("a", pytest.approx(0.10 / 730))] * count
