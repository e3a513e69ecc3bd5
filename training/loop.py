"""One run of optimisation: epochs over the training split, the best on the validation split kept.

Nothing random is left to the order of calls: each epoch's order and each batch's choices follow from the seed and their
numbers. So a run may stop after any batch and go on, and may be shared by any number of ranks.
"""

import copy
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Indices, mixed
from training.checkpoints import Checkpoints, Stop, StoppedError
from training.errors import TrainingError
from training.group import Group
from training.models import blocks
from training.preprocess import Pixels, Recipe
from training.sources import Batch, Examples, Pictures, Source, batches, normalised

__all__ = ["Examples", "Score", "evaluate", "fit"]

SCORED_AT_ONCE = 64
NAMED = 3
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Hyperparameters:
    """What a tuner may vary, and what a retraining repeats."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.004
    weight_decay: float = 0.02
    warm_up: float = 0.15
    layer_decay: float = 1.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    flip: bool = True
    augment: str = "crop"
    mixup: float = 0.0
    cutmix: float = 0.0
    ema: float = 0.0
    freeze_norm: bool = False
    precision: str = "fp32"
    seed: int = 1


@dataclass(frozen=True)
class Score:
    """Fractions and means over samples, not over batches."""

    accuracy: float
    loss: float
    samples: int


@dataclass(frozen=True)
class Epoch:
    """One pass over the training split and how the network did on it and on the validation split."""

    number: int
    train: Score
    valid: Score
    seconds: float
    """Since training began, what an interrupted run spent before included."""


@dataclass
class Best:
    """The epoch that did best on the validation split so far."""

    epoch: int = 0
    score: Score = field(default_factory=lambda: Score(-1.0, math.inf, 0))
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, epoch: int, score: Score, network: nn.Module) -> None:
        """Keep the weights when they beat what is held; the lower loss decides between equals."""
        if (score.accuracy, -score.loss) > (self.score.accuracy, -self.score.loss):
            self.epoch, self.score, self.weights = epoch, score, _copied(network)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


class Average:
    """The exponential moving average of the weights, which validation sees and the best epoch keeps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self._decay = copy.deepcopy(network), decay

    def follow(self, network: nn.Module, steps: int) -> None:
        """The first steps count for more, or the random start would linger."""
        weight = 1 - min(self._decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for own, new in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
                if own.is_floating_point():
                    own.lerp_(new, weight)
                else:
                    own.copy_(new)


@dataclass
class Position:
    """How far a run has come, and what of its current epoch is not told yet."""

    epoch: int = 1
    batch: int = 0
    correct: float = 0
    loss_sum: float = 0.0
    seconds: float = 0.0


Report = Callable[[Epoch], None]
Tick = Callable[[], None]


@dataclass
class Run:
    """Everything that changes while a network is trained."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: Average | None
    best: Best = field(default_factory=Best)
    at: Position = field(default_factory=Position)
    history: list[Epoch] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, network: nn.Module, steps: int, chosen: Hyperparameters) -> "Run":
        """AdamW with a warm-up and a cosine to nearly nothing; the further from the head, the lower the rate."""
        groups = blocks(network)
        rates = [chosen.learning_rate * chosen.layer_decay ** (len(groups) - 1 - depth) for depth in range(len(groups))]
        optimiser = torch.optim.AdamW(
            [{"params": group, "lr": rate} for group, rate in zip(groups, rates, strict=True)],
            weight_decay=chosen.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=rates, total_steps=max(steps, 2), pct_start=chosen.warm_up
        )
        return cls(network, optimiser, schedule, Average(network, chosen.ema) if chosen.ema else None)

    @property
    def judged(self) -> nn.Module:
        """The network that is scored and kept."""
        return self.average.network if self.average else self.network

    def state(self) -> dict[str, Any]:
        """Plain numbers, texts and tensors, so that it is read back without unpickling code."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.network.state_dict() if self.average else None,
            "best": {"epoch": self.best.epoch, "score": asdict(self.best.score), "weights": self.best.weights},
            "at": asdict(self.at),
            "history": [asdict(epoch) for epoch in self.history],
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.network.load_state_dict(state["average"])
        best = state["best"]
        self.best = Best(best["epoch"], Score(**best["score"]), best["weights"])
        self.at = Position(**state["at"])
        self.began = time.monotonic() - self.at.seconds
        self.history = [
            Epoch(one["number"], Score(**one["train"]), Score(**one["valid"]), one["seconds"])
            for one in state["history"]
        ]


@dataclass(frozen=True)
class Surroundings:
    """What a run is part of: its group of ranks, its checkpoints, who may stop it."""

    group: Group = field(default_factory=Group)
    checkpoints: Checkpoints | None = None
    stop: Stop = field(default_factory=Stop)
    tick: Tick = lambda: None
    report: Report = lambda _epoch: None


def fit(
    network: nn.Module, train: Source, valid: Source, chosen: Hyperparameters, around: Surroundings | None = None
) -> tuple[Best, list[Epoch]]:
    """Train, or go on training; leave the best weights in the network."""
    around = around or Surroundings()
    steps = batches_of(len(train.targets), chosen.batch_size)
    run = Run.of(network, steps * chosen.epochs, chosen)
    _resume(run, around, steps)
    device = next(network.parameters()).device
    together = around.group.together(network)
    for epoch in range(run.at.epoch, chosen.epochs + 1):
        seen = _epoch(run, together, train, chosen, around)
        around.group.align(run.judged)
        score = score_of(run.judged, valid, device, around.group)
        run.best.offer(epoch, score, run.judged)
        run.history.append(Epoch(epoch, seen, score, time.monotonic() - run.began))
        run.at = Position(epoch=epoch + 1, seconds=run.history[-1].seconds)
        around.report(run.history[-1])
    if around.checkpoints and around.group.leads:
        around.checkpoints.save(steps * chosen.epochs, run.state())
    network.load_state_dict(run.best.weights)
    return run.best, run.history


def batches_of(samples: int, batch_size: int) -> int:
    """How many batches an epoch has; they differ in size by one at most, so that none is a tiny remainder."""
    return math.ceil(samples / batch_size)


def order_of(samples: int, epoch: int, chosen: Hyperparameters) -> list[Indices]:
    """The samples of each batch of an epoch."""
    shuffled = np.random.default_rng([chosen.seed, epoch]).permutation(samples)
    return np.array_split(shuffled, batches_of(samples, chosen.batch_size))


def _resume(run: Run, around: Surroundings, steps: int) -> None:
    state = around.checkpoints.newest() if around.checkpoints and around.group.leads else None
    state = around.group.shared(state)
    if state is None:
        return
    run.go_on_from(state)
    for _ in range((run.at.epoch - 1) * steps + run.at.batch):
        around.tick()
    if around.group.leads:
        sys.stdout.write(f"going on from a checkpoint: epoch {run.at.epoch}, batch {run.at.batch + 1}\n")


def _epoch(run: Run, together: nn.Module, train: Source, chosen: Hyperparameters, around: Surroundings) -> Score:
    """Go through the training split once, in a new order, or through what is left of it."""
    group, at, samples = around.group, run.at, len(train.targets)
    device = next(run.network.parameters()).device
    run.network.train()
    if chosen.freeze_norm:
        _freeze_norms(run.network)
    order = order_of(samples, at.epoch, chosen)
    made = batches(
        train,
        order,
        at.batch,
        seed=chosen.seed,
        epoch=at.epoch,
        rank=group.rank,
        ranks=group.ranks,
        mixup=chosen.mixup,
        cutmix=chosen.cutmix,
    )
    for batch in made:
        number = at.batch + 1
        # what a network draws by itself (dropout) follows from the batch's number as well
        torch.manual_seed(hash((chosen.seed, at.epoch, number, group.rank)) & 0x7FFFFFFF)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=chosen.precision == "bf16"):
            loss, correct = _forward(together, train, batch, chosen, device)
        _agree(around, run, lost=None if math.isfinite(loss.item()) else _not_finite(loss.item(), at, batch, train))
        _step(run, loss * (len(batch.indices) * group.ranks / batch.whole), chosen)
        at.correct += correct
        at.loss_sum += loss.item() * len(batch.indices)
        at.batch = number
        if run.average:
            run.average.follow(run.network, (at.epoch - 1) * len(order) + number)
        around.tick()
        if around.checkpoints and group.leads and around.checkpoints.due():
            _save(run, around.checkpoints)
    all_correct, all_loss = group.sums(at.correct, at.loss_sum)
    return Score(all_correct / samples, all_loss / samples, samples)


