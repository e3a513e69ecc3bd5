"""CloudTrail: calls are on record, and in the bucket of a trail that may write there."""

import gzip
import hashlib
import json
import time
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from local.clock import Clock
from local.cloudtrail import call_names, delivery, events, selection
from local.cloudtrail.digest import Digests
from local.joints_cloudtrail import Trail
from local.records import Scope
from tests.embedded import fresh, statement

pytestmark = pytest.mark.xdist_group("scaling")
SERVICE = "cloudtrail.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "iam", "named"),
    [
        ("GET", "/", {}, {}, "ListAllMyBuckets", ("ListBuckets", False)),
        ("GET", "/bucket", {"list-type": ["2"]}, {}, "ListBucket", ("ListObjects", True)),
        ("PUT", "/bucket", {}, {}, "CreateBucket", ("CreateBucket", False)),
        ("GET", "/bucket", {"policy": [""]}, {}, "GetBucketPolicy", ("GetBucketPolicy", False)),
        ("POST", "/bucket", {"delete": [""]}, {}, "DeleteObject", ("DeleteObjects", True)),
        ("GET", "/bucket/a/b", {}, {}, "GetObject", ("GetObject", True)),
        ("HEAD", "/bucket/a", {}, {}, "GetObject", ("HeadObject", True)),
        ("PUT", "/bucket/a", {"tagging": [""]}, {}, "PutObjectTagging", ("PutObjectTagging", True)),
        ("PUT", "/bucket/a", {}, {"x-amz-copy-source": "b/c"}, "PutObject", ("CopyObject", True)),
        ("PUT", "/bucket/a", {"uploadId": ["1"]}, {}, "PutObject", ("UploadPart", True)),
        ("POST", "/bucket/a", {"uploads": [""]}, {}, "PutObject", ("CreateMultipartUpload", True)),
    ],
)
def test_requests_to_s3_have_their_operations_names(method, path, query, headers, iam, named):
    assert call_names.s3_event(method, path, query, headers, iam) == named


def recorded(name="GetObject", data=False, reads=True, source="s3.amazonaws.com", region="us-east-1"):
    record = {"eventName": name, "eventSource": source, "awsRegion": region, "readOnly": reads}
    return events.Event(record, 0.0, data, "arn:aws:s3:::watched/key")


TRAIL = {"IsLogging": True, "HomeRegion": "us-east-1"}
OBJECTS = [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::watched/"]}]


@pytest.mark.parametrize(
    ("event", "trail", "selector", "expected"),
    [
        (recorded(), TRAIL, {}, True),
        (recorded(), {**TRAIL, "IsLogging": False}, {}, False),
        (recorded(), TRAIL, {"IncludeManagementEvents": False}, False),
        (recorded(), TRAIL, {"ReadWriteType": "WriteOnly"}, False),
        (recorded(reads=False), TRAIL, {"ReadWriteType": "WriteOnly"}, True),
        (recorded(), TRAIL, {"ExcludeManagementEventSources": ["s3.amazonaws.com"]}, False),
        (recorded(region="eu-west-1"), TRAIL, {}, False),
        (recorded(region="eu-west-1"), {**TRAIL, "IsMultiRegionTrail": True}, {}, True),
        (recorded(region="eu-west-1", source="iam.amazonaws.com"), TRAIL, {}, True),
        (recorded(source="iam.amazonaws.com"), {**TRAIL, "IncludeGlobalServiceEvents": False}, {}, False),
        (recorded(data=True), TRAIL, {}, False),
        (recorded(data=True), TRAIL, {"DataResources": OBJECTS}, True),
        (
            recorded(data=True),
            TRAIL,
            {"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::other/"]}]},
            False,
        ),
    ],
)
def test_a_trail_has_what_its_selectors_say(event, trail, selector, expected):
    assert selection.wanted(event, trail, [selector]) is expected


@pytest.mark.parametrize("hidden", ["Password", "SecretString", "Plaintext", "UserData", "WebIdentityToken"])
def test_a_secret_is_on_no_record(hidden):
    assert events._without_secrets({"a": [{hidden: "x"}], "Name": "n"}) == {"a": [{hidden: events.HIDDEN}], "Name": "n"}


