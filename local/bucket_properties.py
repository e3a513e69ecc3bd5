"""Properties of AWS::S3::Bucket that MiniStack's CloudFormation drops: encryption, ownership, logging, lifecycle.

Each becomes the XML of the matching S3 call, which MiniStack does implement.
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

Property = Mapping[str, Any]


def encryption(value: Property) -> bytes:
    rules = []
    for rule in value.get("ServerSideEncryptionConfiguration", []):
        by_default = rule.get("ServerSideEncryptionByDefault", {})
        rules.append(
            {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": rule.get("BucketKeyEnabled", False)}
        )
    return _document("ServerSideEncryptionConfiguration", {"Rule": rules})


def ownership(value: Property) -> bytes:
    return _document("OwnershipControls", {"Rule": value.get("Rules", [])})


def logging(value: Property) -> bytes:
    enabled = {"TargetBucket": value.get("DestinationBucketName"), "TargetPrefix": value.get("LogFilePrefix", "")}
    return _document("BucketLoggingStatus", {"LoggingEnabled": enabled if enabled["TargetBucket"] else None})


def lifecycle(value: Property) -> bytes:
    return _document("LifecycleConfiguration", {"Rule": [_lifecycle_rule(rule) for rule in value.get("Rules", [])]})


def _lifecycle_rule(rule: Property) -> Property:
    """CloudFormation spells a rule flatter than S3 does."""
    transitions = [
        {
            "Days": one.get("TransitionInDays"),
            "Date": one.get("TransitionDate"),
            "StorageClass": one.get("StorageClass"),
        }
        for one in _every(rule, "Transition")
    ]
    noncurrent = [
        {
            "NoncurrentDays": one.get("TransitionInDays"),
            "NewerNoncurrentVersions": one.get("NewerNoncurrentVersions"),
            "StorageClass": one.get("StorageClass"),
        }
        for one in _every(rule, "NoncurrentVersionTransition")
    ]
    return {
        "ID": rule.get("Id"),
        "Filter": _lifecycle_filter(rule),
        "Status": rule.get("Status"),
        "Expiration": _expiration(rule),
        "NoncurrentVersionExpiration": _noncurrent_expiration(rule),
        "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
        "Transition": transitions or None,
        "NoncurrentVersionTransition": noncurrent or None,
    }


def _every(rule: Property, name: str) -> list[Property]:
    """The older spelling has room for one."""
    return [*rule.get(f"{name}s", []), *([rule[name]] if name in rule else [])]


def _lifecycle_filter(rule: Property) -> Property:
    """S3 wants what a rule asks for beside its prefix, and the prefix with it, below one And."""
    prefix = {"Prefix": rule.get("Prefix", "")}
    more = {
        "Tag": rule.get("TagFilters"),
        "ObjectSizeGreaterThan": rule.get("ObjectSizeGreaterThan"),
        "ObjectSizeLessThan": rule.get("ObjectSizeLessThan"),
    }
    return {"And": prefix | more} if any(value is not None for value in more.values()) else prefix


def _expiration(rule: Property) -> Property | None:
    found = {
        "Days": rule.get("ExpirationInDays"),
        "Date": rule.get("ExpirationDate"),
        "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
    }
    return found if any(value is not None for value in found.values()) else None


def _noncurrent_expiration(rule: Property) -> Property | None:
    """The older spelling is a number of days."""
    days = rule.get("NoncurrentVersionExpirationInDays")
    found: Property | None = rule.get("NoncurrentVersionExpiration")
    return found if found or days is None else {"NoncurrentDays": days}


def with_filters(body: bytes) -> bytes:
    """A lifecycle document whose rules have their prefix in a filter, where some have it beside."""
    return re.sub(rb"<((?:\w+:)?)Rule>.*?</\1Rule>", _with_filter, body, flags=re.DOTALL)


def _with_filter(found: "re.Match[bytes]") -> bytes:
    rule, name = found.group(), found.group(1)
    if b"<%sFilter" % name in rule:
        return rule
    own = re.compile(rb"<%sPrefix>.*?</%sPrefix>" % (name, name), re.DOTALL)
    return own.sub(lambda prefix: b"<%sFilter>%s</%sFilter>" % (name, prefix.group(), name), rule)


def _document(name: str, content: Property) -> bytes:
    return f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{_members(content)}</{name}>'.encode()


def _members(content: Property) -> str:
    return "".join(_element(name, value) for name, value in content.items() if value is not None)


def _element(name: str, value: Any) -> str:  # noqa: ANN401 - any value of a template
    if isinstance(value, list):
        return "".join(_element(name, member) for member in value)
    if isinstance(value, Mapping):
        return f"<{name}>{_members(value)}</{name}>"
    return f"<{name}>{escape(str(value).lower() if isinstance(value, bool) else str(value))}</{name}>"
