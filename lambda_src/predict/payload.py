"""From an event to what is asked for: a route, and for a prediction its images, or where they are, and what to tell."""

import json
from dataclasses import dataclass, replace
from typing import Any

from .encoded import decode
from .forms import Part, read_form
from .refusals import Refusal
from .settings import MAX_TOP_K

Event = dict[str, Any]
_SOURCES = ("url", "image", "s3")
_WISHES = frozenset({"top_k", "raw"})
_TRUE_FALSE = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class Limits:
    max_image_bytes: int
    max_images: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """One image: its bytes, a URL of it, or the key of an upload."""

    image: bytes | None = None
    url: str | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """`several` says that a list was sent, and is answered by one; None stands where the function's default applies."""

    sources: tuple[Source, ...]
    several: bool = False
    top_k: int | None = None
    raw: bool | None = None


def is_http(event: Event) -> bool:
    """Whether the event comes from an HTTP API (payload version 2), not from a direct invocation."""
    context = event.get("requestContext")
    return isinstance(context, dict) and isinstance(context.get("http"), dict)


def method_and_path(event: Event) -> tuple[str, str]:
    """What was asked for: the path of the route that matched, else the request's own without its stage."""
    context = event["requestContext"]
    routed_path = str(event.get("routeKey", "")).partition(" ")[2]
    if routed_path.startswith("/") and "{" not in routed_path:
        path = routed_path
    else:
        path = str(event.get("rawPath", ""))
        stage_prefix = f"/{context.get('stage')}"
        if path == stage_prefix or path.startswith(f"{stage_prefix}/"):
            path = path.removeprefix(stage_prefix)
    return str(context["http"].get("method", "")).upper(), path.rstrip("/") or "/"


def read_http(event: Event, limits: Limits) -> PredictionRequest:
    """Reads the body by its content type; an image's own type is found out later, from its bytes."""
    content_type = _header(event, "content-type")
    media_type = content_type.partition(";")[0].strip().lower()
    request = _read_body(event, content_type, media_type, limits)
    query = event.get("queryStringParameters") or {}
    top_k = _number(query.get("top_k")) if request.top_k is None else request.top_k
    raw = _flag(query.get("raw")) if request.raw is None else request.raw
    return replace(request, top_k=top_k, raw=raw)


def _read_body(event: Event, content_type: str, media_type: str, limits: Limits) -> PredictionRequest:
    body = event.get("body") or ""
    is_base64 = event.get("isBase64Encoded")
    if media_type == "application/json":
        return read_json(read_json_text(event, limits.max_image_bytes), limits)
    if media_type == "multipart/form-data":
        # The limit is each image's own; Lambda's event bounds their sum.
        form = _decode(body, limits.max_image_bytes * 2) if is_base64 else body.encode()
        return _read_parts(read_form(form, content_type), limits)
    if media_type and not media_type.startswith("image/") and media_type != "application/octet-stream":
        raise Refusal(
            "unsupported_media_type",
            "The body's content type is not supported; send an image (image/jpeg, image/png, image/webp, image/gif or "
            'application/octet-stream), multipart/form-data, or application/json with {"url": "https://..."}.',
        )
    if not body:
        raise Refusal("bad_request", "The request has no body; send an image or JSON with its URL.")
    # Without the flag the bytes went through UTF-8 and are lost; what is left of them will not pass for an image.
    image = _decode(body, limits.max_image_bytes) if is_base64 else body.encode()
    return PredictionRequest(sources=(_sent(image, limits),))


def read_json_text(event: Event, max_image_bytes: int) -> object:
    """A JSON body's content."""
    body = event.get("body") or ""
    text = _decode(body, max_image_bytes * 2) if event.get("isBase64Encoded") else body
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal("bad_request", 'The body is not valid JSON; send {"url": "https://..."}.') from None


def read_json(content: object, limits: Limits) -> PredictionRequest:
    """Reads a JSON body, which is also what a direct invocation's event looks like."""
    if not isinstance(content, dict):
        raise Refusal("bad_request", 'The JSON must be an object such as {"url": "https://example.com/dog.jpg"}.')
    top_k, raw = _checked_number(content.get("top_k")), _checked_flag(content.get("raw"))
    if "images" in content:
        _refuse_unknown(content, {"images"})
        images = content["images"]
        if not isinstance(images, list) or not 1 <= len(images) <= limits.max_images:
            raise Refusal("bad_request", f'"images" must be a list of 1 to {limits.max_images} images.')
        sources = tuple(_read_source(image, limits) for image in images)
        return PredictionRequest(sources=sources, several=True, top_k=top_k, raw=raw)
    _refuse_unknown(content, set(_SOURCES))
    wanted = {key: value for key, value in content.items() if key in _SOURCES}
    return PredictionRequest(sources=(_read_source(wanted, limits),), top_k=top_k, raw=raw)


