"""One run of optimisation: epochs over the training split, the best on the validation split kept."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.errors import TrainingError
from training.preprocess import Pixels, Recipe


@dataclass(frozen=True)
class Hyperparameters:
    """What a tuner may vary, and what a retraining repeats."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.004
    weight_decay: float = 0.02
    flip: bool = True
    seed: int = 1


@dataclass(frozen=True)
class Examples:
    """A split in memory: pixels and class numbers."""

    pixels: Pixels
    targets: Tensor
    names: list[str]


@dataclass(frozen=True)
class Score:
    """Fractions and means over samples, not over batches."""

    accuracy: float
    loss: float
    samples: int


@dataclass
class Best:
    """The epoch that did best on the validation split so far."""

    epoch: int = 0
    score: Score = field(default_factory=lambda: Score(-1.0, math.inf, 0))
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, epoch: int, score: Score, network: nn.Module) -> None:
        """Keep the weights when they beat what is held; the lower loss decides between equals."""
        if (score.accuracy, -score.loss) > (self.score.accuracy, -self.score.loss):
            self.epoch, self.score, self.weights = epoch, score, copy.deepcopy(network.state_dict())


Report = Callable[[int, Score, Score], None]
Tick = Callable[[], None]


@dataclass
class Optimisation:
    """What changes the network: the optimiser, its schedule, and the order that batches come in."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    rng: np.random.Generator

    @classmethod
    def of(cls, network: nn.Module, steps: int, chosen: Hyperparameters) -> "Optimisation":
        """AdamW with a short warm-up and a cosine to nearly nothing."""
        rate = chosen.learning_rate
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=chosen.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps, pct_start=0.15)
        return cls(network, optimiser, schedule, np.random.default_rng(chosen.seed))

    def step(self, loss: Tensor) -> None:
        """Follow the gradient of one batch's loss."""
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()


def fit(
    network: nn.Module,
    train: Examples,
    valid: Examples,
    *,
    recipe: Recipe,
    chosen: Hyperparameters,
    report: Report,
    tick: Tick,
) -> Best:
    """Train, call `report` after each epoch and `tick` after each batch; leave the best weights in the network."""
    steps = batches_of(train, chosen) * chosen.epochs
    optimisation, best = Optimisation.of(network, steps, chosen), Best()
    for epoch in range(1, chosen.epochs + 1):
        seen = train_one_epoch(optimisation, train, epoch, recipe=recipe, chosen=chosen, tick=tick)
        score = evaluate(network, valid, recipe)
        report(epoch, seen, score)
        best.offer(epoch, score, network)
    network.load_state_dict(best.weights)
    return best


def batches_of(examples: Examples, chosen: Hyperparameters) -> int:
    """How many batches an epoch has; they differ in size by one at most, so that none is a tiny remainder."""
    return math.ceil(len(examples.targets) / chosen.batch_size)


def train_one_epoch(
    optimisation: Optimisation, train: Examples, epoch: int, *, recipe: Recipe, chosen: Hyperparameters, tick: Tick
) -> Score:
    """Go through the training split once, in a new order."""
    network, rng = optimisation.network, optimisation.rng
    device = next(network.parameters()).device
    network.train()
    correct, loss_sum, samples = 0, 0.0, len(train.targets)
    for number, indices in enumerate(np.array_split(rng.permutation(samples), batches_of(train, chosen)), start=1):
        images = to_input(augment(train.pixels[indices], recipe, chosen.flip, rng), recipe).to(device)
        targets = train.targets[indices].to(device)
        logits = network(images)
        loss = functional.cross_entropy(logits, targets)
        if not math.isfinite(loss.item()):
            raise _not_finite(loss.item(), epoch, number, [train.names[index] for index in indices])
        optimisation.step(loss)
        correct += int((logits.argmax(dim=1) == targets).sum())
        loss_sum += loss.item() * len(indices)
        tick()
    return Score(correct / samples, loss_sum / samples, samples)


def evaluate(network: nn.Module, examples: Examples, recipe: Recipe, batch_size: int = 256) -> Score:
    """Score a whole split as the server would see it: no augmentation, the network in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    correct, loss_sum = 0, 0.0
    with torch.inference_mode():
        for start in range(0, len(examples.targets), batch_size):
            targets = examples.targets[start : start + batch_size].to(device)
            logits = network(to_input(examples.pixels[start : start + batch_size], recipe).to(device))
            correct += int((logits.argmax(dim=1) == targets).sum())
            loss_sum += float(functional.cross_entropy(logits, targets, reduction="sum"))
    samples = len(examples.targets)
    return Score(correct / samples, loss_sum / samples, samples)


def augment(pixels: Pixels, recipe: Recipe, flip: bool, rng: np.random.Generator) -> Pixels:
    """Cut each picture somewhere within its margin and mirror half of them, if asked."""
    count, height, width = pixels.shape[:3]
    tops = rng.integers(0, height - recipe.height + 1, size=count)
    lefts = rng.integers(0, width - recipe.width + 1, size=count)
    mirrored = np.less(rng.random(count), 0.5 if flip else 0.0)
    out: Pixels = np.empty((count, recipe.height, recipe.width, 3), dtype=np.uint8)
    for index in range(count):
        top, left = tops[index], lefts[index]
        cut = pixels[index, top : top + recipe.height, left : left + recipe.width]
        out[index] = cut[:, ::-1] if mirrored[index] else cut
    return out


def to_input(pixels: Pixels, recipe: Recipe) -> Tensor:
    """N x height x width x 3 bytes as the network's floats, channels last in memory, which is what CPUs like."""
    levels: Tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().mul_(recipe.scale)
    mean, std = torch.tensor(recipe.mean).view(1, 3, 1, 1), torch.tensor(recipe.std).view(1, 3, 1, 1)
    return levels.sub_(mean).div_(std)


def _not_finite(loss: float, epoch: int, batch: int, names: list[str]) -> TrainingError:
    return TrainingError(
        f"the loss became {loss} at epoch {epoch}, batch {batch} ({', '.join(names[:3])}, ...): "
        "lower --learning-rate, or look at those files"
    )
