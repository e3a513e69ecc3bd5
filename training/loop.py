"""One run of optimisation: epochs over the training split, the best on the validation split kept.

Nothing random is left to the order of calls: each epoch's order and each batch's choices follow from the seed and their
numbers. So a run may stop after any batch and go on, and may be shared by any number of ranks.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Indices, mixed
from training.checkpoints import Checkpoints, Stop, StoppedError
from training.console import progress
from training.errors import TrainingError
from training.group import Group
from training.hyperparameters import Hyperparameters
from training.run import Best, Epoch, Position, Run
from training.sources import Batch, Source, batches
from training.validation import Score, score_of

NAMED = 3
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
Report = Callable[[Epoch], None]
Tick = Callable[[], None]


@dataclass(frozen=True)
class Surroundings:
    """What a run is part of: its group of ranks, its checkpoints, who may stop it."""

    group: Group = field(default_factory=Group)
    checkpoints: Checkpoints | None = None
    stop: Stop = field(default_factory=Stop)
    tick: Tick = lambda: None
    report: Report = lambda _epoch: None


def train(
    network: nn.Module, seen: Source, held_out: Source, chosen: Hyperparameters, around: Surroundings
) -> tuple[Best, list[Epoch]]:
    """Fit the network and show how far it is."""
    steps = batches_of(len(seen.targets), chosen.batch_size) * chosen.epochs
    with progress("training", steps if around.group.leads else 0) as tick:
        return fit(network, seen, held_out, chosen, replace(around, tick=tick))


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


def _not_finite(loss: float, at: Position, batch: Batch, train: Source) -> TrainingError:
    names = ", ".join(train.names[index] for index in batch.indices[:NAMED])
    return TrainingError(
        f"the loss became {loss} at epoch {at.epoch}, batch {at.batch + 1} ({names}, ...): "
        "lower --learning-rate, or look at those files"
    )
