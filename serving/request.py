"""What a request asks for: the picture in its body, and the wishes in its headers."""

import base64
import binascii
import json

from serving.errors import RequestError

IMAGE_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "application/x-image", "application/octet-stream"}
)
JSON_TYPE = "application/json"
ACCEPTED = frozenset({JSON_TYPE, "application/*", "*/*"})
JSON_SHAPE = 'a JSON body must be {"image": "<base64>"}'


def media_type(header: str) -> str:
    """`image/jpeg; q=1` without its parameters."""
    return header.partition(";")[0].strip().lower()


def check_types(content_type: str, accept: str) -> None:
    """Refuse by the headers alone what the server could not read or could not write."""
    if media_type(content_type) not in IMAGE_TYPES | {JSON_TYPE}:
        allowed = ", ".join(sorted(IMAGE_TYPES | {JSON_TYPE}))
        message = f"Content-Type '{content_type[:100]}' is not supported; use one of {allowed}."
        raise RequestError(415, "content_type_unsupported", message)
    if not any(media_type(word) in ACCEPTED for word in accept.split(",")):
        message = f"Accept '{accept[:100]}' cannot be met; answers are {JSON_TYPE}."
        raise RequestError(406, "accept_unsupported", message)


def top_k(attributes: str, default: int, labels: int) -> int:
    """How many labels to name: `top_k=3` among the custom attributes, or the default; never more than there are."""
    wanted = default
    for attribute in filter(None, (part.strip() for part in attributes.split(","))):
        key, _, value = (word.strip() for word in attribute.partition("="))
        if key != "top_k":
            message = f"Custom attribute '{key[:100]}' is unknown; known is top_k, as in top_k=3."
            raise RequestError(400, "attribute_unknown", message)
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and int(value) >= 1):  # noqa: PLR2004 (9 digits)
            message = f"Custom attribute top_k is '{value[:100]}'; it must be a whole number from 1."
            raise RequestError(400, "attribute_invalid", message)
        wanted = int(value)
    return min(wanted, labels)


def image_bytes(content_type: str, body: bytes) -> bytes:
    """The picture's own bytes; image types are not taken at their word, the decoder looks for itself."""
    if not body:
        raise RequestError(400, "body_empty", "The body is empty; send an image.")
    return from_json(body) if media_type(content_type) == JSON_TYPE else body


def from_json(body: bytes) -> bytes:
    """The picture in `{"image": "<base64>"}`."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "json_invalid", f"The body is not JSON; {JSON_SHAPE}.") from error
    if not isinstance(document, dict) or set(document) != {"image"} or not isinstance(document["image"], str):
        raise RequestError(400, "json_invalid", f"The JSON has another shape; {JSON_SHAPE}.")
    try:
        image = base64.b64decode(document["image"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, "base64_invalid", f"'image' is not base64; {JSON_SHAPE}.") from error
    if not image:
        raise RequestError(400, "body_empty", f"'image' is empty; {JSON_SHAPE}.")
    return image