def _forward(
    together: nn.Module, train: Source, batch: Batch, chosen: Hyperparameters, device: torch.device
) -> tuple[Tensor, int]:
    """The loss of a batch and how many of it were named rightly."""
    images, targets = train.to_network(batch.inputs, device), batch.targets.to(device)
    if batch.others is not None:
        images = mixed(images, train.to_network(batch.others, device), batch.draws)
    logits = together(images)
    loss = functional.cross_entropy(logits, targets, label_smoothing=chosen.label_smoothing)
    if batch.others is not None:
        other = functional.cross_entropy(logits, batch.other_targets.to(device), label_smoothing=chosen.label_smoothing)
        loss = loss.lerp(other, 1 - batch.draws.share)
    return loss, int((logits.argmax(dim=1) == targets).sum())


def _step(run: Run, loss: Tensor, chosen: Hyperparameters) -> None:
    """Follow the gradient of one batch's loss."""
    run.optimiser.zero_grad()
    loss.backward()
    if chosen.clip_norm:
        nn.utils.clip_grad_norm_(run.network.parameters(), chosen.clip_norm)
    run.optimiser.step()
    run.schedule.step()


def _agree(around: Surroundings, run: Run, *, lost: TrainingError | None) -> None:
    """Stop, all ranks after the same batch, when one was told to or lost its way."""
    group, stop = around.group, around.stop
    stopping, failing = group.sums(float(stop.by is not None), float(lost is not None))
    if lost is not None:
        raise lost
    if failing:
        raise TrainingError("another rank's loss is not finite any more; its own log says at which batch")
    if not stopping:
        return
    kept = "nothing of it is kept, since --checkpoints names no folder"
    if around.checkpoints:
        if group.leads:
            _save(run, around.checkpoints)
        kept = f"the same command goes on from there, since its state is in {around.checkpoints.folder}"
    by = stop.by.name if stop.by else "another rank's signal"
    raise StoppedError(f"stopped by {by} before epoch {run.at.epoch}, batch {run.at.batch + 1}: {kept}", stop.status)


