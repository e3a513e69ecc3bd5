"""Small real images, events as AWS sends them, and a stub of the endpoint."""

import base64
import io
import json
import urllib.parse
from typing import Any

from PIL import Image

from lambda_src.predict.endpoint import Classification, Wish
from lambda_src.predict.links import Link
from lambda_src.predict.predictor import Predictor
from lambda_src.predict.service import Service
from lambda_src.predict.settings import Settings
from tests.lambda_src.events import sample

ENVIRONMENT = {
    "ENDPOINT_NAME": "whippet-test-realtime",
    "TOP_K": "5",
    "MAX_IMAGE_BYTES": "4500000",
    "MAX_IMAGES": "4",
    "FETCH_TIMEOUT_SECONDS": "5",
    "INVOKE_TIMEOUT_SECONDS": "10",
    "AUTH": "none",
    "METRICS": "off",
    "MAX_UPLOAD_BYTES": "6000000",
    "UPLOAD_SECONDS": "300",
}
VECTOR = [[0.5, -1.25, 3.0]]
PREDICTIONS = [{"label": "beagle", "probability": 0.75}, {"label": "whippet", "probability": 0.25}]


def image_file(kind: str, width: int = 40, height: int = 30, **options: bool) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), (200, 120, 40)).save(target, kind, **options)
    return target.getvalue()


JPEG = image_file("JPEG")


def http_event(
    method: str, path: str, *, body: bytes = b"", content_type: str | None = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    """The recorded HTTP API event (payload version 2) for another request: text types plain, all else in base64."""
    is_text = content_type is not None and content_type.startswith(("application/json", "text/"))
    event: dict[str, Any] = sample("http_api_v2")
    # What the recorded request was about goes; API Gateway leaves out what a request does not have.
    for name in ("body", "queryStringParameters"):
        del event[name]
    for name in ("content-type", "content-length"):
        del event["headers"][name]
    event |= {"routeKey": f"{method} {path}", "rawPath": path, "rawQueryString": urllib.parse.urlencode(query or {})}
    event["requestContext"]["routeKey"] = f"{method} {path}"
    event["requestContext"]["http"] |= {"method": method, "path": path}
    event["isBase64Encoded"] = bool(body) and not is_text
    if content_type is not None:
        event["headers"]["content-type"] = content_type
    if body:
        event["headers"]["content-length"] = str(len(body))
        event["body"] = body.decode() if is_text else base64.b64encode(body).decode()
    if query:
        event["queryStringParameters"] = query
    return event


def json_event(content: object) -> dict[str, Any]:
    return http_event("POST", "/predict", body=json.dumps(content).encode(), content_type="application/json")


class StubEndpoint:
    """Notes what it is asked and gives the same two labels or numbers, or raises what it was told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, str, Wish]] = []
        self.failure: Exception | None = None

    def classify(self, image: bytes, content_type: str, wish: Wish) -> Classification:
        self.asked.append((image, content_type, wish))
        if self.failure:
            raise self.failure
        if wish.raw:
            return Classification([], "", "primary", raw=VECTOR)
        return Classification(PREDICTIONS, "starter-1", "primary")


class StubFetcher:
    """Finds the same image behind every link."""

    def __init__(self) -> None:
        self.image = JPEG
        self.links: list[Link] = []

    def fetch(self, link: Link) -> bytes:
        self.links.append(link)
        return self.image


class MemoryObjects:
    """A bucket in memory, as `Objects` shows one."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self.kept[key] = body

    def get(self, key: str, max_bytes: int | None = None) -> bytes | None:
        return self.kept.get(key)

    def promise(self, key: str, headers: dict[str, str], expires_seconds: int) -> str:
        return f"https://bucket.example.com/{key}?X-Amz-Expires={expires_seconds}"


def make_service(
    *,
    endpoint: Any = None,
    fetcher: Any = None,
    uploads: Any = None,
    waiting: Any = None,
    log: list[dict[str, Any]] | None = None,
    **environment: str,
) -> Service:
    """The service with stand-ins for what is not given."""
    predictor = Predictor(
        endpoint=endpoint or StubEndpoint(), fetcher=fetcher or StubFetcher(), uploads=uploads, waiting=waiting
    )
    return Service(
        settings=Settings.from_environment({**ENVIRONMENT, **environment}),
        predictor=predictor,
        write_log=(log if log is not None else []).append,
        uploads=uploads,
        waiting=waiting,
    )
