"""Read and check a model artefact (docs/artefact.md): model.tar.gz, or the folder it unpacks to.

    python -m serving.artifact FILE_OR_FOLDER

Prints what it holds and exits 0; or names the fault (file, key, value, what is allowed) and exits 1.
"""

import errno
import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import StartError
from serving.preprocess import Preprocessing
from serving.schema import check_metadata

METADATA, NETWORK, WEIGHTS = "model.json", "model.onnx", "model.pt"
INT8_NETWORK = "model.int8.onnx"
MAX_UNPACKED_BYTES = 2 * 1024**3
MAX_MEMBERS = 100
MAX_METADATA_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class Artifact:
    """A checked artefact."""

    network: Path
    version: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    input_name: str
    output_name: str
    temperature: float


@contextmanager
def opened(path: Path, precision: str = "fp32") -> Iterator[Artifact]:
    """Check an artefact; a packed one lies in a temporary folder until the end."""
    if path.is_dir():
        with checked(path, precision) as artifact:
            yield artifact
        return
    with tempfile.TemporaryDirectory(prefix="whippet-model-") as temporary:
        unpack(path, Path(temporary))
        with checked(Path(temporary), precision) as artifact:
            yield artifact


def unpack(archive: Path, folder: Path) -> None:
    """Unpack plain files by plain names and nothing else, counting bytes as they come."""
    if not archive.is_file():
        raise StartError(f"{archive}: no such file or folder; name a model.tar.gz or the folder it unpacks to")
    unpacked_bytes = 0
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for count, member in enumerate(tar, start=1):
                unpacked_bytes += member.size
                if count > MAX_MEMBERS or unpacked_bytes > MAX_UNPACKED_BYTES:
                    allowed = f"{MAX_MEMBERS} files and {MAX_UNPACKED_BYTES} bytes"
                    raise StartError(f"{archive}: it unpacks to more than {allowed}; pack a model artefact")
                name = member.name.removeprefix("./")
                if member.isdir() and name in {"", "."}:
                    continue
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not is_plain(name):
                    raise StartError(
                        f"{archive}: member '{member.name}' is not a plain file at the top; pack only those"
                    )
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StartError(f"{folder}: no room to unpack {archive} into; free some, or set TMPDIR") from error
        raise unreadable(archive, error) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise unreadable(archive, error) from error


def unreadable(archive: Path, error: Exception) -> StartError:
    return StartError(f"{archive}: not a readable tar.gz ({error}); pack or copy it again")


def is_plain(name: str) -> bool:
    """Whether a member's name stays in the folder it is unpacked to."""
    return bool(name) and name not in {".", ".."} and not set(name) & {"/", "\\", "\0"}


def read_artifact(folder: Path, precision: str = "fp32") -> Artifact:
    """Check model.json and the hashes of the files it names."""
    with checked(folder, precision) as artifact:
        return artifact


@contextmanager
def checked(folder: Path, precision: str) -> Iterator[Artifact]:
    """The artefact by its model.json. Its files are hashed meanwhile, and a fault in them is raised at the end,
    instead of whatever else was found, since it is the reason for that."""
    metadata = read_metadata(folder / METADATA)
    check_metadata(folder / METADATA, metadata)
    network = network_of(folder, metadata, precision)
    names = dict.fromkeys((network.name, NETWORK, WEIGHTS))
    # One at a time: the other cores have better things to do.
    with ThreadPoolExecutor(max_workers=1) as pool:
        checks = [pool.submit(check_file, folder / name, metadata["files"][name]["sha256"]) for name in names]
        try:
            yield described(metadata, network)
        finally:
            for check in checks:
                check.result()


def network_of(folder: Path, metadata: dict[str, Any], precision: str) -> Path:
    """The network to serve: the one in 8 bits only where training kept it for its accuracy."""
    if precision == "fp32":
        return folder / NETWORK
    told = metadata.get("int8", {"reason": "its training did not try"})
    if told.get("kept"):
        return folder / INT8_NETWORK
    raise StartError(
        f"{folder / METADATA}: int8 was asked for, and this artefact has no such network: {told['reason']}; "
        'set serving.precision = "fp32" in the stage file, or train again'
    )


def described(metadata: dict[str, Any], network: Path) -> Artifact:
    """What a model.json that has been checked says of a network."""
    return Artifact(
        network=network,
        version=metadata["version"],
        labels=tuple(metadata["labels"]),
        preprocessing=recipe_of(metadata),
        input_name=metadata["input"]["name"],
        output_name=metadata["output"]["name"],
        temperature=float(metadata["temperature"]),
    )


def read_metadata(path: Path) -> Any:  # noqa: ANN401 (JSON from outside; check_metadata gives it its shape)
    """Parse model.json."""
    if not path.is_file():
        raise StartError(f"{path}: no such file; an artefact holds {METADATA}, {NETWORK} and {WEIGHTS} at its top")
    if path.stat().st_size > MAX_METADATA_BYTES:
        raise StartError(f"{path}: {path.stat().st_size} bytes; allowed are {MAX_METADATA_BYTES}")
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise StartError(f"{path}: not JSON ({error}); write the artefact again") from error
    except RecursionError as error:
        raise StartError(f"{path}: nested too deeply to be a model.json; write the artefact again") from error


def check_file(path: Path, sha256: str) -> None:
    """Refuse a file that is not the one that model.json was written for."""
    if not path.is_file():
        raise StartError(f"{path}: no such file; an artefact holds {METADATA}, {NETWORK} and {WEIGHTS} at its top")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        raise StartError(
            f"{path}: its SHA-256 is {actual}, but files.{path.name}.sha256 in {METADATA} is {sha256}; "
            "the file is damaged or belongs to another model, copy the artefact again"
        )


def recipe_of(metadata: dict[str, Any]) -> Preprocessing:
    """The recipe of a model.json that has been checked."""
    recipe = metadata["preprocessing"]
    return Preprocessing(
        height=metadata["input"]["height"],
        width=metadata["input"]["width"],
        resize=recipe["resize"],
        jpeg_draft=recipe["jpeg_draft"],
        exif=recipe["exif"],
        background=tuple(recipe["background"]),
        interpolation=recipe["interpolation"],
        scale=float(recipe["scale"]),
        mean=tuple(recipe["mean"]),
        std=tuple(recipe["std"]),
    )


def main(words: Sequence[str]) -> int:
    if len(words) != 1:
        sys.stderr.write("usage: python -m serving.artifact FILE_OR_FOLDER\n")
        return 2
    # Reading an artefact needs no ONNX Runtime, judging one does.
    from serving.engine import check_signature, load, session_options  # noqa: PLC0415

    try:
        with opened(Path(words[0])) as artifact:
            check_signature(artifact, load(artifact.network, session_options(threads=1)))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    size = f"{artifact.preprocessing.height} x {artifact.preprocessing.width}"
    sys.stdout.write(f"{words[0]}: {artifact.version}, {len(artifact.labels)} labels, input {size}: whole and sound\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