def _save(run: Run, checkpoints: Checkpoints) -> None:
    run.at.seconds = time.monotonic() - run.began
    checkpoints.save(int(run.schedule.last_epoch), run.state())


def _freeze_norms(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, NORMS):
            module.eval()


def evaluate(network: nn.Module, examples: Examples, recipe: Recipe) -> Score:
    """Score a whole split as the server would see it: no augmentation, the network in evaluation mode."""
    return score_of(network, Pictures(examples, recipe), next(network.parameters()).device, Group())


def score_of(network: nn.Module, source: Source, device: torch.device, group: Group) -> Score:
    """The same for any source, each rank scoring its share."""
    network.eval()
    correct, loss_sum, samples = 0.0, 0.0, len(source.targets)
    own = np.arange(group.rank, samples, group.ranks)
    with torch.inference_mode():
        for start in range(0, len(own), SCORED_AT_ONCE):
            indices = own[start : start + SCORED_AT_ONCE]
            targets = source.targets[indices].to(device)
            logits = network(source.to_network(source.gather(indices, None, indices), device))
            correct += int((logits.argmax(dim=1) == targets).sum())
            loss_sum += float(functional.cross_entropy(logits, targets, reduction="sum"))
    all_correct, all_loss = group.sums(correct, loss_sum)
    return Score(all_correct / samples, all_loss / samples, samples)


def to_input(pixels: Pixels, recipe: Recipe) -> Tensor:
    """N x height x width x 3 bytes as the network's floats."""
    return normalised(torch.from_numpy(np.ascontiguousarray(pixels)), recipe)


def _not_finite(loss: float, at: Position, batch: Batch, train: Source) -> TrainingError:
    names = ", ".join(train.names[index] for index in batch.indices[:NAMED])
    return TrainingError(
        f"the loss became {loss} at epoch {at.epoch}, batch {at.batch + 1} ({names}, ...): "
        "lower --learning-rate, or look at those files"
    )
