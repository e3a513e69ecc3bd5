"""A head on cached features against the course's loop, until it is as good on the validation pictures."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.train import course
from training import features, models
from training.body import Body
from training.data import labels_of, read_split
from training.dataset import Choices, load
from training.errors import TrainingError
from training.group import Group
from training.head import unfold
from training.hyperparameters import Hyperparameters
from training.loop import Surroundings, fit
from training.preprocess import Recipe
from training.run import Epoch

ARCHITECTURE, SIZE, RESIZE = "resnet50", 224, 252
HEAD_EPOCHS = 40


@dataclass(frozen=True)
class Pair:
    course_seconds: float
    """Until the end of the epoch in which it was as good as it ever became."""
    course_epochs: int
    course_accuracy: float
    seconds: float
    """Until as good as that: decoding, the one pass through the network, and the head's epochs."""
    features_seconds: float
    accuracy: float

    @property
    def ratio(self) -> float:
        return self.course_seconds / self.seconds


def measure(data: Path, epochs: int, tick: Callable[[], None]) -> Pair:
    labels = labels_of(data / "train")
    seen, held_out = (read_split(data / name, labels) for name in ("train", "valid"))
    torch.manual_seed(1)
    network = models.build(ARCHITECTURE, len(labels))
    begin = {name: value.clone() for name, value in network.state_dict().items()}
    passes = list(course.train(network, seen, held_out, size=SIZE, resize=RESIZE, epochs=epochs, tick=tick))
    best = max(passes, key=lambda one: one.accuracy)  # the first of equals
    network.load_state_dict(begin)
    network.requires_grad_(True)
    with tempfile.TemporaryDirectory() as cache:
        seconds, until_features, accuracy = ours(network, data, Path(cache), len(labels), best.accuracy)
    tick()
    return Pair(best.seconds, passes.index(best) + 1, best.accuracy, seconds, until_features, accuracy)


class ReachedError(Exception):
    """As good as the course's loop; the rest of the run need not be timed."""

    def __init__(self, accuracy: float) -> None:
        super().__init__(accuracy)
        self.accuracy = accuracy


def ours(network: torch.nn.Module, data: Path, cache: Path, classes: int, target: float) -> tuple[float, float, float]:
    """What `--stage head` does, stopped where it is good enough."""
    began = time.monotonic()
    recipe = Recipe(height=SIZE, width=SIZE, resize=RESIZE)
    folders = {name: data / name for name in ("train", "valid")}
    found = load(folders, recipe, cache, Choices(), imagenet=True)
    body = Body.of(network, found.recipe, classes)
    values = {
        name: features.compute(body, part, found.hashes[name], cache, flip=False, group=Group())
        for name, part in found.examples.items()
    }
    until_features = time.monotonic() - began
    sources, mean, std = features.sources(values, found.examples)
    _, head = models.head_of(network, classes)
    unfold(head, mean, std)

    def report(epoch: Epoch) -> None:
        if epoch.valid.accuracy >= target:
            raise ReachedError(epoch.valid.accuracy)

    try:
        fit(head, sources["train"], sources["valid"], Hyperparameters(epochs=HEAD_EPOCHS), Surroundings(report=report))
    except ReachedError as reached:
        return time.monotonic() - began, until_features, reached.accuracy
    raise TrainingError(f"the head was never as good as the course's loop ({target:.3f}): the comparison says nothing")
