"""What a request asks for: the pictures in its body, and the wishes in its headers."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.arrays import SEVERAL_IMAGES, Array, read_array
from serving.errors import RequestError

IMAGE_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "application/x-image", "application/octet-stream"}
)
JSON_TYPE, LINES_TYPE, CSV_TYPE = "application/json", "application/jsonlines", "text/csv"
NPY_TYPES = frozenset({"application/x-npy", "application/npy"})
READABLE = IMAGE_TYPES | NPY_TYPES | {JSON_TYPE, LINES_TYPE}
WRITABLE = (JSON_TYPE, LINES_TYPE, CSV_TYPE)
WILDCARDS = frozenset({"*/*", "application/*", ""})
OUTPUTS = ("labels", "logits", "vector")
ATTRIBUTES = "top_k, as in top_k=3, and output, as in output=labels, output=logits or output=vector"
JSON_SHAPE = 'a JSON body must be {"image": "<base64>"}, {"images": ["<base64>", ...]} or ["<base64>", ...]'
LINE_SHAPE = 'a line must be {"image": "<base64>"} or "<base64>"'


@dataclass(frozen=True)
class Wishes:
    """What the headers ask for."""

    content_type: str = JSON_TYPE
    accept: str = JSON_TYPE
    top_k: int = 5
    output: str = "labels"

    @property
    def by_line(self) -> bool:
        """Whether each picture has a line of its own in body and answer, which then can hold its error."""
        return self.content_type == LINES_TYPE and self.accept == LINES_TYPE


@dataclass(frozen=True)
class Picture:
    """A file's bytes, an array of pixels, or the network's own input."""

    content: bytes | Array = b""
    tensor: Array | None = None


def read_wishes(headers: dict[str, str], default_top_k: int, labels: int) -> Wishes:
    """Refuse by the headers alone what the server could not read, do or write."""
    given = headers.get("content-type", "application/octet-stream")
    content_type = media_type(given)
    if content_type not in READABLE:
        message = f"Content-Type '{given[:100]}' is not supported; use one of {', '.join(sorted(READABLE))}."
        raise RequestError(415, "content_type_unsupported", message)
    accept = accepted(headers.get("accept", "*/*"), LINES_TYPE if content_type == LINES_TYPE else JSON_TYPE)
    attributes = read_attributes(headers.get("x-amzn-sagemaker-custom-attributes", ""))
    top_k = attributes.get("top_k", str(default_top_k))
    if not (top_k.isascii() and top_k.isdigit() and len(top_k) <= 9 and int(top_k) >= 1):  # noqa: PLR2004 (9 digits)
        message = f"Custom attribute top_k is '{top_k[:100]}'; it must be a whole number from 1."
        raise RequestError(400, "attribute_invalid", message)
    output = attributes.get("output", OUTPUTS[0])
    if output not in OUTPUTS:
        message = f"Custom attribute output is '{output[:100]}'; it must be {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}."
        raise RequestError(400, "attribute_invalid", message)
    return Wishes(content_type, accept, min(int(top_k), labels), output)


def media_type(header: str) -> str:
    """`image/jpeg; q=1` without its parameters."""
    return header.partition(";")[0].strip().lower()


def accepted(header: str, usual: str) -> str:
    """The first type of Accept that the server can write; the usual one where any will do."""
    for word in header.split(","):
        wanted = media_type(word)
        if wanted in WILDCARDS:
            return usual
        if wanted in WRITABLE:
            return wanted
    message = f"Accept '{header[:100]}' cannot be met; answers are {', '.join(WRITABLE)}."
    raise RequestError(406, "accept_unsupported", message)


def read_attributes(text: str) -> dict[str, str]:
    """`top_k=3, output=logits`."""
    found = {}
    for attribute in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = (word.strip() for word in attribute.partition("="))
        if key not in {"top_k", "output"}:
            message = f"Custom attribute '{key[:100]}' is unknown; known are {ATTRIBUTES}."
            raise RequestError(400, "attribute_unknown", message)
        found[key] = value
    return found


@dataclass(frozen=True)
class Pictures:
    """The pictures in a body; in JSON Lines what is wrong with a line stands in its place."""

    items: Sequence["Picture | RequestError"]
    several: bool
    """Whether there could have been several: their answer is a list, even of one."""


def read_pictures(content_type: str, body: bytes, max_images: int) -> Pictures:
    if not body or (content_type == LINES_TYPE and not body.strip()):
        raise RequestError(400, "body_empty", "The body is empty; send an image.")
    if content_type == JSON_TYPE:
        return from_json(body, max_images)
    if content_type == LINES_TYPE:
        return from_lines(body, max_images)
    if content_type in NPY_TYPES:
        return from_npy(body, max_images)
    # Image types are not taken at their word, the decoder looks for itself.
    return Pictures([Picture(body)], several=False)


def from_npy(body: bytes, max_images: int) -> Pictures:
    """The pictures of an .npy file: pixels, or the network's own input."""
    array = read_array(body)
    images = array if array.ndim == SEVERAL_IMAGES else array[None]
    check_count(len(images), max_images)
    items = [Picture(tensor=image) if image.dtype.kind == "f" else Picture(image) for image in images]
    return Pictures(items, several=array.ndim == SEVERAL_IMAGES)


def from_json(body: bytes, max_images: int) -> Pictures:
    """The pictures of a JSON document."""
    document = parsed(body, JSON_SHAPE)
    one = isinstance(document, dict) and set(document) == {"image"}
    if one:
        images = [document["image"]]
    elif isinstance(document, dict) and set(document) == {"images"}:
        images = document["images"]
    else:
        images = document
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise RequestError(400, "json_invalid", f"The JSON has another shape; {JSON_SHAPE}.")
    if not images:
        raise RequestError(400, "body_empty", f"There is no image in the list; {JSON_SHAPE}.")
    check_count(len(images), max_images)
    return Pictures([Picture(from_base64(image, JSON_SHAPE)) for image in images], several=not one)


def from_lines(body: bytes, max_images: int) -> Pictures:
    """One picture a line; empty lines at the end count as none."""
    lines = body.rstrip().split(b"\n")
    check_count(len(lines), max_images)
    pictures: list[Picture | RequestError] = []
    for line in lines:
        try:
            pictures.append(from_line(line))
        except RequestError as error:
            pictures.append(error)
    return Pictures(pictures, several=True)


def from_line(line: bytes) -> Picture:
    document = parsed(line, LINE_SHAPE)
    image = document.get("image") if isinstance(document, dict) and set(document) == {"image"} else document
    if not isinstance(image, str):
        raise RequestError(400, "json_invalid", f"The line has another shape; {LINE_SHAPE}.")
    return Picture(from_base64(image, LINE_SHAPE))


def check_count(count: int, max_images: int) -> None:
    if count > max_images:
        message = f"The request has {count} images; at most {max_images} are allowed, send them in several requests."
        raise RequestError(413, "too_many_images", message)


def parsed(text: bytes, shape: str) -> Any:  # noqa: ANN401 (JSON from outside)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "json_invalid", f"The body is not JSON; {shape}.") from error


def from_base64(text: str, shape: str) -> bytes:
    try:
        image = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, "base64_invalid", f"An image is not base64; {shape}.") from error
    if not image:
        raise RequestError(400, "body_empty", f"An image is empty; {shape}.")
    return image
