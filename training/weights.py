"""Weights to begin from: a file, a channel's folder, or an https address; checked before they are believed.

Published files of torchvision carry the start of their SHA-256 in their name (resnet50-11ad3fa6.pth); others are held
to `--weights-sha256`. Files are read without unpickling code.
"""

import hashlib
import os
import re
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training.errors import TrainingError
from training.models import head_of

SUFFIXES = (".pt", ".pth", ".bin")
SHA256_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
WRAPPERS = ("state_dict", "model_state_dict", "model")
CONNECT_SECONDS = 30
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Weights:
    """A checked file's tensors, and where they came from, for model.json."""

    tensors: dict[str, Tensor]
    source: str
    sha256: str


def read(source: str, sha256: str = "") -> Weights:
    """The weights at `source`, refused unless their hash is the expected one, where one is known."""
    is_address = "://" in source
    with tempfile.TemporaryDirectory() as temporary:
        file = _download(source, Path(temporary), sha256) if is_address else _file(Path(source))
        found = _check(file, file.name if not is_address else source, sha256)
        return Weights(_tensors(file, source), source, found)


def apply(network: nn.Module, weights: Weights, classes: int) -> bool:
    """Load strictly, the head excepted where it has other classes; answers whether the head was loaded too."""
    name, head = head_of(network, classes)
    own = network.state_dict()
    given = dict(weights.tensors)
    missing, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    if missing or unknown:
        lacking = f"lack {_named(missing)}" if missing else ""
        beside = f"have {_named(unknown)} beside" if unknown else ""
        said = " and ".join(words for words in (lacking, beside) if words)
        raise TrainingError(f"--weights {weights.source}: of another network; they {said}")
    other = [key for key in own if own[key].shape != given[key].shape]
    heads = [f"{name}.{part}" for part, _ in head.named_parameters()]
    if [key for key in other if key not in heads]:
        key = next(key for key in other if key not in heads)
        raise TrainingError(
            f"--weights {weights.source}: {key} has the shape {tuple(given[key].shape)}, "
            f"and this network's has {tuple(own[key].shape)}"
        )
    if other:
        given |= {key: own[key] for key in heads}
    network.load_state_dict(given, strict=True)
    return not other


def _file(path: Path) -> Path:
    if not path.exists():
        raise TrainingError(f"--weights {path}: no such file; name a file, a folder that holds one, or an address")
    if path.is_file():
        return path
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if len(found) != 1:
        listed = f"{len(found)} of them" if found else "none"
        raise TrainingError(f"--weights {path}: must hold one file of {', '.join(SUFFIXES)}; it holds {listed}")
    return found[0]


def _check(file: Path, named: str, sha256: str) -> str:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    expected = _expected(named, sha256)
    if not found.startswith(expected):
        raise TrainingError(f"--weights {named}: SHA-256 is {found}, expected is {expected}; fetch it again")
    return found


def _expected(named: str, sha256: str) -> str:
    in_name = SHA256_IN_NAME.search(named)
    return sha256.lower() or (in_name.group(1) if in_name else "")


def _download(address: str, folder: Path, sha256: str) -> Path:
    if urllib.parse.urlsplit(address).scheme != "https":
        raise TrainingError(f"--weights {address}: only https addresses are fetched")
    if not _expected(address, sha256):
        raise TrainingError(f"--weights {address}: give --weights-sha256, so that what comes can be checked")
    sys.stdout.write(f"fetching {address}\n")
    file = folder / "weights.pth"
    try:
        # the scheme is checked above; urllib follows redirects to https and http only, and the hash decides
        with urllib.request.urlopen(address, timeout=CONNECT_SECONDS) as answer, file.open("wb") as out:  # noqa: S310
            while piece := answer.read(PIECE_BYTES):
                out.write(piece)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise TrainingError(
            f"--weights {address}: cannot be fetched ({error}); a job without a network takes them from a channel "
            "named weights"
        ) from error
    return file


def _tensors(file: Path, source: str) -> dict[str, Tensor]:
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile pickle leads to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"--weights {source}: cannot be read as plain tensors ({reason}); save a state_dict with torch.save"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise TrainingError(f"--weights {source}: holds no state_dict; save one with torch.save(model.state_dict())")
    # DataParallel and DistributedDataParallel put "module." before every name
    return {key.removeprefix("module."): value for key, value in loaded.items()}


def _named(keys: list[str]) -> str:
    rest = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{os.fspath(keys[0])}{rest}"
