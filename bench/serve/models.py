"""The network that everybody serves, and the pictures that everybody is asked about: from a cache, else made anew."""

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.serve.pictures import Picture

SMALL_COUNT, LARGE_COUNT = 8, 2
FACTS = "facts.json"


@dataclass(frozen=True)
class Models:
    """Folders, one for each kind of server, and what is asked of all."""

    served: Path
    """A model artefact for `serving/`."""
    torch: Path
    """For AWS's stack: model.pth, and code/inference.py that runs it eagerly."""
    onnx: Path
    """The same with ONNX Runtime."""
    small: list[Picture]
    large: list[Picture]
    flops: float
    """Of one picture; a multiply-add counts as two."""
    fp32_accuracy: float
    int8_accuracy: float
    scored: int


def models(cache: Path, say: Callable[[str], None]) -> Models:
    """Made once for each version of what makes them; a folder that is half made is never used."""
    folder = cache / _sources_hash()
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        from bench.serve.making import make  # noqa: PLC0415 (PyTorch takes a second to import, and once is enough)

        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as temporary:
            make(Path(temporary), say)
            Path(temporary).rename(folder)
            Path(temporary).mkdir()  # for its owner to remove
    facts = json.loads((folder / FACTS).read_text())
    asked = [
        Picture(path.read_bytes(), label_of(number))
        for number, path in enumerate(sorted((folder / "pictures").glob("*.jpg")))
    ]
    return Models(
        folder / "served", folder / "torch", folder / "onnx", asked[:SMALL_COUNT], asked[SMALL_COUNT:], **facts
    )


def _sources_hash() -> str:
    """Of everything that decides what is made."""
    here = Path(__file__).parent
    sources = sorted(
        [*here.glob("handlers/*.py"), *(here / f"{name}.py" for name in ("making", "pictures", "resnet50"))]
    )
    versions = " ".join(map(importlib.metadata.version, ("torch", "onnxruntime", "numpy", "pillow")))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources) + versions.encode()).hexdigest()[:16]


def label_of(number: int) -> str:
    return f"label-{number:03}"
