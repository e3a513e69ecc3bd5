"""The server access log: who is written down, in which words, and whose bucket it may go to."""

import asyncio
import json
import re
import time
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from local import bucket_properties, control, s3_access_log
from local.s3_access_log import AccessLog, destination
from local.s3_operations import operation
from tests.embedded import APP, Embedded, fresh, statement

FIELD = re.compile(r'"[^"]*"|\[[^\]]*\]|\S+')
ACCOUNT = "000000000000"
NAMES = [
    "owner",
    "bucket",
    "time",
    "ip",
    "requester",
    "request_id",
    "operation",
    "key",
    "uri",
    "status",
    "error",
    "sent",
    "size",
    "total",
    "turn_around",
    "referer",
    "agent",
    "version",
    "host_id",
    "signature",
    "cipher",
    "auth",
    "host",
    "tls",
    "access_point",
    "acl",
]
grouped = pytest.mark.xdist_group(__name__)


def letting_in(target, source):
    condition = {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    service = {"Service": "logging.s3.amazonaws.com"}
    allowed = statement("s3:PutObject", f"arn:aws:s3:::{target}/*", Principal=service, Condition=condition)
    only_tls = statement(
        "s3:*", f"arn:aws:s3:::{target}/*", "Deny", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}
    )
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed, only_tls]})


def logged(embedded, policy=letting_in):
    """A bucket, and the one that its log goes to."""
    s3, source, target = embedded.client("s3"), embedded.bucket(), embedded.bucket()
    if policy:
        s3.put_bucket_policy(Bucket=target, Policy=policy(target, source))
    s3.put_bucket_logging(
        Bucket=source,
        BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "log/"}},
    )
    return source, target


def delivered(embedded, target):
    s3 = embedded.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=target).get("Contents", [])]
    texts = [s3.get_object(Bucket=target, Key=key)["Body"].read().decode() for key in keys]
    records = [dict(zip(NAMES, FIELD.findall(line), strict=True)) for text in texts for line in text.splitlines()]
    return keys, records


def records(embedded, target, count):
    for _ in range(150):
        keys, found = delivered(embedded, target)
        if len(found) >= count:
            return keys, found
        time.sleep(0.1)
    raise AssertionError(f"{len(found)} of {count} records came")


@dataclass
class Story:
    """What was asked of several buckets, and the log buckets that nothing came to."""

    source: str
    keys: list[str]
    records: list[dict[str, str]]
    untouched: dict[str, str]


@pytest.fixture(scope="module")
def story(embedded):
    """One delivery serves all tests: a log comes every five seconds."""
    s3 = embedded.client("s3")
    pairs = {
        "has no policy": logged(embedded, None),
        "lets in another's log": logged(embedded, lambda target, _: letting_in(target, "another")),
        "is under a KMS key": logged(embedded),
    }
    key = embedded.client("kms").create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=pairs["is under a KMS key"][1], ServerSideEncryptionConfiguration={"Rules": [rule]})
    for source, _ in pairs.values():
        embedded.put(source, "k", b"")
    source, target = logged(embedded)
    embedded.put(source, "a b", b"12345")
    s3.get_object(Bucket=source, Key="a b")
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("s3", embedded.acting(statement("s3:ListBucket", "*"))).get_object(Bucket=source, Key="k")
    keys, found = records(embedded, target, 3)
    return Story(source, keys, found, {why: other for why, (_, other) in pairs.items()})


@grouped
def test_requests_are_delivered_in_the_documented_format(story):
    assert re.fullmatch(r"log/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", story.keys[0])
    put, get, _ = story.records
    named = ("operation", "bucket", "key", "status", "error", "size")
    assert [put[name] for name in named] == ["REST.PUT.OBJECT", story.source, "a%20b", "200", "-", "5"]
    assert [get[name] for name in ("operation", "sent", "size")] == ["REST.GET.OBJECT", "5", "5"]
    assert get["uri"] == f'"GET /{story.source}/a%20b HTTP/1.1"'
    assert [get[name] for name in ("ip", "signature", "auth", "acl")] == ["127.0.0.1", "SigV4", "AuthHeader", "-"]
    assert get["owner"] == get["requester"]
    assert "Boto3" in get["agent"]


@grouped
def test_refused_caller_is_named_with_the_error(story):
    refused = story.records[2]
    assert (refused["status"], refused["error"]) == ("403", "AccessDenied")
    assert refused["requester"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/role-")


@grouped
@pytest.mark.parametrize("why", ["has no policy", "lets in another's log", "is under a KMS key"])
def test_nothing_is_delivered_to_a_bucket_that(story, embedded, why):
    assert delivered(embedded, story.untouched[why]) == ([], [])


def test_what_a_stop_finds_undelivered_is_there_after_a_start(tmp_path):
    def start():
        return Embedded(control.start(state=tmp_path / "aws", port=0, images=APP / "images.toml"))

    try:
        before = start()
        source, target = logged(before)
        before.put(source, "k", b"")
        control.stop(tmp_path / "aws")
        again = start()
        assert [one["operation"] for one in delivered(again, target)[1]][-1] == "REST.PUT.OBJECT"
        # Its own deliveries are none of anybody's requests.
        assert {one["bucket"] for one in delivered(again, target)[1]} == {source}
    finally:
        control.stop(tmp_path / "aws")


def test_more_than_the_log_holds_is_counted_and_forgotten(monkeypatch, caplog):
    async def application(scope, receive, send):
        """Answers nothing."""

    async def overflow():
        log = AccessLog(application)
        for _ in range(3):
            await log({"type": "http", "path": f"/{bucket}/k", "headers": []}, None, None)
        await log.deliver()

    bucket = fresh("bucket")
    monkeypatch.setattr(s3_access_log, "PENDING_LIMIT", 0)
    monkeypatch.setattr(s3_access_log.joints_s3, "logged_bucket", lambda host, path: bucket)
    asyncio.run(overflow())
    assert "3 requests are not in the access log" in caplog.text


@pytest.mark.parametrize(
    ("method", "has_key", "query", "headers", "name"),
    [
        ("GET", False, {"list-type": ["2"]}, {}, "REST.GET.BUCKET"),
        ("PUT", True, {}, {"x-amz-copy-source": "a/b"}, "REST.COPY.OBJECT"),
        ("PUT", True, {"partNumber": ["1"], "uploadId": ["u"]}, {}, "REST.PUT.PART"),
        ("POST", True, {"uploads": [""]}, {}, "REST.POST.UPLOADS"),
        ("POST", False, {"delete": [""]}, {}, "REST.POST.MULTI_OBJECT_DELETE"),
    ],
)
def test_request_has_the_name_that_s3_gives_it(method, has_key, query, headers, name):
    assert operation(method, has_key, query, headers) == name


def test_template_without_logging_names_no_destination():
    on = bucket_properties.logging({"DestinationBucketName": "logs", "LogFilePrefix": "a&b/"}).decode()
    assert destination(on) == ("logs", "a&b/")
    assert destination(bucket_properties.logging({}).decode()) == ("", "")
