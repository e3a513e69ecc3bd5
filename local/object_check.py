"""Objects of S3 on a disk that damages them: what is not what was put is answered with 500, never with 200.

MiniStack reads whatever lies in an object's file, and makes up a description where that is lost. Here both are compared
with what was put, by MD5: at every start all of them, and each at its first read after its files changed. `status`
tells of those that are damaged until they are put again or deleted.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from local import joints, joints_s3
from local.damaged import Damage, DamagedObjects
from local.home import Home
from local.json_service import HttpAnswer
from local.stored_object import DIGEST, Record, Stored, described_at, description, is_plain, md5

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
# An object that is being written has new bytes and an old description for a moment.
LOOK_AGAIN_SECONDS = 0.5
# A request that replaces or removes an object must not fail for what the object was.
_replacing: contextvars.ContextVar[bool] = contextvars.ContextVar("replacing", default=False)

logger = logging.getLogger("embedded-aws.s3")


class Damaged(Exception):
    """An object is not what was put."""


class ObjectCheck:
    """What was found whole stays so while its files are the same."""

    def __init__(self, home: Home) -> None:
        self._objects = home.objects
        self._damaged = DamagedObjects(home)
        self._whole: dict[Path, tuple[tuple[int, ...], ...]] = {}

    def install(self) -> None:
        joints.wrap("services.s3:_read_body", self._read)
        joints.wrap("services.s3:_version_body", self._read_version)
        joints.wrap("services.s3:_persist_object", self._persist)
        joints.wrap("services.s3:_delete_persisted_object", self._delete)
        joints.wrap("services.s3:_delete_version_file", self._delete_version)
        joints.wrap("services.s3:_object_meta_from_record", _described)
        joints.wrap("services.s3:_version_entry_from_record", _versioned)
        joints.wrap_handler("s3", self._handle)

    # --- at a start --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Lengths and descriptions at once, so that `start` can tell of them; bytes in the background."""
        self._damaged.clear()
        for one in self._stored():
            self._judge(one, deep=False)
        threading.Thread(target=self._read_all, daemon=True, name="object-check").start()

    def _read_all(self) -> None:
        for one in self._stored():
            if one.fault(deep=True):
                time.sleep(LOOK_AGAIN_SECONDS)
                self._judge(Stored(one.name, one.path, self._again(one)), deep=True)

    @staticmethod
    def _again(one: Stored) -> Record | None:
        """A version's description does not change, and stands in its key's."""
        return description(one.path) if described_at(one.path).exists() else one.description

    def _judge(self, one: Stored, *, deep: bool) -> None:
        if why := one.fault(deep=deep):
            self._note(Damage(one.name, str(one.path), why))

    def _stored(self) -> Iterator[Stored]:
        """Every object and kept version, as the files have them: what a start could not read back is in no record."""
        for account in sorted(self._objects.glob("[0-9]" * 12)):
            for bucket in sorted(account.iterdir()):
                for path, key in joints_s3.stored_files(bucket):
                    yield from _of_key(account.name, bucket.name, path, key)

    # --- at a read ---------------------------------------------------------------------------------------------------

    async def _handle(  # noqa: PLR0917 - the gateway's contract for a handler
        self,
        original: Callable[..., Awaitable[HttpAnswer]],
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> HttpAnswer:
        replaces = method in ("PUT", "DELETE", "POST") and "x-amz-copy-source" not in headers
        token = _replacing.set(replaces and "select" not in query)
        try:
            return await original(method, path, headers, body, query)
        except Damaged as damaged:
            text = f"<Error><Code>InternalError</Code><Message>{escape(str(damaged))}</Message></Error>"
            return 500, {"Content-Type": "application/xml"}, text.encode()
        finally:
            _replacing.reset(token)

    def _read(self, original: Foreign, bucket_name: str, key: str, obj: Record) -> bytes:
        body: bytes = original(bucket_name, key, obj)
        path = joints_s3.object_file(bucket_name, key)
        if obj.get("body") is None and path is not None:
            self._require(Stored(_name(bucket_name, key), path, description(path)), body)
        return body

    def _read_version(self, original: Foreign, bucket: Foreign, bucket_name: str, key: str, v: Record) -> bytes | None:
        body: bytes | None = original(bucket, bucket_name, key, v)
        path = joints_s3.version_file(joints.account(), bucket_name, key, v["version_id"])
        if v.get("data") is None and body is not None and path is not None and path.is_file():
            self._require(Stored(_name(bucket_name, key, v["version_id"]), path, v), body)
        return body

    def _require(self, one: Stored, body: bytes) -> None:
        now = (_state(one.path), _state(described_at(one.path)))
        if self._whole.get(one.path) == now:
            return
        why = one.fault_of(body)
        if why is None:
            self._whole[one.path] = now
            return
        damage = Damage(one.name, str(one.path), why)
        self._note(damage)
        if not _replacing.get():
            raise Damaged(str(damage))

    def _note(self, damage: Damage) -> None:
        if self._damaged.add(damage):
            logger.warning("%s", damage)

    # --- at a write --------------------------------------------------------------------------------------------------

    def _persist(self, original: Foreign, bucket: str, key: str, obj: Record) -> None:
        path, body = joints_s3.object_file(bucket, key), obj.get("body")
        if body is None:
            # It is described anew, with a tag more say, and its bytes stay.
            obj.setdefault(DIGEST, (description(path) or {}).get(DIGEST))
        elif not is_plain(obj):
            obj[DIGEST] = md5(body)
        original(bucket, key, obj)
        if body is not None:
            self._damaged.remove(path)

    def _delete(self, original: Foreign, bucket_name: str, key: str) -> None:
        path = joints_s3.object_file(bucket_name, key)
        original(bucket_name, key)
        self._damaged.remove(path)

    def _delete_version(self, original: Foreign, bucket_name: str, key: str, version_id: str) -> None:
        original(bucket_name, key, version_id)
        self._damaged.remove(joints_s3.version_file(joints.account(), bucket_name, key, version_id))


def _of_key(account: str, bucket: str, path: Path, key: str) -> Iterator[Stored]:
    found = description(path)
    if found is None or not found.get("is_delete_marker"):
        yield Stored(_name(bucket, key), path, found)
    current = (found or {}).get("version_id") or "null"
    for version in (found or {}).get("versions") or []:
        identity = version["version_id"]
        kept = joints_s3.version_file(account, bucket, key, identity)
        if kept is not None and identity != current and not version.get("is_delete_marker"):
            yield Stored(_name(bucket, key, identity), kept, version)


def _name(bucket: str, key: str, version: str = "") -> str:
    return f"s3://{bucket}/{key}" + (f"?versionId={version}" if version else "")


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    # The second is a time that no program can set back.
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _described(original: Foreign, obj: Record) -> Record:
    """The description of one whose ETag is no digest has one."""
    more = {DIGEST: obj[DIGEST]} if obj.get(DIGEST) else {}
    return {**original(obj), **more}


def _versioned(original: Foreign, obj: Record, version_id: str, data: bytes | None) -> Record:
    """A version's too."""
    if data is not None and not is_plain(obj):
        obj[DIGEST] = md5(data)
    more = {DIGEST: obj[DIGEST]} if obj.get(DIGEST) else {}
    return {**original(obj, version_id, data), **more}