class Place:
    """A bucket with a watched one beside it, and a stack with a trail between them."""

    def __init__(self, embedded):
        self.embedded, self.name, self.stack = embedded, fresh("trail"), fresh("stack")
        self.bucket, self.watched = embedded.bucket(), embedded.bucket()
        self.cloudformation = embedded.client("cloudformation")
        self.account = embedded.running.facts.account
        self.arn = f"arn:aws:cloudtrail:us-east-1:{self.account}:trail/{self.name}"

    def admit(self, source=None, acl="bucket-owner-full-control"):
        where = {"StringEquals": {"aws:SourceArn": source or self.arn}}
        written = {"StringEquals": {**where["StringEquals"], "s3:x-amz-acl": acl}}
        arn, who = f"arn:aws:s3:::{self.bucket}", {"Principal": {"Service": SERVICE}}
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                statement("s3:GetBucketAcl", arn, Condition=where, **who),
                statement("s3:PutObject", f"{arn}/AWSLogs/{self.account}/*", Condition=written, **who),
            ],
        }
        self.embedded.client("s3").put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))
        return self

    def template(self, **more):
        properties = {
            "TrailName": self.name,
            "S3BucketName": self.bucket,
            "IsLogging": True,
            "EnableLogFileValidation": True,
            "EventSelectors": [
                {
                    "IncludeManagementEvents": True,
                    "ReadWriteType": "All",
                    "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{self.watched}/"]}],
                }
            ],
            **more,
        }
        return json.dumps({"Resources": {"Trail": {"Type": "AWS::CloudTrail::Trail", "Properties": properties}}})

    def create(self, **more):
        self.cloudformation.create_stack(
            StackName=self.stack, TemplateBody=self.template(**more), OnFailure="DO_NOTHING"
        )
        return self.settled()

    def update(self, **more):
        self.cloudformation.update_stack(StackName=self.stack, TemplateBody=self.template(**more))
        return self.settled()

    def settled(self):
        while (status := self.status()).endswith("_IN_PROGRESS"):
            time.sleep(0.02)
        return status

    def status(self):
        return self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]["StackStatus"]

    def reason(self):
        found = self.cloudformation.describe_stack_events(StackName=self.stack)["StackEvents"]
        return next(one["ResourceStatusReason"] for one in found if one["ResourceStatus"].endswith("_FAILED"))

    def files(self, kind="CloudTrail"):
        s3 = self.embedded.client("s3")
        prefix = f"AWSLogs/{self.account}/{kind}/us-east-1/{datetime.now(UTC):%Y/%m/%d}/"
        found = s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {one["Key"]: s3.get_object(Bucket=self.bucket, Key=one["Key"]) for one in found}

    def records(self, *names):
        """Once each of these events was delivered."""
        found = {}
        for _ in range(300):
            for key, one in self.files().items():
                body = one["Body"].read()
                found[key] = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)["Records"]
            every = [record for records in found.values() for record in records]
            if set(names) <= {record["eventName"] for record in every}:
                return every
            time.sleep(0.1)
        raise AssertionError({record["eventName"] for record in every})


@pytest.fixture(scope="module")
def place(fast):
    place = Place(fast).admit()
    assert place.create() == "CREATE_COMPLETE", place.reason()
    yield place
    place.cloudformation.delete_stack(StackName=place.stack)
    for _ in range(100):
        if place.arn not in [one["TrailARN"] for one in fast.client("cloudtrail").list_trails()["Trails"]]:
            return
        time.sleep(0.05)
    raise AssertionError("the trail outlived its stack")


def test_a_trail_has_calls_of_management_and_of_the_data_that_it_watches(fast, place):
    fast.put(place.watched, "seen", b"x")
    fast.put(place.bucket, "unseen", b"x")
    topic = fresh("topic")
    nobody = fast.acting(statement("s3:GetObject", "*"))
    with pytest.raises(ClientError, match="AuthorizationError|AccessDenied"):
        fast.client("sns", nobody).create_topic(Name=topic)
    every = place.records("PutObject", "CreateTopic")
    (put,) = [one for one in every if one["eventName"] == "PutObject"]
    assert put["requestParameters"]["key"] == "seen"
    assert (put["eventCategory"], put["managementEvent"], put["readOnly"]) == ("Data", False, False)
    assert put["resources"][0]["ARN"] == f"arn:aws:s3:::{place.watched}/seen"
    assert put["userIdentity"]["type"] == "Root"
    (refused,) = [one for one in every if (one["requestParameters"] or {}).get("Name") == topic]
    assert refused["errorCode"] in ("AccessDenied", "AuthorizationError")
    assert refused["userIdentity"]["type"] == "AssumedRole"
    assert refused["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"].startswith("arn:aws:iam::")
    assert (refused["eventSource"], refused["eventCategory"]) == ("sns.amazonaws.com", "Management")


def test_the_files_are_where_cloudtrail_puts_them(place):
    place.records("PutObject")
    key, found = next(iter(place.files().items()))
    name = key.rsplit("/", 1)[-1]
    assert name.startswith(f"{place.account}_CloudTrail_us-east-1_{datetime.now(UTC):%Y%m%d}")
    assert name.endswith(".json.gz")
    assert (found["ContentType"], found["ContentEncoding"]) == ("application/json", "gzip")
    status = place.embedded.client("cloudtrail").get_trail_status(Name=place.name)
    assert status["IsLogging"]
    assert "LatestDeliveryTime" in status


class Delivered:
    """What would be put into the bucket."""

    def __init__(self, monkeypatch):
        self.files = []
        monkeypatch.setattr(
            delivery, "put", lambda trail, key, content, metadata: self.files.append((key, content, metadata))
        )


