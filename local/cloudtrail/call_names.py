"""What CloudTrail calls a request: the service's event source and the operation's event name."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

# Services that CloudTrail knows by another name than MiniStack.
SOURCES = {"cloudwatch": "monitoring", "run-command": "ssm", "alb": "elasticloadbalancing", "ses": "email"}
# Subresources of an object in a request's query, and what follows the verb in the operation's name.
OBJECT_PARTS = {
    "acl": "Acl",
    "attributes": "Attributes",
    "legal-hold": "LegalHold",
    "retention": "Retention",
    "tagging": "Tagging",
}
VERBS = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}
# Operations on data by service; S3's are told apart by their path, all others are management.
DATA = {
    "lambda": {"Invoke"},
    "monitoring": {"GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"},
    "logs": {"PutLogEvents"},
    "sagemaker": {"InvokeEndpoint", "InvokeEndpointAsync"},
    "sns": {"Publish", "PublishBatch"},
    "sqs": {"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"},
}
READING = ("Get", "List", "Describe", "Head", "Lookup", "BatchGet", "Search", "Query", "Scan", "Select", "View")
# They change nothing of the account's.
ALSO_READING = {"AssumeRole", "AssumeRoleWithWebIdentity", "Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt"}
Query = Mapping[str, Any]


def source(service: str) -> str:
    return SOURCES.get(service, service)


def s3_event(method: str, path: str, query: Query, headers: Mapping[str, str], iam_name: str) -> tuple[str, bool]:
    """(name, whether it is about data) of a request to S3, whose path begins with the bucket."""
    bucket, _, key = path.lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets", False
    return (_object_event(method, query, headers), True) if key else _bucket_event(method, query, iam_name)


def _object_event(method: str, query: Query, headers: Mapping[str, str]) -> str:
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if "uploadId" in query:
        upload = {"GET": "ListParts", "DELETE": "AbortMultipartUpload"}
        return upload.get(method, "UploadPartCopy" if "x-amz-copy-source" in headers else "UploadPart")
    part = next((name for key, name in OBJECT_PARTS.items() if key in query), "")
    copies = method == "PUT" and not part and "x-amz-copy-source" in headers
    return "CopyObject" if copies else f"{VERBS[method]}Object{part}"


def _bucket_event(method: str, query: Query, iam_name: str) -> tuple[str, bool]:
    if method == "HEAD":
        return "HeadBucket", True
    if "delete" in query:
        return "DeleteObjects", True
    listing = {"versions": "ListObjectVersions", "uploads": "ListMultipartUploads"}
    for key, name in listing.items():
        if key in query:
            return name, True
    if iam_name == "ListBucket":
        return "ListObjects", True
    return iam_name or f"{VERBS[method]}Bucket", False


def event_name(service: str, headers: Mapping[str, str], query: Query, body: bytes, iam_name: str) -> str:
    """Of a service other than S3: by its target, its Action, or what IAM is asked."""
    target = headers.get("x-amz-target", "")
    if "." in target:
        return target.rsplit(".", 1)[-1]
    action = query.get("Action") or form(headers, body).get("Action") or ""
    named = str(action[0] if isinstance(action, list) else action) or iam_name
    return "Invoke" if service == "lambda" and named == "InvokeFunction" else named


def form(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def document(body: bytes) -> dict[str, Any]:
    """A JSON body's members."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def reads(name: str) -> bool:
    return name.startswith(READING) or name in ALSO_READING


def is_data(service: str, name: str) -> bool:
    return name in DATA.get(source(service), ())
