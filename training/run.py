"""Everything that changes while a network is trained, and how it is written down and taken up again."""

import copy
import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from training.hyperparameters import Hyperparameters
from training.models import blocks
from training.validation import Score


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
