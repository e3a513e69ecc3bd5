"""Properties of AWS::S3::Bucket that MiniStack's CloudFormation drops: encryption, ownership, logging, lifecycle.

Each becomes the XML of the matching S3 call, which MiniStack does implement.
"""

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
        {"Days": one.get("TransitionInDays"), "StorageClass": one.get("StorageClass")}
        for one in rule.get("Transitions", [])
    ]
    return {
        "ID": rule.get("Id"),
        "Filter": {"Prefix": rule.get("Prefix", "")},
        "Status": rule.get("Status"),
        "Expiration": {"Days": rule["ExpirationInDays"]} if "ExpirationInDays" in rule else None,
        "NoncurrentVersionExpiration": rule.get("NoncurrentVersionExpiration"),
        "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
        "Transition": transitions or None,
    }


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
