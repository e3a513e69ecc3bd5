"""The model artefact: write its files, and pack them as model.tar.gz (docs/artefact.md).

    python -m training.artifact MODEL_DIR model.tar.gz

The same files give the same bytes: names sorted, no time, no owner.
"""

import gzip
import hashlib
import json
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.errors import TrainingError

FORMAT = 1
METADATA = "model.json"
NETWORK = "model.onnx"
WEIGHTS = "model.pt"
QUANTISED = "model.int8.onnx"
FILES = (METADATA, NETWORK, WEIGHTS)
OPTIONAL = (QUANTISED,)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_sha256() -> str:
    """One hash over this package's own sources, which ship together."""
    package = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for file in sorted(package.glob("*.py")):
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def files_of(folder: Path) -> list[str]:
    """The names of an artefact's files, in the order in which they are packed."""
    return sorted([*FILES, *(name for name in OPTIONAL if (folder / name).is_file())])


def write_metadata(folder: Path, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Write model.json beside the model files; the version is the name and the start of the network's hash."""
    hashes = {file: file_sha256(folder / file) for file in files_of(folder) if file != METADATA}
    files = {file: {"sha256": sha256, "bytes": (folder / file).stat().st_size} for file, sha256 in hashes.items()}
    metadata = {"format": FORMAT, "version": f"{name}-{hashes[NETWORK][:8]}", **facts, "files": files}
    (folder / METADATA).write_text(json.dumps(metadata, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return metadata


def read_metadata(folder: Path) -> dict[str, Any]:
    """The model.json of an unpacked artefact."""
    try:
        metadata: dict[str, Any] = json.loads((folder / METADATA).read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder / METADATA}: not readable ({error}); name a model artefact") from error
    return metadata


def pack(folder: Path, archive: Path) -> None:
    """Write the artefact's files into a tar.gz whose bytes depend on nothing else."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in files_of(folder):
            member = tarfile.TarInfo(name)
            member.size = (folder / name).stat().st_size
            member.mode = 0o644
            with (folder / name).open("rb") as file:
                tar.addfile(member, file)


def main(words: Sequence[str]) -> int:
    if len(words) != 2:  # noqa: PLR2004 (two words)
        sys.stderr.write("usage: python -m training.artifact MODEL_DIR model.tar.gz\n")
        return 2
    folder, archive = Path(words[0]), Path(words[1])
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        sys.stderr.write(f"{folder}: {', '.join(missing)} missing; an artefact is made of {', '.join(FILES)}\n")
        return 1
    try:
        pack(folder, archive)
    except OSError as error:
        sys.stderr.write(f"{archive}: cannot be written ({error.strerror}); name a file in a folder you may write\n")
        return 1
    sys.stdout.write(f"{archive} {file_sha256(archive)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
