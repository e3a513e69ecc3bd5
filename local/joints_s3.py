"""Where this package reaches into MiniStack's S3: lifecycle rules and access logs; `local.joints` checks the places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.joints import _module, current_region, scope

SIGNATURES: dict[str, tuple[str, ...]] = {
    "core.iam_evaluator:resolve_caller_identity": ("access_key_id",),
    "services.s3:_bucket_owner_account": ("name",),
    "services.s3:_deliver_event_to_sns": ("arn", "event_payload", "bucket_region", "bucket_name"),
    "services.s3:bucket_region": ("name",),
    "services.s3:_record_delete_marker": ("bucket_name", "key", "prior_obj"),
    "services.s3:_purge_current_object": ("bucket_name", "key", "bucket"),
    "services.s3:_delete_object_version": ("bucket", "bucket_name", "key", "version_id"),
    "services.s3:_persist_version_state": ("bucket_name", "key", "bucket"),
    "services.s3:_check_object_lock": ("bucket_name", "key", "headers", "version_id"),
    "services.s3:_canonical_owner_id": ("account_id",),
    "services.s3:_put_object": ("bucket_name", "key", "body", "headers"),
    "services.s3:_fire_s3_event_async": (
        "bucket_name",
        "key",
        "event_name",
        "size",
        "etag",
        "deletion_type",
        "version_id",
        "object_extra",
        "record_extra",
    ),
    "services.s3:_read_body": ("bucket_name", "key", "obj"),
    "services.s3:_version_body": ("bucket", "bucket_name", "key", "v"),
    "services.s3:_persist_object": ("bucket", "key", "obj"),
    "services.s3:_delete_persisted_object": ("bucket_name", "key"),
    "services.s3:_delete_version_file": ("bucket_name", "key", "version_id"),
    "services.s3:_object_meta_from_record": ("obj",),
    "services.s3:_version_entry_from_record": ("obj", "version_id", "data"),
    "services.s3:_persisted_key_files": ("bucket_path", "sidecars"),
    "services.s3:_object_disk_path": ("bucket", "key", "account_id"),
    "services.s3:_version_disk_path": ("bucket", "key", "version_id", "account_id"),
    "app:_extract_s3_vhost_bucket": ("host",),
    "core.router:detect_service": ("method", "path", "headers", "query_params"),
}
ATTRIBUTES: tuple[str, ...] = (
    "services.s3:_bucket_lifecycle",
    "services.s3:_bucket_logging_config",
    "services.s3:_bucket_policies",
    "services.s3:_bucket_versioning",
    "services.s3:_multipart_uploads",
    "services.s3:_object_tags",
    "services.s3:_object_versions",
)


@dataclass(frozen=True)
class LifecycleBucket:
    """A bucket that has rules, as MiniStack keeps them."""

    account: str
    region: str
    name: str
    rules: tuple[Mapping[str, Any], ...]


def lifecycle_buckets() -> list[LifecycleBucket]:
    """Of every account. Rules that MiniStack could not read are kept there as text, and count for nothing."""
    s3 = _module("services.s3")
    return [
        LifecycleBucket(account_id, _bucket_region(account_id, name), name, tuple(rules))
        for (account_id, name), rules in list(s3._bucket_lifecycle._data.items())
        if isinstance(rules, list) and s3._buckets.contains_scoped(account_id, None, name)
    ]


def _bucket_region(account_id: str, name: str) -> str:
    s3 = _module("services.s3")
    with scope(account_id, current_region()):
        return str(s3.bucket_region(name))


def stored_keys(place: LifecycleBucket) -> list[str]:
    """Every key with an object, a version or a delete marker."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        objects = (s3._buckets.get(place.name) or {}).get("objects", {})
        histories = (key for bucket, key in list(s3._object_versions) if bucket == place.name)
        return list(dict.fromkeys((*objects, *histories)))


def versions_of(place: LifecycleBucket, key: str) -> list[dict[str, Any]]:
    """Oldest first."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        current = (s3._buckets.get(place.name) or {}).get("objects", {}).get(key)
        kept = s3._object_versions.get((place.name, key)) or []
        found = kept or ([{**current, "version_id": None}] if current else [])
        return [
            {
                "version_id": one["version_id"] or "null",
                "last_modified": one["last_modified"],
                "size": one["size"],
                "marker": bool(one.get("is_delete_marker")),
                "tags": s3._object_tags.get((place.name, key, _subresource(one["version_id"]))) or {},
                "storage_class": one.get("storage_class") or "STANDARD",
            }
            for one in found
        ]


def _subresource(version_id: str | None) -> str | None:
    """MiniStack keeps what belongs to the null version under no id."""
    return None if version_id == "null" else version_id


def expire_object(place: LifecycleBucket, key: str) -> None:
    """A delete marker on a bucket with versions, the end of the object on one without."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        bucket = s3._buckets[place.name]
        if s3._bucket_versioning.get(place.name) in ("Enabled", "Suspended"):
            marker = s3._record_delete_marker(place.name, key, bucket["objects"].get(key))
            bucket["objects"].pop(key, None)
            event, more = "DeleteMarkerCreated", {"deletion_type": "Delete Marker Created", "version_id": marker}
        else:
            s3._purge_current_object(place.name, key, bucket)
            event, more = "Delete", {}
        s3._fire_s3_event_async(place.name, key, f"s3:LifecycleExpiration:{event}", **more)


