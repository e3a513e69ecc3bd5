"""As much of S3 as pushing needs, in memory, slow or faulty as told: `python -m bench.data.bucket LATENCY_SECONDS`.

It answers with the XML of the real one, compares every checksum that it is given, and counts the bytes of bodies as
they arrive, those of broken requests too. Contents are not kept, but for manifests.
"""

import asyncio
import base64
import hashlib
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
PAGE = 1000
BLOCK_BYTES = 65_536
SUM = "x-amz-checksum-sha256"
SLOW_DOWN = "slow down"
DROP = "drop"
"""The connection, with half of the request read."""
EXPIRED = "expired"
"""The token that signed the request."""
LOSE = "lose"
"""The answer, when all is done."""
REFUSALS = {SLOW_DOWN: (503, "SlowDown"), EXPIRED: (400, "ExpiredToken")}


@dataclass
class Object:
    size: int
    checksum: str | None
    since: float
    body: bytes | None = None


@dataclass
class Upload:
    key: str
    parts: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Number -> size and digest."""


@dataclass(frozen=True)
class Request:
    method: str
    key: str
    """Empty where it is about the bucket."""
    query: Mapping[str, str]
    headers: Mapping[str, str]


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Bucket:
    """`faulty` is asked about each request and its number: SLOW_DOWN, EXPIRED, DROP, LOSE or nothing."""

    latency_seconds: float = 0.0
    faulty: Callable[[Request, int], str | None] = lambda request, number: None
    forgetful: bool = False
    """Whether what is sent is lost where nobody waits for the answer any more: the worst that a kill can do."""
    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    received_bytes: int = 0
    """Of objects and parts."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and key of every request."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, ready: Callable[[], None]) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has left, or the bucket ends
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = _request((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        self.seen.append((request.method, request.key))
        fault = self.faulty(request, len(self.seen))
        length = int(request.headers.get("content-length", 0))
        if request.headers.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._body(reader, length // 2 if fault == DROP else length, request)
        if fault == DROP:
            return False
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        if self.forgetful and (reader.at_eof() or reader.exception()):
            return False
        refusal = REFUSALS.get(fault or "")
        status, headers, answer = _error(*refusal) if refusal else self.answer(request, body)
        if fault == LOSE:
            return False
        lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
        if request.method != "HEAD":
            lines.append(f"Content-Length: {len(answer)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if request.method == "HEAD" else answer))
        await writer.drain()
        return True

    async def _body(self, reader: asyncio.StreamReader, length: int, request: Request) -> bytes:
        blocks, left = [], length
        while left:
            block = await reader.read(min(left, BLOCK_BYTES))
            if not block:
                raise ConnectionError
            if request.method == "PUT":
                self.received_bytes += len(block)
            blocks.append(block)
            left -= len(block)
        return b"".join(blocks)

    def answer(self, request: Request, body: bytes) -> Answer:  # noqa: PLR0911, PLR0912 (one for each kind)
        about = f"{request.method} {'object' if request.key else 'bucket'}"
        query = request.query
        match about:
            case "PUT object" if "uploadId" in query:
                return self._put_part(request, body)
            case "PUT object":
                return self._put(request, body)
            case "HEAD object":
                return self._head(request)
            case "GET object" if "uploadId" in query:
                return self._list_parts(query["uploadId"])
            case "GET object":
                found = self.objects.get(request.key)
                return (200, {}, found.body or b"") if found else _error(404, "NoSuchKey")
            case "GET bucket" if "uploads" in query:
                return self._list_uploads(query.get("prefix", ""))
            case "GET bucket":
                return self._list(query)
            case "POST object" if "uploads" in query:
                upload = uuid.uuid4().hex
                self.uploads[upload] = Upload(request.key)
                return _xml(
                    f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                )
            case "POST object":
                return self._complete(request)
            case "POST bucket" if "delete" in query:
                for one in ElementTree.fromstring(body).iter(f"{NAMESPACE}Key"):  # noqa: S314 (our own client's)
                    self.objects.pop(str(one.text), None)
                return _xml("<DeleteResult/>")
            case "POST bucket":
                return _of_the_account(dict(parse_qsl(body.decode())))
            case "DELETE object" if "uploadId" in query:
                self.uploads.pop(query["uploadId"], None)
                return 204, {}, b""
        return _error(501, "NotImplemented")

    def _put(self, request: Request, body: bytes) -> Answer:
        checksum = request.headers.get(SUM)
        if checksum and checksum != _base64(hashlib.sha256(body).digest()):
            return _error(400, "BadDigest")
        kept = body if request.key.endswith("manifest.json") else None
        self.objects[request.key] = Object(len(body), checksum, time.time(), kept)
        return 200, {"ETag": '"of-an-object"'}, b""

    def _put_part(self, request: Request, body: bytes) -> Answer:
        digest = hashlib.sha256(body).digest()
        if request.headers.get(SUM) != _base64(digest):
            return _error(400, "BadDigest")
        if request.query["uploadId"] not in self.uploads:
            return _error(404, "NoSuchUpload")
        number = int(request.query["partNumber"])
        self.uploads[request.query["uploadId"]].parts[number] = len(body), digest
        return 200, {"ETag": f'"part-{number}"'}, b""

    def _complete(self, request: Request) -> Answer:
        upload = self.uploads.pop(request.query["uploadId"])
        parts = [upload.parts[number] for number in sorted(upload.parts)]
        whole = _base64(hashlib.sha256(b"".join(digest for _, digest in parts)).digest())
        size = sum(size for size, _ in parts)
        self.objects[request.key] = Object(size, f"{whole}-{len(parts)}", time.time())
        return _xml("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")

    def _head(self, request: Request) -> Answer:
        found = self.objects.get(request.key)
        if found is None:
            return 404, {}, b""
        asked = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
        headers = {SUM: found.checksum} if asked and found.checksum else {}
        return 200, {**headers, "Content-Length": str(found.size)}, b""

    def _list(self, query: Mapping[str, str]) -> Answer:
        after = query.get("continuation-token", "")
        keys = sorted(key for key in self.objects if key.startswith(query.get("prefix", "")) and key > after)
        page, rest = keys[:PAGE], keys[PAGE:]
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{self.objects[key].size}</Size>"
            f"<LastModified>{_time(self.objects[key].since)}</LastModified></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        return _xml(
            f"<ListBucketResult><EncodingType>url</EncodingType><KeyCount>{len(page)}</KeyCount>"
            f"<IsTruncated>{str(bool(rest)).lower()}</IsTruncated>{more}{entries}</ListBucketResult>"
        )

    def _list_uploads(self, prefix: str) -> Answer:
        found = [(name, upload) for name, upload in self.uploads.items() if upload.key.startswith(prefix)]
        entries = "".join(
            f"<Upload><Key>{quote(upload.key)}</Key><UploadId>{name}</UploadId></Upload>" for name, upload in found
        )
        return _xml(
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
            f"{entries}</ListMultipartUploadsResult>"
        )

    def _list_parts(self, upload: str) -> Answer:
        entries = "".join(
            f'<Part><PartNumber>{number}</PartNumber><ETag>"part-{number}"</ETag><Size>{size}</Size>'
            f"<ChecksumSHA256>{_base64(digest)}</ChecksumSHA256></Part>"
            for number, (size, digest) in sorted(self.uploads[upload].parts.items())
        )
        return _xml(f"<ListPartsResult><IsTruncated>false</IsTruncated>{entries}</ListPartsResult>")


def running(bucket: Bucket) -> Callable[[], None]:
    """Serve it in a thread of this process; what is returned ends it."""
    loop, ready = asyncio.new_event_loop(), threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        task = loop.create_task(bucket.serve(ready.set))
        loop.run_forever()
        for one in asyncio.all_tasks(loop):
            one.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()

    def stop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    return stop


def _of_the_account(asked: Mapping[str, str]) -> Answer:
    """What the command line asks before it pushes: whose credentials these are, and where the bucket is."""
    if asked["Action"] == "GetCallerIdentity":
        return _xml(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    if not asked.get("StackName", "").endswith("-data"):
        said = f"<Code>ValidationError</Code><Message>Stack {asked.get('StackName')} does not exist</Message>"
        return 400, {}, f"<ErrorResponse><Error>{said}</Error></ErrorResponse>".encode()
    return _xml(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>data</StackName>"
        "<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs><member>"
        "<OutputKey>BucketName</OutputKey><OutputValue>bucket</OutputValue></member></Outputs></member></Stacks>"
        "</DescribeStacksResult></DescribeStacksResponse>"
    )


def _request(head: str) -> Request:
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    _, _, key = parts.path.lstrip("/").partition("/")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, unquote(key), dict(parse_qsl(parts.query, keep_blank_values=True)), headers)


def _xml(text: str) -> Answer:
    return 200, {"Content-Type": "application/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()


def _error(status: int, code: str) -> Answer:
    return status, {}, f"<Error><Code>{code}</Code><Message>{code}, as told</Message></Error>".encode()


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _say(bucket: Bucket) -> None:
    sys.stdout.write(f"{bucket.port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _served = Bucket(latency_seconds=float(sys.argv[1]))
    asyncio.run(_served.serve(lambda: _say(_served)))