def test_a_digest_is_written_every_hour_and_names_the_one_before(monkeypatch):
    delivered, machine = Delivered(monkeypatch), [1000.0]
    digests = Digests(Clock(machine=lambda: machine[0]))
    record = {"TrailARN": "arn", "Name": "trail", "S3BucketName": "bucket", "LogFileValidationEnabled": True, **TRAIL}
    trail = Trail(Scope("000000000000", "us-east-1"), record, [])
    digests.note(trail, delivery.LogFile("bucket", "log", b"records", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"))
    for passed in (3599, 1, 3600):
        machine[0] += passed
        digests.close(trail, datetime.fromtimestamp(machine[0], UTC))
    (first, body, signed), (_, following, _) = delivered.files
    assert json.loads(body)["logFiles"][0]["hashValue"] == hashlib.sha256(b"records").hexdigest()
    named = json.loads(following)
    assert (named["previousDigestS3Object"], named["previousDigestSignature"]) == (first, signed["signature"])
    assert (named["previousDigestHashValue"], named["logFiles"]) == (hashlib.sha256(body).hexdigest(), [])


@pytest.mark.slow
def test_a_chain_of_digests_tells_of_every_file(fast, place):
    for _ in range(400):
        digests = place.files("CloudTrail-Digest")
        if len(digests) > 1:
            break
        time.sleep(0.1)
    known = fast.client("cloudtrail").list_public_keys()["PublicKeyList"][0]
    public = serialization.load_der_public_key(known["Value"])
    previous = None
    for key, found in sorted(digests.items())[:2]:
        body = found["Body"].read()
        content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        digest = json.loads(content)
        assert (digest["digestS3Object"], digest["digestPublicKeyFingerprint"]) == (key, known["Fingerprint"])
        assert digest["previousDigestSignature"] == previous
        text = [
            digest["digestEndTime"],
            f"{place.bucket}/{key}",
            hashlib.sha256(content).hexdigest(),
            previous or "null",
        ]
        previous = found["Metadata"]["signature"]
        public.verify(bytes.fromhex(previous), "\n".join(text).encode(), padding.PKCS1v15(), hashes.SHA256())
        for file in digest["logFiles"]:
            log = fast.client("s3").get_object(Bucket=place.bucket, Key=file["s3Object"])["Body"].read()
            log = gzip.decompress(log) if log[:2] == b"\x1f\x8b" else log
            assert file["hashValue"] == hashlib.sha256(log).hexdigest()


def test_management_events_are_looked_up_without_a_trail(fast):
    name = fresh("queue")
    fast.client("sqs").create_queue(QueueName=name)
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}]
    found = fast.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    record = json.loads(found[0]["CloudTrailEvent"])
    assert (found[0]["EventSource"], record["requestParameters"]["QueueName"]) == ("sqs.amazonaws.com", name)


@pytest.mark.parametrize("wrong", ["nobody", "another trail", "another acl"])
def test_a_bucket_that_does_not_let_it_makes_no_trail(fast, wrong):
    place = Place(fast)
    if wrong == "another trail":
        place.admit(source=f"{place.arn}-other")
    if wrong == "another acl":
        place.admit(acl="private")
    assert place.create() == "CREATE_FAILED"
    assert "InsufficientS3BucketPolicyException" in place.reason()


def test_a_key_that_does_not_let_it_makes_no_trail(fast):
    place = Place(fast).admit()
    key = fast.client("kms").create_key()["KeyMetadata"]["Arn"]
    assert place.create(KMSKeyId=key) == "CREATE_FAILED"
    assert "InsufficientEncryptionPolicyException" in place.reason()


def test_what_has_no_effect_here_is_refused_by_name(fast):
    place = Place(fast).admit()
    assert place.create(SnsTopicName="topic") == "CREATE_FAILED"
    assert "SnsTopicName of a trail is not available in the embedded AWS" in place.reason()


@pytest.mark.slow
def test_a_bucket_that_takes_it_back_later_is_told_by_the_trails_status(fast):
    place = Place(fast).admit()
    assert place.create() == "CREATE_COMPLETE"
    fast.client("s3").delete_bucket_policy(Bucket=place.bucket)
    for _ in range(200):
        status = fast.client("cloudtrail").get_trail_status(Name=place.arn)
        if "LatestDeliveryError" in status:
            break
        time.sleep(0.1)
    assert status["LatestDeliveryError"] == "InsufficientS3BucketPolicyException"
    place.admit()
    assert place.update(IsLogging=False) == "UPDATE_COMPLETE"
    assert not fast.client("cloudtrail").get_trail_status(Name=place.arn)["IsLogging"]


def test_a_role_that_may_not_make_trails_makes_none(fast):
    place = Place(fast).admit()
    role = fast.role(statement("s3:*", "*"), service="cloudformation")
    place.cloudformation.create_stack(
        StackName=place.stack, TemplateBody=place.template(), RoleARN=role, OnFailure="DO_NOTHING"
    )
    assert place.settled() == "CREATE_FAILED"
    assert "cloudtrail:CreateTrail" in place.reason()
