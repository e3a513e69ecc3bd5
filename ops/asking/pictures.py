"""What is to be asked about: files, folders, links and objects, each one picture with a name."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from ops.addresses import without_secrets
from ops.errors import OperatorError
from ops.printable import tell

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
LARGEST_BYTES = 25_000_000  # what an endpoint takes
FETCH_SECONDS = 30
SHOWN_OTHERS = 3
HEAD_BYTES = 16
MISSING = ("NoSuchKey", "NoSuchBucket", "404")


class PictureError(OperatorError):
    """This one cannot be asked about; the others can."""


@dataclass(frozen=True)
class Picture:
    name: str
    """As the caller wrote it, a link without its signature; or its path below the folder."""
    file: Path | None = None
    url: str = ""
    place: tuple[str, str] | None = None
    """Bucket and key."""

    def read(self, s3: Any) -> bytes:  # noqa: ANN401 - boto3 makes its clients at run time
        if self.file is not None:
            content = _of_file(self.file, self.name)
        elif self.place is not None:
            content = _of_object(s3, *self.place)
        else:
            content = _of_link(self.url)
        _refuse_size(len(content), self.name)
        return content


def look_at(file: Path, name: str) -> None:
    """PictureError for what no model would take, without reading all of it."""
    _refuse_size(file.stat().st_size, name)
    try:
        with file.open("rb") as opened:
            kind_of(opened.read(HEAD_BYTES), name)
    except OSError as error:
        raise PictureError(f"{name} cannot be read ({error.strerror}).") from None


def _refuse_size(size: int, name: str) -> None:
    if size > LARGEST_BYTES:
        raise PictureError(f"{name} has more than the {LARGEST_BYTES:,} bytes that an endpoint takes.")
    if not size:
        raise PictureError(f"{name} is empty.")


def found(words: Sequence[str], s3: Any) -> list[Picture]:  # noqa: ANN401
    """Every word's pictures, in their order; a sentence for a word that leads nowhere, before anything is asked."""
    pictures: list[Picture] = []
    for word in words:
        pictures += _of_word(word, s3)
    return pictures


def _of_word(word: str, s3: Any) -> list[Picture]:  # noqa: ANN401
    scheme = urlsplit(word).scheme
    if scheme == "https":
        return [Picture(without_secrets(word), url=word)]
    if scheme == "http":
        raise OperatorError(f"{without_secrets(word)} is no https link: the predict function fetches no others.")
    if scheme == "s3":
        return list(_below(word, s3))
    path = Path(word)
    if path.is_dir():
        files = below(path)
        return [Picture(one.relative_to(path).as_posix(), file=one) for one in files]
    if not path.is_file():
        raise OperatorError(f"There is no file {word}: name a picture, a folder, an https link or s3://BUCKET/KEY.")
    return [Picture(word, file=path)]


def below(folder: Path) -> list[Path]:
    """A folder's pictures, by their names' ends; what else lies there is left out, and told."""
    files = sorted(one for one in folder.rglob("*") if one.is_file() and not one.name.startswith("."))
    pictures = [one for one in files if one.suffix.lower() in SUFFIXES]
    others = [one.relative_to(folder).as_posix() for one in files if one.suffix.lower() not in SUFFIXES]
    if not pictures:
        raise OperatorError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}).")
    if others:
        more = f" and {len(others) - SHOWN_OTHERS} more" if len(others) > SHOWN_OTHERS else ""
        tell(f"Left out, as no {', '.join(SUFFIXES)}: {', '.join(others[:SHOWN_OTHERS])}{more}.")
    return pictures


def _below(word: str, s3: Any) -> Iterator[Picture]:  # noqa: ANN401
    parts = urlsplit(word)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    if key and not key.endswith("/"):
        yield Picture(word, place=(bucket, key))
        return
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        keys = [one for one in pages.search("Contents[].Key") if one and one.lower().endswith(SUFFIXES)]
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            raise OperatorError(f"There is no bucket {bucket}.") from None
        raise
    if not keys:
        raise OperatorError(f"{word} holds no pictures ({', '.join(SUFFIXES)}).")
    for one in keys:
        yield Picture(one.removeprefix(key), place=(bucket, one))


def kind_of(content: bytes, name: str) -> str:
    """Its media type by its own first bytes."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise PictureError(f"{name} is no JPEG, PNG, WebP or GIF file.")


def _of_file(file: Path, name: str) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise PictureError(f"{name} cannot be read ({error.strerror}).") from None


def _of_object(s3: Any, bucket: str, key: str) -> bytes:  # noqa: ANN401
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read(LARGEST_BYTES + 1))
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            raise PictureError(f"There is no object s3://{bucket}/{key}.") from None
        raise


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: Any) -> urllib.request.Request | None:  # noqa: ANN401 - urllib's, the URL last
        if urlsplit(given[-1]).scheme != "https":
            raise urllib.error.URLError(f"it leads to {without_secrets(given[-1])}, which is no https link")
        return super().redirect_request(*given)


def _of_link(url: str) -> bytes:
    """By this machine itself: an endpoint fetches nothing."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        _OnlyHttps(),
    )
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as answer:
            return bytes(answer.read(LARGEST_BYTES + 1))
    except (OSError, ValueError) as error:
        raise PictureError(
            f"{without_secrets(url)} cannot be fetched: {getattr(error, 'reason', None) or error}."
        ) from None
