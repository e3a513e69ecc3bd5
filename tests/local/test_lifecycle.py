"""Lifecycle rules: what is due, by a clock that the test sets, and that a start does it."""

import asyncio
import importlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local import bucket_properties, control, joints, joints_s3, lifecycle
from local.lifecycle_rules import Due, Move, Version, due, moves, upload_is_over
from tests.embedded import APP, Embedded, fresh

BORN = datetime(2026, 1, 1, 10, tzinfo=UTC)
LONG_PAST = datetime(2020, 1, 1, tzinfo=UTC)


def rule(**more):
    return {"Status": "Enabled", "Filter": {}, **more}


def after(days, **more):
    return BORN + timedelta(days=days, **more)


def version(name, day=0, **more):
    return Version(id=name, modified=after(day), **more)


def marker(day=0):
    return version("marker", day, marker=True)


EXPIRES = rule(Expiration={"Days": 2})
NONCURRENT = rule(NoncurrentVersionExpiration={"NoncurrentDays": 2})
TIDIES = rule(Expiration={"ExpiredObjectDeleteMarker": True})


def test_object_expires_at_the_midnight_after_its_days():
    one = [version("a")]
    assert due([EXPIRES], "k", one, datetime(2026, 1, 3, 23, 59, tzinfo=UTC)) == []
    assert due([EXPIRES], "k", one, datetime(2026, 1, 4, tzinfo=UTC)) == [Due(None)]


def test_disabled_rule_does_nothing():
    assert due([{**EXPIRES, "Status": "Disabled"}], "k", [version("a")], after(99)) == []


def test_date_expires_what_is_there_from_then_on():
    by_date = rule(Expiration={"Date": "2026-02-01T00:00:00Z"})
    assert due([by_date], "k", [version("a")], after(30)) == []
    assert due([by_date], "k", [version("a")], after(31)) == [Due(None)]


@pytest.mark.parametrize(
    "chosen",
    [
        {"Prefix": "other/"},
        {"Tag": {"Key": "kind", "Value": "other"}},
        {"ObjectSizeGreaterThan": 10},
        {"ObjectSizeLessThan": 10},
        {"And": {"Prefix": "mine/", "Tags": [{"Key": "kind", "Value": "other"}]}},
    ],
)
def test_rule_leaves_what_its_filter_does_not_choose(chosen):
    one = [version("a", size=10, tags={"kind": "mine"})]
    assert due([{**EXPIRES, "Filter": chosen}], "mine/k", one, after(99)) == []


def test_rule_takes_what_its_filter_chooses():
    chosen = {"And": {"Prefix": "mine/", "Tags": [{"Key": "kind", "Value": "mine"}], "ObjectSizeGreaterThan": 9}}
    one = [version("a", size=10, tags={"kind": "mine"})]
    assert due([{**EXPIRES, "Filter": chosen}], "mine/k", one, after(99)) == [Due(None)]


def test_version_counts_its_days_from_its_successor():
    both = [version("old", 0), version("new", 10)]
    assert due([NONCURRENT], "k", both, after(11)) == []
    assert due([NONCURRENT], "k", both, after(13)) == [Due("old")]


def test_newest_noncurrent_versions_are_kept_where_the_rule_says_so():
    keeps = rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 1})
    three = [version("first"), version("second"), version("third")]
    assert due([keeps], "k", three, after(99)) == [Due("first")]


def test_delete_marker_goes_when_its_versions_are_gone():
    assert due([TIDIES], "k", [marker()], after(0)) == [Due("marker")]
    assert due([TIDIES], "k", [version("a"), marker()], after(99)) == []
    assert due([TIDIES, NONCURRENT], "k", [version("a"), marker()], after(99)) == [Due("a"), Due("marker")]


def test_delete_marker_is_not_expired_again():
    assert due([EXPIRES], "k", [version("a"), marker()], after(99)) == []


def test_upload_that_was_never_finished_is_given_up():
    gives_up = rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}, Filter={"Prefix": "a/"})
    assert not upload_is_over([gives_up], "a/k", BORN, after(7))
    assert upload_is_over([gives_up], "a/k", BORN, after(8))
    assert not upload_is_over([gives_up], "b/k", BORN, after(8))


