"""From pictures, or from features that were computed before, to a network with its best weights."""

import argparse
from collections.abc import Mapping, Sequence, Sized
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from training import features, head, loop, scratch, start
from training.arguments import CHANNELS, CHANNELS_OF_A_TRIAL, hyperparameters, needs_no_pictures
from training.body import Body
from training.checkpoints import Checkpoints, Stop, identity
from training.console import metric_line
from training.errors import TrainingError
from training.feature_set import SPLITS, FeatureSet, Members, require_where_complete
from training.group import Group
from training.hyperparameters import Hyperparameters
from training.models import head_of
from training.outcome import Trained
from training.preprocess import Recipe
from training.run import Best, Epoch
from training.sources import Examples, Pictures
from training.weights import Weights


def learn(arguments: argparse.Namespace, group: Group, stop: Stop, cache: Path, code: str) -> Trained:
    """On every rank the same."""
    chosen, device = hyperparameters(arguments), start.seed(arguments, group)
    if chosen.batch_size < group.ranks:
        raise TrainingError(f"--batch-size {chosen.batch_size}: below the number of ranks, {group.ranks}")
    learner = Learner(arguments, group, stop, chosen, device, start.weights_of(arguments), code)
    return learner.from_features() if needs_no_pictures(arguments) else learner.from_pictures(cache)


class Subject(Protocol):
    """What is learnt: a data set, or the features of one."""

    @property
    def labels(self) -> list[str]: ...

    @property
    def recipe(self) -> Recipe: ...

    @property
    def sha256(self) -> str: ...

    @property
    def left_out(self) -> Sized: ...


@dataclass(frozen=True)
class Learner:
    """What a run was told, and the two ways from there."""

    arguments: argparse.Namespace
    group: Group
    stop: Stop
    chosen: Hyperparameters
    device: torch.device
    weights: Weights | None
    code: str

    def from_pictures(self, cache: Path) -> Trained:
        own, chosen = self.arguments, self.chosen
        channels = CHANNELS_OF_A_TRIAL if own.trial else CHANNELS
        found = start.data_of(own, self.weights, channels, cache, self.group)
        network = self._network(found.labels)
        if own.stage in {"head", "both"}:
            body = Body.of(network, found.recipe, len(found.labels))
            with scratch.folder(own.features or (own.checkpoints and own.checkpoints / "features")) as store:
                require_where_complete(store, FeatureSet.of(found, body, **start.traits(own, self.weights)))
                values = head.compute_features(body, found, store, flip=chosen.flip, group=self.group)
            learnt = head.train(last_of(network, found), values, found.examples, chosen, self._around(found, "head"))
        if own.stage in {"finetune", "both"}:
            seen = Pictures(found.examples["train"], found.recipe, flip=chosen.flip, augment=chosen.augment)
            held_out = Pictures(found.examples["valid"], found.recipe)
            learnt = loop.train(network, seen, held_out, chosen, self._around(found, "finetune"))
        return self._trained(network, found, learnt, found.examples)

    def from_features(self) -> Trained:
        """A trial on a complete set of them: nothing is decoded, and no picture need be here."""
        own = self.arguments
        found = FeatureSet.of_folder(own.features)
        network = self._network(found.labels)
        body = Body.of(network, found.recipe, len(found.labels))
        found.require(self._wanted(found, body), own.features)
        values = {
            name: features.read(body, found.splits[name].sha256, own.features, flip=own.flip and name == "train")
            for name in SPLITS
        }
        learnt = head.train(last_of(network, found), values, found.splits, self.chosen, self._around(found, "head"))
        return self._trained(network, found, learnt, {})

    def _wanted(self, found: FeatureSet, body: Body) -> FeatureSet:
        """What the set must be of; its pictures are held to those that are here, where some are."""
        own = self.arguments
        members = {
            split: Members.below(getattr(own, split), found.labels, without=found.left_out_of(split))
            for split in SPLITS
            if getattr(own, split) is not None
        }
        return replace(
            found,
            **start.traits(own, self.weights),
            body=body.key,
            recipe=replace(start.recipe_of(own), mean=found.recipe.mean, std=found.recipe.std),
            splits={**found.splits, **members},
        )

    def _network(self, labels: Sequence[str]) -> nn.Module:
        network = start.network_of(self.arguments, self.weights, len(labels), self.group).to(self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _around(self, found: Subject, phase: str) -> loop.Surroundings:
        """What a phase has around it; its checkpoints are its own, told by all that its weights depend on."""
        own, kept = self.arguments, None
        if own.checkpoints is not None:
            run = identity(
                architecture=own.architecture,
                stage=own.stage,
                weights=self.weights.sha256 if self.weights else None,
                labels=found.labels,
                recipe=found.recipe.preprocessing() | {"size": own.input_size},
                data=found.sha256,
                hyperparameters=asdict(self.chosen),
                code=self.code,
                phase=phase,
            )
            kept = Checkpoints(own.checkpoints, run, own.checkpoint_seconds)
        return loop.Surroundings(self.group, kept, self.stop, report=tell if self.group.leads else lambda _epoch: None)

    def _trained(
        self,
        network: nn.Module,
        found: Subject,
        learnt: tuple[Best, list[Epoch]],
        examples: Mapping[str, Examples],
    ) -> Trained:
        best, history = learnt
        begin = self.weights
        return Trained(
            network=network,
            name=self.arguments.name,
            architecture=self.arguments.architecture,
            labels=found.labels,
            recipe=found.recipe,
            examples=examples,
            history=history,
            best_epoch=best.epoch,
            hyperparameters={
                **asdict(self.chosen),
                "stage": self.arguments.stage,
                "weights": {"source": begin.source, "sha256": begin.sha256} if begin else None,
                "ranks": self.group.ranks,
            },
            data={
                **{split: len(part.targets) for split, part in examples.items()},
                "sha256": found.sha256,
                "left_out": len(found.left_out),
            },
            code=self.code,
        )


def last_of(network: nn.Module, found: Subject) -> nn.Linear:
    return head_of(network, len(found.labels))[1]


def tell(epoch: Epoch) -> None:
    metric_line(
        epoch=epoch.number,
        train_loss=epoch.train.loss,
        train_accuracy=epoch.train.accuracy,
        valid_loss=epoch.valid.loss,
        valid_accuracy=epoch.valid.accuracy,
        seconds=epoch.seconds,
    )
