"""EC2's calls as CloudFormation makes them: shape against botocore's model, permission, and then MiniStack's EC2."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import botocore.serialize

from local import joints, joints_ec2
from local.json_service import Authority, AwsError
from local.shapes import ShapeError, coerced, service_model, validate

SERVICE = "ec2"
_serializer = botocore.serialize.create_serializer(SERVICE, include_validation=False)


def arn(kind: str, identity: str) -> str:
    return f"arn:aws:ec2:{joints.current_region()}:{joints.account()}:{kind}/{identity}"


def call(authority: Authority, operation: str, resources: Sequence[str], params: dict[str, Any]) -> ElementTree.Element:
    """The answer's root element; `resources` are the ARNs that the caller must be allowed to do it to."""
    params = coerced(SERVICE, operation, params)
    for resource in resources:
        authority.require(f"ec2:{operation}", resource)
    check(operation, params)
    sent = _serializer.serialize_to_request(params, service_model(SERVICE).operation_model(operation))["body"]
    status, body = joints_ec2.ec2(operation, sent)
    root = _plain(ElementTree.fromstring(body))  # noqa: S314 - MiniStack's own answer
    if status >= 400:  # noqa: PLR2004 - HTTP
        raise AwsError(root.findtext(".//Code") or "InternalError", root.findtext(".//Message") or operation)
    return root


def check(operation: str, params: dict[str, Any]) -> None:
    try:
        validate(SERVICE, operation, coerced(SERVICE, operation, params))
    except ShapeError as error:
        raise AwsError("InvalidParameterValue", f"{operation}: {error}.") from error


def _plain(root: ElementTree.Element) -> ElementTree.Element:
    """Without namespaces, which say nothing here."""
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    return root


def set_tags(authority: Authority, kind: str, identity: str, old: dict[str, str], new: dict[str, str]) -> None:
    gone = sorted(set(old) - set(new))
    if gone:
        params = {"Resources": [identity], "Tags": [{"Key": key} for key in gone]}
        call(authority, "DeleteTags", [arn(kind, identity)], params)
    if new and new != old:
        params = {"Resources": [identity], "Tags": [{"Key": key, "Value": value} for key, value in new.items()]}
        call(authority, "CreateTags", [arn(kind, identity)], params)
