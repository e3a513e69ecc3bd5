"""The name of an S3 request in an access log: REST.<method>.<what it is about>."""

from collections.abc import Container, Mapping

# A sub-resource in the query, and what the log calls it.
OF_A_BUCKET = {
    "accelerate": "ACCELERATE",
    "acl": "ACL",
    "analytics": "ANALYTICS",
    "cors": "CORS",
    "delete": "MULTI_OBJECT_DELETE",
    "encryption": "ENCRYPTION",
    "inventory": "INVENTORY",
    "lifecycle": "LIFECYCLE",
    "location": "LOCATION",
    "logging": "LOGGING_STATUS",
    "metrics": "METRICS",
    "notification": "NOTIFICATION",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "replication": "REPLICATION",
    "requestPayment": "REQUEST_PAYMENT",
    "tagging": "TAGGING",
    "uploads": "UPLOADS",
    "versioning": "VERSIONING",
    "versions": "BUCKETVERSIONS",
    "website": "WEBSITE",
}
OF_AN_OBJECT = {
    "acl": "ACL",
    "attributes": "OBJECT_ATTRIBUTES",
    "legal-hold": "OBJECT_LOCK_LEGALHOLD",
    "partNumber": "PART",
    "restore": "RESTORE",
    "retention": "OBJECT_LOCK_RETENTION",
    "select": "SELECT",
    "tagging": "OBJECT_TAGGING",
    "uploadId": "UPLOAD",
    "uploads": "UPLOADS",
}


def operation(method: str, has_key: bool, query: Container[str], headers: Mapping[str, str]) -> str:
    named = OF_AN_OBJECT if has_key else OF_A_BUCKET
    about = next((name for parameter, name in named.items() if parameter in query), None)
    if about in (None, "PART") and has_key and "x-amz-copy-source" in headers:
        return f"REST.COPY.{about or 'OBJECT'}"
    return f"REST.{method}.{about or ('OBJECT' if has_key else 'BUCKET')}"
