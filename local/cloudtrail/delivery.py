"""A trail's log files in its bucket: where bucket and key let cloudtrail.amazonaws.com put and encrypt them."""

import gzip
import json
import secrets
import string
from dataclasses import dataclass
from datetime import datetime

from local import joints, joints_cloudtrail, joints_s3
from local.cloudtrail.events import Event
from local.joints_cloudtrail import Trail

SERVICE = "cloudtrail.amazonaws.com"
CONTEXT_ARN = "kms:EncryptionContext:aws:cloudtrail:arn"
LETTERS = string.ascii_letters + string.digits
OK = 200


class NotDelivered(Exception):
    """A trail's bucket or key does not let it; the code is what GetTrailStatus shows."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class LogFile:
    """What was delivered, for the digest."""

    bucket: str
    key: str
    content: bytes
    oldest: str
    newest: str


def deliver(trail: Trail, events: list[Event], now: datetime) -> LogFile:
    """One file, on the server's loop; raises NotDelivered."""
    records = [event.record for event in events]
    content = json.dumps({"Records": records}, separators=(",", ":")).encode()
    place = trail.place
    name = "".join(secrets.choice(LETTERS) for _ in range(16))
    key = f"{folder(trail, 'CloudTrail', now)}/{place.account}_CloudTrail_{place.region}_"
    key += f"{now:%Y%m%dT%H%MZ}_{name}.json.gz"
    put(trail, key, content)
    times = [record["eventTime"] for record in records]
    return LogFile(trail.record["S3BucketName"], key, content, min(times), max(times))


def folder(trail: Trail, kind: str, now: datetime) -> str:
    prefix = trail.record.get("S3KeyPrefix") or ""
    return f"{prefix}{'/' if prefix else ''}AWSLogs/{trail.place.account}/{kind}/{trail.place.region}/{now:%Y/%m/%d}"


def put(trail: Trail, key: str, content: bytes, metadata: dict[str, str] | None = None) -> None:
    check(trail, key)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    headers |= {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
    if trail.record.get("KmsKeyId"):
        headers |= {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": trail.record["KmsKeyId"],
        }
    with joints.scope(trail.place.account, trail.place.region):
        status = joints_cloudtrail.put_file(trail.record["S3BucketName"], key, gzip.compress(content, mtime=0), headers)
    if status != OK:
        raise NotDelivered(str(status), f"S3 answered {status}.")


def check(trail: Trail, key: str = "") -> None:
    """Bucket and key, as AWS does before it makes a trail and at every delivery."""
    bucket, source = (
        trail.record["S3BucketName"],
        {"aws:SourceArn": trail.arn, "aws:SourceAccount": trail.place.account},
    )
    key = key or f"{folder(trail, 'CloudTrail', datetime.min)}/file"
    with joints.scope(trail.place.account, trail.place.region):
        policy = joints_s3.bucket_policy(bucket)
        written = {**source, "s3:x-amz-acl": "bucket-owner-full-control"}
        may = policy is not None and all(
            joints.service_may(policy, SERVICE, action, resource, trail.place.region, context)
            for action, resource, context in (
                ("s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", source),
                ("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}", written),
            )
        )
    if not may:
        raise NotDelivered(
            "InsufficientS3BucketPolicyException", f"Incorrect S3 bucket policy is detected for bucket: {bucket}"
        )
    _check_key(trail, source)


def _check_key(trail: Trail, source: dict[str, str]) -> None:
    key_arn = trail.record.get("KmsKeyId")
    if not key_arn:
        return
    policy = joints_cloudtrail.key_policy(key_arn)
    context = {**source, CONTEXT_ARN: trail.arn}
    with joints.scope(trail.place.account, trail.place.region):
        may = policy is not None and all(
            joints.service_may(policy, SERVICE, action, key_arn, trail.place.region, context)
            for action in ("kms:GenerateDataKey", "kms:DescribeKey")
        )
        if may and joints.unusable_key(key_arn) is not None:
            raise NotDelivered("KmsKeyDisabledException", f"The key {key_arn} cannot be used.")
    if not may:
        raise NotDelivered(
            "InsufficientEncryptionPolicyException",
            f"Insufficient permissions to access S3 bucket {trail.record['S3BucketName']} or KMS key {key_arn}.",
        )
