"""A data set that has been looked at: its pictures under the keys that they will have, and the manifest of it all."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ops.data.names import PREFIX

# docs/dataset.md describes it.
FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Picture:
    file: Path
    key: str
    """Below the data set's prefix: split, class's folder, file."""
    label: str
    sha256: str
    """As it was when somebody looked."""
    size: int
    """In bytes."""

    @property
    def checksum(self) -> str:
        """As S3 writes it."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


@dataclass(frozen=True)
class DataSet:
    name: str
    pictures: tuple[Picture, ...]
    was_split: bool
    """Whether it came in splits of its own."""
    left_out: Mapping[str, str]
    """Picture -> why it cannot be used."""
    duplicates: Mapping[str, str]
    traits: Mapping[str, list[str]]

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/{self.name}"

    @property
    def size(self) -> int:
        return sum(picture.size for picture in self.pictures)

    @property
    def splits(self) -> dict[str, int]:
        counted = Counter(picture.key.split("/", 1)[0] for picture in self.pictures)
        return {split: counted[split] for split in SPLITS}

    @property
    def labels(self) -> list[str]:
        return sorted({picture.label for picture in self.pictures})

    @cached_property
    def sha256(self) -> str:
        """Over every picture's path and content, as `training/data.py` computes it."""
        whole = hashlib.sha256()
        for picture in sorted(self.pictures, key=lambda each: PurePosixPath(each.key)):
            whole.update(f"{picture.key} {picture.sha256}\n".encode())
        return whole.hexdigest()

    @cached_property
    def manifest(self) -> bytes:
        """The same for the same content whenever it is made: intake starts one run for one manifest."""
        said = {
            "format": FORMAT,
            "pictures": len(self.pictures),
            "sha256": self.sha256,
            "bytes": self.size,
            "classes": len(self.labels),
            "splits": self.splits,
        }
        return json.dumps(said).encode()

    def examples(self) -> dict[str, Path]:
        """Label -> one of its pictures that training never sees."""
        tests = [picture for picture in self.pictures if picture.key.startswith("test/")]
        return {picture.label: picture.file for picture in reversed(tests)}
