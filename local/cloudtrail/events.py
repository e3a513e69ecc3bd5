"""One call as a CloudTrail record: who, what, when, and what came of it."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.cloudtrail import call_names

# What AWS leaves out of its records, by the name of the parameter.
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
SECRET = re.compile(
    r"password|secret|plaintext|token$|zipfile|userdata|environment|variables|samlassertion|ciphertextblob|payload",
    re.I,
)
LARGEST_PARAMETERS = 100_000
CLIENT_ERROR = 400
MINISTACK_SOURCE_IP = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """A request as MiniStack's dispatcher gets it, and its answer's status, headers and body."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, Any]
    body: bytes
    status: int
    answered: Mapping[str, str]
    answer: bytes
    iam_name: str
    region: str
    account: str
    request_id: str


@dataclass(frozen=True)
class Event:
    """A record, and what trails choose by."""

    record: dict[str, Any]
    at: float
    data: bool
    """Else it is about management."""
    resource: str
    """The ARN that selectors of data events compare with theirs."""

    @property
    def reads(self) -> bool:
        return bool(self.record["readOnly"])


def event_of(
    request: Request, caller: Callable[[], Mapping[str, Any] | None], now: datetime, *, with_data: bool
) -> Event | None:
    """None for what CloudTrail knows no name for, and for calls on data where nobody wants them: they are many."""
    name, data = _named(request)
    if not name or (data and not with_data):
        return None
    reads = call_names.reads(name)
    record = {
        "eventVersion": "1.11",
        "userIdentity": identity(caller(), request.account),
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{call_names.source(request.service)}.amazonaws.com",
        "eventName": name,
        "awsRegion": request.region,
        "sourceIPAddress": MINISTACK_SOURCE_IP,
        "userAgent": request.headers.get("user-agent", ""),
        **_error(request),
        "requestParameters": _parameters(request),
        "responseElements": None,
        "requestID": request.request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": reads,
        **_resources(request, data),
        "eventType": "AwsApiCall",
        "managementEvent": not data,
        "recipientAccountId": request.account,
        "eventCategory": "Data" if data else "Management",
    }
    return Event(record, now.replace(tzinfo=UTC).timestamp(), data, _resource(request))


def _named(request: Request) -> tuple[str, bool]:
    if request.service == "s3":
        return call_names.s3_event(request.method, request.path, request.query, request.headers, request.iam_name)
    name = call_names.event_name(request.service, request.headers, request.query, request.body, request.iam_name)
    return name, call_names.is_data(request.service, name)


def identity(caller: Mapping[str, Any] | None, account: str) -> dict[str, Any]:
    if caller is None:
        return {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}
    arn, key = str(caller["userArn"]), str(caller["accessKey"])
    who = {"principalId": str(caller["userId"]), "arn": arn, "accountId": account, "accessKeyId": key}
    if arn.endswith(":root"):
        return {"type": "Root", **who}
    if ":assumed-role/" not in arn:
        return {"type": "IAMUser", **who, "userName": arn.rsplit("/", 1)[-1]}
    role = arn.split("/")[1]
    issuer = {
        "type": "Role",
        "principalId": who["principalId"].split(":")[0],
        "arn": f"arn:aws:iam::{account}:role/{role}",
        "accountId": account,
        "userName": role,
    }
    return {"type": "AssumedRole", **who, "sessionContext": {"sessionIssuer": issuer}}


def _error(request: Request) -> dict[str, str]:
    if request.status < CLIENT_ERROR:
        return {}
    body = request.answer[:4096].decode("utf-8", "replace") if isinstance(request.answer, bytes) else ""
    said = call_names.document(request.answer) if body.startswith("{") else {}
    tagged = {tag: re.search(rf"<{tag}>([^<]*)<", body) for tag in ("Code", "Message")}
    code = request.answered.get("x-amzn-errortype") or said.get("__type") or (tagged["Code"] and tagged["Code"][1])
    message = said.get("message") or said.get("Message") or (tagged["Message"] and tagged["Message"][1])
    named = str(code or request.status).split("#")[-1].split(":")[0]
    # S3 and IAM say AccessDenied, the others AccessDeniedException; CloudTrail says the one.
    named = "AccessDenied" if named == "AccessDeniedException" else named
    return {"errorCode": named, **({"errorMessage": str(message)} if message else {})}


def _parameters(request: Request) -> dict[str, Any] | None:
    if request.service == "s3":
        bucket, _, key = request.path.lstrip("/").partition("/")
        named = {"bucketName": bucket, "key": key, "Host": request.headers.get("host", "")}
        return {name: value for name, value in named.items() if value} or None
    if len(request.body) > LARGEST_PARAMETERS:
        return {"omitted": True, "originalSize": len(request.body), "reason": "requestParameters too large"}
    given = call_names.form(request.headers, request.body) or call_names.document(request.body)
    return _without_secrets({name: value for name, value in given.items() if name not in ("Action", "Version")}) or None


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: HIDDEN if SECRET.search(name) else _without_secrets(one) for name, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _resource(request: Request) -> str:
    """With a slash behind the bucket, as selectors are written."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    return f"arn:aws:s3:::{bucket}/{key}" if request.service == "s3" else ""


def _resources(request: Request, data: bool) -> dict[str, Any]:
    bucket, _, key = request.path.lstrip("/").partition("/")
    if request.service != "s3" or not bucket:
        return {}
    found: list[dict[str, str]] = [
        {"accountId": request.account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
    ]
    if data and key:
        found.insert(0, {"type": "AWS::S3::Object", "ARN": _resource(request)})
    return {"resources": found}