def read_upload(content: object) -> tuple[str, int]:
    """What is to be uploaded: its type and its size."""
    if not isinstance(content, dict) or content.keys() != {"content_type", "bytes"}:
        raise Refusal("bad_request", 'The JSON must be {"content_type": "image/jpeg", "bytes": 12345678}.')
    kind, length = content["content_type"], content["bytes"]
    if not isinstance(kind, str) or isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise Refusal("bad_request", '"content_type" must be a string, and "bytes" a whole number above 0.')
    return kind, length


def _refuse_unknown(content: dict[str, Any], known: set[str]) -> None:
    if not content.keys() <= known | _WISHES:
        raise Refusal(
            "bad_request",
            'The JSON has keys other than "url", "image" or "s3" (or "images" alone, a list of such), "top_k" and '
            '"raw"; remove them.',
        )


def _read_source(content: object, limits: Limits) -> Source:
    one = 'one of "url", "image" and "s3"'
    if not isinstance(content, dict) or not content.keys() <= set(_SOURCES):
        raise Refusal("bad_request", f"An image must be an object with {one}.")
    given = {key: value for key, value in content.items() if value is not None}
    if len(given) != 1:
        raise Refusal("bad_request", f"The JSON needs {one}, and only one of them for an image.")
    ((kind, value),) = given.items()
    if kind == "url":
        if not isinstance(value, str):
            raise Refusal("bad_request", '"url" must be a string such as "https://example.com/dog.jpg".')
        return Source(url=value.strip())
    if kind == "s3":
        if not isinstance(value, dict) or value.keys() != {"key"} or not isinstance(value["key"], str):
            raise Refusal("bad_request", '"s3" must be an object such as {"key": "uploads/..."}.')
        return Source(key=value["key"])
    if not isinstance(value, str) or not value:
        raise Refusal("bad_request", '"image" must be a string: the image file in base64.')
    return _sent(_decode(value, limits.max_image_bytes), limits)


def _read_parts(parts: list[Part], limits: Limits) -> PredictionRequest:
    sources: list[Source] = []
    wishes: dict[str, str] = {}
    for part in parts:
        if part.is_file:
            # What a browser sends for a file that nobody chose.
            if part.content:
                sources.append(_sent(part.content, limits))
            continue
        text = part.content.decode("utf-8", "replace").strip()
        if part.name == "url":
            sources.append(Source(url=text))
        elif part.name == "s3":
            sources.append(Source(key=text))
        elif part.name in _WISHES:
            wishes[part.name] = text
        else:
            raise Refusal(
                "bad_request",
                'The form has fields other than "url", "s3", "top_k" and "raw" that are no files; remove them.',
            )
    if not 1 <= len(sources) <= limits.max_images:
        raise Refusal("bad_request", f"The form must hold 1 to {limits.max_images} images; send that many files.")
    return PredictionRequest(
        sources=tuple(sources),
        several=len(sources) > 1,
        top_k=_number(wishes.get("top_k")),
        raw=_flag(wishes.get("raw")),
    )


def _decode(text: str, max_bytes: int) -> bytes:
    # The white space which the `base64` command adds, and no more, may stand on top of the limit.
    if len(text) // 4 * 3 > max_bytes * 1.03 + 4:
        raise _too_large(max_bytes)
    try:
        return decode(text)
    except ValueError:
        # The `base64` command breaks its lines; anything else that is not base64 is a mistake worth telling.
        compact = "".join(text.split())
    try:
        return decode(compact)
    except ValueError:
        raise Refusal("bad_request", 'The image is not valid base64; encode the file alone, without "data:".') from None


def _sent(image: bytes, limits: Limits) -> Source:
    if len(image) > limits.max_image_bytes:
        raise _too_large(limits.max_image_bytes)
    return Source(image=image)


def _too_large(max_bytes: int) -> Refusal:
    return Refusal("image_too_large", f"The image is larger than the {max_bytes:,} bytes allowed; scale it down.")


def _header(event: Event, name: str) -> str:
    headers = event.get("headers") or {}
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def _number(text: object) -> int | None:
    """`top_k` where it comes as text."""
    if text is None:
        return None
    is_number = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TOP_K))
    return _checked_number(int(str(text)) if is_number else text)


def _checked_number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOP_K:
        raise Refusal("bad_request", f'"top_k" must be a whole number from 1 to {MAX_TOP_K}.')
    return value


def _flag(text: object) -> bool | None:
    """`raw` where it comes as text."""
    return _checked_flag(_TRUE_FALSE.get(str(text).lower(), text) if text is not None else None)


def _checked_flag(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise Refusal("bad_request", '"raw" must be true or false.')
    return value
