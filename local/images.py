"""The registry file: which command an image URI runs in place of a container.

    [[image]]
    uri = "000000000000.dkr.ecr.us-east-1.amazonaws.com/classifier:*"
    command = ["{python}", "-m", "serving", "--model", "{model_dir}", "--port", "{port}"]

`command` is what serves, `train` the image's own program for training jobs; an image with neither runs only what a
job's ContainerEntrypoint says. `uri` may hold `*`. A command runs in the folder of the nearest pyproject.toml above the
file, else in the file's own.
"""

import fnmatch
import re
import string
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from local.home import LocalError

PLACEHOLDERS = {"command": {"python", "model_dir", "port"}, "train": {"python"}}
_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)"
)


class UnknownImage(Exception):
    """An image that the registry file does not name: what a failed pull is on AWS."""


@dataclass(frozen=True)
class Image:
    uri: str
    command: tuple[str, ...]
    folder: Path
    train: tuple[str, ...] = ()

    def arguments(self, **values: str) -> list[str]:
        return [part.format(**values) for part in self.command]

    def training(self) -> list[str]:
        return [part.format(python=sys.executable) for part in self.train]


@dataclass(frozen=True)
class EcrRepository:
    """The account's own repository that an image URI names."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"


def ecr_repository(uri: str) -> EcrRepository | None:
    match = _URI.match(uri)
    return EcrRepository(match["account"], match["region"], match["repository"]) if match else None


class ImageRegistry:
    """Read at each look-up, so that an edit needs no restart."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def find(self, uri: str) -> Image:
        if self.path is None:
            raise UnknownImage(
                f"no image registry file is set, so {uri} cannot be run; start with --images FILE or set images in "
                "[tool.embedded-aws] of pyproject.toml"
            )
        images = read(self.path)
        for image in images:
            if fnmatch.fnmatchcase(uri, image.uri):
                return image
        known = ", ".join(image.uri for image in images) or "none"
        raise UnknownImage(f"{self.path} has no [[image]] whose uri matches {uri}; it knows {known}")


def read(path: Path) -> list[Image]:
    """Every entry, or a sentence that names the file and the key at fault."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise LocalError(
            f"The image registry file {path} cannot be read ({error.strerror}): give its path with --images FILE or in "
            "[tool.embedded-aws] of pyproject.toml."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise LocalError(f"The image registry file {path} is not valid TOML: {error}.") from error
    if set(document) - {"image"} or not isinstance(document.get("image", []), list):
        raise LocalError(f"The image registry file {path} may hold [[image]] tables only, not {sorted(document)}.")
    folder = next((above for above in path.resolve().parents if (above / "pyproject.toml").is_file()), path.parent)
    return [_image(path, folder, entry) for entry in document.get("image", [])]


def _image(path: Path, folder: Path, entry: object) -> Image:
    where = f"The image registry file {path}, [[image]] {entry!r}"
    if not isinstance(entry, dict) or "uri" not in entry or set(entry) - {"uri", *PLACEHOLDERS}:
        raise LocalError(f"{where}: an entry has the key uri, may have command and train, and has no others.")
    uri = entry["uri"]
    if not isinstance(uri, str) or not uri:
        raise LocalError(f"{where}: uri must be a non-empty text.")
    programs = {key: _program(where, key, entry[key]) for key in PLACEHOLDERS if key in entry}
    return Image(uri, programs.get("command", ()), folder, programs.get("train", ()))


def _program(where: str, key: str, words: object) -> tuple[str, ...]:
    if not isinstance(words, list) or not words or not all(isinstance(part, str) for part in words):
        raise LocalError(f"{where}: {key} must be a non-empty list of texts.")
    for part in words:
        unknown = {name for _, name, _, _ in string.Formatter().parse(part) if name is not None} - PLACEHOLDERS[key]
        if unknown:
            raise LocalError(f"{where}: {part!r} has the unknown placeholder {unknown}; known are {PLACEHOLDERS[key]}.")
    return tuple(words)