LARGE = 128 * 1024
CHEAPER = rule(
    Transitions=[{"Days": 1, "StorageClass": "STANDARD_IA"}, {"Days": 5, "StorageClass": "GLACIER"}],
    NoncurrentVersionTransitions=[{"NoncurrentDays": 2, "NewerNoncurrentVersions": 1, "StorageClass": "DEEP_ARCHIVE"}],
)


@pytest.mark.parametrize(
    ("days", "more", "found"),
    [
        (1, {}, []),
        (2, {}, [Move("a", "STANDARD_IA")]),
        (9, {}, [Move("a", "GLACIER")]),
        (9, {"storage_class": "DEEP_ARCHIVE"}, []),
        (2, {"storage_class": "STANDARD_IA"}, []),
        (9, {"size": LARGE - 1}, []),
    ],
)
def test_object_moves_to_a_cheaper_class_and_never_back(days, more, found):
    assert moves([CHEAPER], "k", [version("a", **{"size": LARGE, **more})], after(days)) == found


def test_small_object_moves_where_the_rule_names_a_size():
    sized = {**CHEAPER, "Filter": {"ObjectSizeGreaterThan": 10}}
    assert moves([sized], "k", [version("a", size=11)], after(2)) == [Move("a", "STANDARD_IA")]


def test_noncurrent_version_moves_by_its_successor_and_the_newest_stay():
    three = [version("a", 0, size=LARGE), version("b", 0, size=LARGE), version("c", 8, size=LARGE)]
    assert moves([CHEAPER], "k", three, after(9)) == [Move("a", "DEEP_ARCHIVE")]


def test_date_moves_what_is_there_from_then_on():
    by_date = rule(Transitions=[{"Date": "2026-02-01", "StorageClass": "GLACIER_IR"}])
    assert moves([by_date], "k", [version("a", size=LARGE)], after(30)) == []
    assert moves([by_date], "k", [version("a", size=LARGE)], after(31)) == [Move("a", "GLACIER_IR")]


def test_template_says_the_same_as_a_call():
    found = bucket_properties.lifecycle(
        {
            "Rules": [
                {
                    "Status": "Enabled",
                    "ExpiredObjectDeleteMarker": True,
                    "NoncurrentVersionExpirationInDays": 3,
                    "TagFilters": [{"Key": "k", "Value": "v"}],
                    "Transitions": [{"TransitionInDays": 4, "StorageClass": "GLACIER"}],
                    "NoncurrentVersionTransitions": [{"TransitionInDays": 5, "StorageClass": "GLACIER_IR"}],
                }
            ]
        }
    ).decode()
    assert "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>" in found
    assert "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration>" in found
    assert "<Transition><Days>4</Days><StorageClass>GLACIER</StorageClass></Transition>" in found
    assert "<NoncurrentDays>5</NoncurrentDays><StorageClass>GLACIER_IR</StorageClass>" in found
    assert "<And><Prefix></Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And>" in found


def test_prefix_beside_a_rules_filter_becomes_its_filter():
    document = b"<L><Rule><Prefix>a/</Prefix></Rule><Rule><Filter><Prefix>b/</Prefix></Filter></Rule></L>"
    assert bucket_properties.with_filters(document) == document.replace(
        b"<Prefix>a/</Prefix>", b"<Filter><Prefix>a/</Prefix></Filter>"
    )


@pytest.fixture
def s3():
    """MiniStack's own S3 in this process, whose clock a test can leave behind."""
    with joints.scope("000000000000", "us-east-1"):
        yield importlib.import_module("ministack.services.s3")


def stored(place):
    return {key: [one["marker"] for one in joints_s3.versions_of(place, key)] for key in joints_s3.stored_keys(place)}


