"""What a frozen network makes of each picture just before its head: computed once, and kept.

A head is trained on them in seconds, since no picture goes through the network twice. The files are named by everything
that determines their numbers: the network's weights, the recipe and the pictures' own SHA-256. So a folder of them can
be shared by tuning trials (a channel named `features`), and a computation that was interrupted goes on after its last
piece.
"""

import copy
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.augment import Draws, Indices
from training.errors import TrainingError
from training.export import export
from training.group import Group
from training.models import head_of
from training.preprocess import Pixels, Recipe
from training.sources import Examples, normalised

Values = NDArray[np.float16]
Engine = Callable[[Tensor], NDArray[np.float32]]
AT_ONCE = 32
PIECE = 1024  # pictures in a file
# Between ONNX Runtime's and PyTorch's features, relative to their size.
TOLERANCE = 1e-3


class Features:
    """Features of a split's pictures: one view as they are, and one mirrored where training flips."""

    def __init__(self, values: Values, targets: Tensor, names: list[str], *, mean: Tensor, std: Tensor) -> None:
        self.targets, self.names = targets, names
        self._values, self._mean, self._std = values, mean, std

    def gather(self, indices: Indices, draws: Draws | None, rows: Indices) -> Tensor:
        views = np.zeros(len(indices), dtype=int)
        if draws is not None and self._values.shape[1] > 1:
            views = (draws.mirrors[rows] < 0.5).astype(int)  # noqa: PLR2004 (half of them)
        return torch.from_numpy(self._values[indices, views].astype(np.float32))

    def to_network(self, gathered: Tensor, device: torch.device) -> Tensor:
        return gathered.to(device).sub_(self._mean.to(device)).div_(self._std.to(device))


@dataclass(frozen=True)
class Body:
    """A network without its head, and the name of what it computes."""

    network: nn.Module
    recipe: Recipe
    width: int
    key: str

    @classmethod
    def of(cls, network: nn.Module, recipe: Recipe, classes: int) -> "Body":
        name, head = head_of(network, classes)
        body = copy.deepcopy(network).eval()
        parent, _, last = name.rpartition(".")
        setattr(body.get_submodule(parent), last, nn.Identity())
        digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
        for key, value in sorted(body.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.cpu().numpy().tobytes())
        return cls(body, recipe, head.in_features, digest.hexdigest())


def compute(
    body: Body,
    examples: Examples,
    hashes: Sequence[str],
    store: Path,
    *,
    flip: bool,
    group: Group,
    tick: Callable[[], None] = lambda: None,
) -> Values:
    """The features of a split, from the store or into it."""
    views, count = 2 if flip else 1, len(examples.targets)
    key = hashlib.sha256(json.dumps([body.key, views, list(hashes)]).encode()).hexdigest()[:32]
    values = np.empty((count, views, body.width), dtype=np.float16)
    engine: Engine | None = None
    for start in range(0, count, PIECE):
        stop = min(start + PIECE, count)
        place = store / f"{key}-{start:09d}.npy"
        # the first rank's folder decides, since a channel or a restored checkpoint need not be on every machine
        piece = group.shared(_stored(place, (stop - start, views, body.width)) if group.leads else None)
        if piece is None:
            engine = engine or engine_of(body, examples)
            piece = _computed(body, engine, examples, numbers=range(start, stop), views=views, group=group)
            if group.leads:
                _store(place, piece)
        values[start:stop] = piece
        for _ in range(start, stop):
            tick()
    return values


def sources(found: dict[str, Values], examples: dict[str, Examples]) -> tuple[dict[str, Features], Tensor, Tensor]:
    """Splits of features, centred and scaled by those of the training split, with what they were centred by."""
    seen = found["train"].astype(np.float32).reshape(-1, found["train"].shape[-1])
    mean, std = torch.from_numpy(seen.mean(axis=0)), torch.from_numpy(np.maximum(seen.std(axis=0), 1e-6))
    made = {
        name: Features(values, examples[name].targets, examples[name].names, mean=mean, std=std)
        for name, values in found.items()
    }
    return made, mean, std


def unfold(head: nn.Linear, mean: Tensor, std: Tensor) -> None:
    """Have a head that takes features as they are take them centred and scaled; the same answers."""
    mean, std = mean.to(head.weight.device), std.to(head.weight.device)
    with torch.no_grad():
        head.bias.add_(head.weight @ mean)
        head.weight.mul_(std)


def fold(head: nn.Linear, mean: Tensor, std: Tensor) -> None:
    """The other way round, after training."""
    mean, std = mean.to(head.weight.device), std.to(head.weight.device)
    with torch.no_grad():
        head.weight.div_(std)
        head.bias.sub_(head.weight @ mean)


def engine_of(body: Body, examples: Examples) -> Engine:
    """ONNX Runtime on CPUs, where it is about twice as fast as PyTorch and answers the same; else PyTorch."""
    device = next(body.network.parameters()).device

    def in_torch(images: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            return np.asarray(body.network(images.to(device)).float().cpu().numpy())

    if device.type != "cpu":
        return in_torch
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "body.onnx"
        try:
            export(body.network, body.recipe, file)
        except Exception as error:  # an architecture that the exporter does not know raises anything
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            sys.stdout.write(f"features are computed by PyTorch, since the export fails: {reason}\n")
            return in_torch
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (put,) = session.get_inputs()

    def in_onnx_runtime(images: Tensor) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {put.name: np.ascontiguousarray(images.numpy())})[0])

    first = _images(body.recipe, examples.pixels[:4])
    expected, found = in_torch(first), in_onnx_runtime(first)
    if not np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        sys.stdout.write("features are computed by PyTorch, since the exported network answers differently\n")
        return in_torch
    return in_onnx_runtime


def _computed(body: Body, engine: Engine, examples: Examples, *, numbers: range, views: int, group: Group) -> Values:
    """A piece, each rank a share of it."""
    own = list(numbers)[group.rank :: group.ranks]
    share = np.empty((len(own), views, body.width), dtype=np.float16)
    for start in range(0, len(own), AT_ONCE):
        images = _images(body.recipe, examples.pixels[own[start : start + AT_ONCE]])
        rows = slice(start, start + len(images))
        share[rows, 0] = engine(images)
        if views > 1:
            share[rows, 1] = engine(images.flip(-1))
    piece = np.empty((len(numbers), views, body.width), dtype=np.float16)
    for rank, part in enumerate(group.all(share)):
        piece[rank :: group.ranks] = part
    if not np.isfinite(piece).all():
        raise TrainingError("the frozen network's features are not finite: its weights or its normalisation are wrong")
    return piece


def _images(recipe: Recipe, pixels: Pixels) -> Tensor:
    """The middle of each picture, which is what the server sees."""
    top, left = (pixels.shape[1] - recipe.height) // 2, (pixels.shape[2] - recipe.width) // 2
    middle = pixels[:, top : top + recipe.height, left : left + recipe.width]
    return normalised(torch.from_numpy(np.ascontiguousarray(middle)), recipe)


def _stored(place: Path, shape: tuple[int, ...]) -> Values | None:
    try:
        found: Values = np.load(place, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float16 else None


def _store(place: Path, piece: Values) -> None:
    """A channel is read-only: what it lacks is computed again by the next run."""
    new = place.with_suffix(f".{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            np.save(file, piece)
        new.replace(place)
    except OSError as error:
        new.unlink(missing_ok=True)
        sys.stdout.write(f"features are not kept in {place.parent} ({error.strerror})\n")