def remove_version(place: LifecycleBucket, key: str, version_id: str) -> None:
    """Unless a lock holds it."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        if s3._check_object_lock(place.name, key, {}, _subresource(version_id)) is None:
            s3._delete_object_version(s3._buckets[place.name], place.name, key, version_id)
            s3._fire_s3_event_async(place.name, key, "s3:LifecycleExpiration:Delete", version_id=version_id)


def change_storage_class(place: LifecycleBucket, key: str, version_id: str, storage_class: str) -> None:
    """Of one version; MiniStack keeps the current one a second time, as the object itself."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        bucket, kept = s3._buckets[place.name], s3._object_versions.get((place.name, key)) or []
        for one in kept:
            if (one["version_id"] or "null") == version_id:
                one["storage_class"] = storage_class
        current = bucket["objects"].get(key)
        if current is not None and (current.get("version_id") or "null") == version_id:
            current["storage_class"] = storage_class
        s3._persist_version_state(place.name, key, bucket)
        s3._fire_s3_event_async(place.name, key, "s3:LifecycleTransition", version_id=_subresource(version_id))


def unfinished_uploads(place: LifecycleBucket) -> list[tuple[str, str, str]]:
    """(upload id, key, when it began)."""
    with scope(place.account, place.region):
        uploads = _module("services.s3")._multipart_uploads
        return [(name, one["key"], one["created"]) for name, one in uploads.items() if one["bucket"] == place.name]


def abort_upload(place: LifecycleBucket, upload: str) -> None:
    with scope(place.account, place.region):
        _module("services.s3")._multipart_uploads.pop(upload, None)


@dataclass(frozen=True)
class LoggedBucket:
    """A bucket with a logging configuration, which is kept as the XML it came in."""

    account: str
    region: str
    name: str
    configuration: str


def logged_bucket(host: str, path: str) -> LoggedBucket | None:
    """The bucket that a request is for, if it has its requests logged."""
    s3 = _module("services.s3")
    if not s3._bucket_logging_config._data:
        return None
    name = _module("app")._extract_s3_vhost_bucket(host) or path.lstrip("/").split("/", 1)[0]
    owner = s3._bucket_owner_account(name)
    found = s3._bucket_logging_config.get_scoped(owner, None, name) if owner else None
    return LoggedBucket(owner, _bucket_region(owner, name), name, str(found)) if found else None


def owner_account(bucket: str) -> str:
    """Of a bucket; "" where there is none by that name."""
    return str(_module("services.s3")._bucket_owner_account(bucket) or "")


def virtual_host_bucket(host: str) -> str | None:
    found = _module("app")._extract_s3_vhost_bucket(host)
    return str(found) if found else None


def is_for_s3(method: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    return bool(_module("core.router").detect_service(method, path, headers, query) == "s3")


def caller(key: str) -> dict[str, Any] | None:
    """Who an access key belongs to."""
    found: dict[str, Any] | None = _module("core.iam_evaluator").resolve_caller_identity(key)
    return found


def canonical_user(account_id: str) -> str:
    return str(_module("services.s3")._canonical_owner_id(account_id))


def bucket_policy(bucket: str) -> str | None:
    found = _module("services.s3")._bucket_policies.get(bucket)
    return str(found) if found else None


def takes_logs(account_id: str, region_name: str, bucket: str) -> bool:
    """Of the same account and region, and not under a KMS key: S3 delivers to no other bucket."""
    s3 = _module("services.s3")
    with scope(account_id, region_name):
        encrypted_by = s3._bucket_default_sse_headers(bucket).get("x-amz-server-side-encryption", "")
        return bool(bucket in s3._buckets and s3.bucket_region(bucket) == region_name) and "kms" not in encrypted_by


def stored_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Where the bytes of each key of a bucket's folder are, or were: its description may be all that is left."""
    s3 = _module("services.s3")
    found = {str(path): key for path, key in s3._persisted_key_files(str(folder), sidecars=False)}
    for path, key in s3._persisted_key_files(str(folder), sidecars=True):
        found.setdefault(path.removesuffix(".meta.json"), key)
    yield from ((Path(path), key) for path, key in found.items())


def object_file(bucket: str, key: str) -> Path | None:
    found = _module("services.s3")._object_disk_path(bucket, key)
    return Path(found) if found else None


def version_file(account_id: str, bucket: str, key: str, version_id: str) -> Path | None:
    found = _module("services.s3")._version_disk_path(bucket, key, version_id, account_id)
    return Path(found) if found else None


def put_object(bucket: str, key: str, body: bytes) -> int:
    """As a service of AWS's, which whoever calls this has found to be allowed. Returns the HTTP status."""
    status, _, _ = _module("services.s3")._put_object(bucket, key, body, {"content-type": "text/plain"})
    return int(status)