def test_pass_by_a_later_clock_does_what_is_due(s3):
    name, now = fresh("bucket"), datetime.now(UTC)
    gives_up = rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7})
    place = joints_s3.LifecycleBucket("000000000000", "us-east-1", name, (NONCURRENT, TIDIES, gives_up))
    s3._create_bucket(name, b"")
    s3._bucket_versioning[name], s3._bucket_lifecycle[name] = "Enabled", list(place.rules)
    for key in ("kept", "kept", "gone"):
        s3._put_object(name, key, b"body", {})
    s3._delete_object(name, "gone")
    s3._create_multipart_upload(name, "upload", {})
    asyncio.run(lifecycle.apply(now + timedelta(days=1)))
    assert stored(place) == {"kept": [False, False], "gone": [False, True]}
    assert len(joints_s3.unfinished_uploads(place)) == 1
    asyncio.run(lifecycle.apply(now + timedelta(days=9)))
    assert stored(place) == {"kept": [False]}
    assert joints_s3.unfinished_uploads(place) == []


@pytest.mark.parametrize("versioning", ["Enabled", None])
def test_pass_moves_an_object_and_an_archived_one_is_not_read(s3, versioning):
    name = fresh("bucket")
    archives = rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])
    s3._create_bucket(name, b"")
    s3._bucket_lifecycle[name] = [archives]
    if versioning:
        s3._bucket_versioning[name] = versioning
    s3._put_object(name, "k", b"x" * LARGE, {})
    asyncio.run(lifecycle.apply(datetime.now(UTC)))
    assert "x-amz-storage-class" not in s3._head_object(name, "k")[1]
    asyncio.run(lifecycle.apply(datetime.now(UTC) + timedelta(days=9)))
    assert s3._head_object(name, "k")[1]["x-amz-storage-class"] == "GLACIER"
    status, _, body = s3._get_object(name, "k", {})
    assert (status, b"InvalidObjectState" in body) == (403, True)


def test_locked_version_outlives_its_rule(s3):
    name = fresh("bucket")
    place = joints_s3.LifecycleBucket("000000000000", "us-east-1", name, (NONCURRENT,))
    s3._create_bucket(name, b"")
    s3._bucket_versioning[name], s3._bucket_lifecycle[name] = "Enabled", [NONCURRENT]
    for _ in range(2):
        s3._put_object(name, "k", b"body", {})
    s3._object_legal_hold[name, "k", joints_s3.versions_of(place, "k")[0]["version_id"]] = "ON"
    asyncio.run(lifecycle.apply(datetime.now(UTC) + timedelta(days=9)))
    assert stored(place) == {"k": [False, False]}


def start(folder):
    return Embedded(control.start(state=folder, port=0, images=APP / "images.toml"))


def keys(embedded, bucket):
    found = embedded.client("s3").list_object_versions(Bucket=bucket)
    return (
        sorted((one["Key"], one["IsLatest"]) for one in found.get("Versions", [])),
        sorted((one["Key"], one["IsLatest"]) for one in found.get("DeleteMarkers", [])),
    )


@pytest.fixture
def aged(tmp_path):
    """A started embedded AWS, and what starts it again."""
    yield start(tmp_path / "aws"), lambda: start(tmp_path / "aws")
    control.stop(tmp_path / "aws")


def log_of_days_ago(embedded, days):
    """A log group with one event of that age, which is told only then to keep them for a day."""
    logs, group = embedded.client("logs"), fresh("group")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    event = {"timestamp": int((time.time() - days * 86400) * 1000), "message": "old"}
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=[event])
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    return group


def test_what_is_old_goes_at_a_start_and_stays_gone(aged, tmp_path):
    before, start_again = aged
    s3 = before.client("s3")
    group = log_of_days_ago(before, 2)
    assert len(before.client("logs").filter_log_events(logGroupName=group)["events"]) == 1
    plain, versioned = before.bucket(), before.bucket()
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})
    for bucket in (plain, versioned):
        for key in ("old/a", "b"):
            before.put(bucket, key, b"body")
        expires = {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"Prefix": "old/"},
            "Expiration": {"Date": LONG_PAST},
        }
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [expires]})

    for _ in range(2):
        control.stop(tmp_path / "aws")
        again = start_again()
        again.put(plain, "b", b"body")
        assert again.client("logs").filter_log_events(logGroupName=group)["events"] == []
        assert keys(again, plain) == ([("b", True)], [])
        assert keys(again, versioned) == ([("b", True), ("old/a", False)], [("old/a", True)])
        with pytest.raises(ClientError, match="NoSuchKey"):
            again.client("s3").get_object(Bucket=versioned, Key="old/a")
    assert "upkeep failed" not in again.running.home.log.read_text()
