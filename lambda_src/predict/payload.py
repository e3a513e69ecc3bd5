"""From an event to what is asked for: a route, and for a prediction an image or a link with a number of labels."""

import binascii
import json
from dataclasses import dataclass
from typing import Any

from .refusals import Refusal
from .settings import MAX_TOP_K

Event = dict[str, Any]
_JSON_KEYS = frozenset({"url", "image", "top_k"})


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """Either an image or a URL of one; `top_k` is None when the function's default applies."""

    image: bytes | None = None
    url: str | None = None
    top_k: int | None = None


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


def read_http(event: Event, max_image_bytes: int) -> PredictionRequest:
    """Reads the body by its content type; the image's own type is found out later, from its bytes."""
    media_type = _header(event, "content-type").partition(";")[0].strip().lower()
    body = event.get("body") or ""
    query_top_k = _query_top_k(event)
    if media_type == "application/json":
        text = _decode(body, max_image_bytes * 2) if event.get("isBase64Encoded") else body
        request = read_json(_parse(text), max_image_bytes)
        return request if request.top_k is not None else _with_top_k(request, query_top_k)
    if media_type and not media_type.startswith("image/") and media_type != "application/octet-stream":
        raise Refusal(
            "unsupported_media_type",
            "The body's content type is not supported; send an image (image/jpeg, image/png, image/webp, image/gif or "
            'application/octet-stream) or application/json with {"url": "https://..."}.',
        )
    if not body:
        raise Refusal("bad_request", "The request has no body; send an image or JSON with its URL.")
    # Without the flag the bytes went through UTF-8 and are lost; what is left of them will not pass for an image.
    image = _decode(body, max_image_bytes) if event.get("isBase64Encoded") else body.encode()
    return PredictionRequest(image=_within(image, max_image_bytes), top_k=query_top_k)


def read_json(content: object, max_image_bytes: int) -> PredictionRequest:
    """Reads a JSON body, which is also what a direct invocation's event looks like."""
    if not isinstance(content, dict):
        raise Refusal("bad_request", 'The JSON must be an object such as {"url": "https://example.com/dog.jpg"}.')
    if not content.keys() <= _JSON_KEYS:
        raise Refusal("bad_request", 'The JSON has keys other than "url", "image" and "top_k"; remove them.')
    url, image = content.get("url"), content.get("image")
    if (url is None) == (image is None):
        raise Refusal("bad_request", 'The JSON needs "url" or "image", and only one of the two.')
    top_k = _checked_top_k(content.get("top_k"))
    if url is not None:
        if not isinstance(url, str):
            raise Refusal("bad_request", '"url" must be a string such as "https://example.com/dog.jpg".')
        return PredictionRequest(url=url.strip(), top_k=top_k)
    if not isinstance(image, str) or not image:
        raise Refusal("bad_request", '"image" must be a string: the image file in base64.')
    return PredictionRequest(image=_within(_decode(image, max_image_bytes), max_image_bytes), top_k=top_k)


def _parse(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal("bad_request", 'The body is not valid JSON; send {"url": "https://..."}.') from None


def _decode(text: str, max_bytes: int) -> bytes:
    # The white space which the `base64` command adds, and no more, may stand on top of the limit.
    if len(text) // 4 * 3 > max_bytes * 1.03 + 4:
        raise _too_large(max_bytes)
    try:
        return _decode_strictly(text)
    except ValueError:
        # The `base64` command breaks its lines; anything else that is not base64 is a mistake worth telling.
        compact = "".join(text.split())
    try:
        return _decode_strictly(compact)
    except ValueError:
        raise Refusal("bad_request", 'The image is not valid base64; encode the file alone, without "data:".') from None


def _decode_strictly(text: str) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)


def _within(image: bytes, max_image_bytes: int) -> bytes:
    if len(image) > max_image_bytes:
        raise _too_large(max_image_bytes)
    return image


def _too_large(max_bytes: int) -> Refusal:
    return Refusal("image_too_large", f"The image is larger than the {max_bytes:,} bytes allowed; scale it down.")


def _header(event: Event, name: str) -> str:
    headers = event.get("headers") or {}
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def _query_top_k(event: Event) -> int | None:
    text = (event.get("queryStringParameters") or {}).get("top_k")
    if text is None:
        return None
    is_number = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TOP_K))
    return _checked_top_k(int(text) if is_number else text)


def _checked_top_k(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOP_K:
        raise Refusal("bad_request", f'"top_k" must be a whole number from 1 to {MAX_TOP_K}.')
    return value


def _with_top_k(request: PredictionRequest, top_k: int | None) -> PredictionRequest:
    return PredictionRequest(image=request.image, url=request.url, top_k=top_k)
