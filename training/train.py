"""Train an image classifier and write its artefact.

In a SageMaker job (script mode, AWS's PyTorch image), flags as hyperparameters, folders as channels:
    sagemaker_program=training/entry.py  epochs=20  batch-size=64 ...   train, valid, test [, weights, features]
In a tuning trial: the same, the tuner adding learning-rate and weight-decay; it reads best_valid_accuracy=...
    stage=head  with a channel `features` makes trials nearly free
On the EC2 box, which fetches code and data by itself:
    whippet-train dogs --architecture resnet50 --stage both
In the embedded AWS (make demo), where a pipeline's training step is a process on this machine:
    python -m local start; cdk deploy --all -c stage=local; then push a data set as docs/dataset.md says
On a laptop, from folders that hold one folder of images for each class:
    python -m training.train --train DATA/train --valid DATA/valid --test DATA/test --model-dir OUT
    ... --architecture resnet50 --weights resnet50-11ad3fa6.pth --stage head
    ... --architecture resnet50 --weights resnet50-11ad3fa6.pth --stage both --learning-rate 0.001 --layer-decay 0.7
        --label-smoothing 0.1 --augment trivial --mixup 0.2 --cutmix 1 --ema 0.999 --clip-norm 1
    ... --cache CACHE --checkpoints CHECKPOINTS     decodes once; killed and started again, it goes on
    ... --ranks 2                                   two processes, one network; or torchrun training/entry.py ...
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import features, models, weights
from training.arguments import CHANNELS, CHANNELS_OF_A_TRIAL, hyperparameters, parse
from training.artifact import code_sha256
from training.checkpoints import Checkpoints, Stop, StoppedError, identity, listening
from training.console import metric_line, progress
from training.dataset import Choices, Dataset, load
from training.errors import TrainingError
from training.failure import report_failure
from training.group import Group, joined, start_ranks
from training.loop import Best, Epoch, Hyperparameters, Surroundings, batches_of, fit
from training.outcome import Trained, finish, report_best
from training.preprocess import Recipe
from training.sources import Pictures, Source

# The margin on each side that the crop cuts away: a 16th of the input; 64 -> 72, 224 -> 252.
MARGINS = 16


def main(words: Sequence[str]) -> int:
    try:
        arguments = parse(words, __doc__ or "")
        status = start_ranks(arguments.ranks, words)
        if status is not None:
            return status
        run(arguments)
    except TrainingError as error:
        report_failure(str(error))
        sys.stderr.write(f"training: {error}\n")
        return 1
    except StoppedError as stopped:
        sys.stderr.write(f"training: {stopped}\n")
        return stopped.status
    except Exception as error:  # a defect: the log gets the trace, the job its reason
        report_failure(f"{type(error).__name__}: {error}")
        raise
    return 0


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read, train, and have the outcome scored and written; answer with what model.json says.

    A trial ends where its number is known: it never sees the test pictures, and its model would be thrown away.
    """
    code = code_sha256()  # before training, since somebody may edit the files meanwhile
    make_folder("--model-dir", arguments.model_dir)
    with cache_folder(arguments.cache) as cache:
        with joined() as group, listening() as stop:
            trained = learn(arguments, group, stop, cache, code)
        if not group.leads:
            return {}
        report_best(trained)
        if arguments.trial:
            return {}
        return finish(trained, model_dir=arguments.model_dir, report_dir=arguments.report_dir)


def learn(arguments: argparse.Namespace, group: Group, stop: Stop, cache: Path, code: str) -> Trained:
    """From folders to a network with its best weights, on every rank the same."""
    chosen, device = hyperparameters(arguments), set_up(arguments, group)
    if chosen.batch_size < group.ranks:
        raise TrainingError(f"--batch-size {chosen.batch_size}: below the number of ranks, {group.ranks}")
    begin = weights.read(arguments.weights, arguments.weights_sha256) if arguments.weights else None
    size = arguments.input_size
    channels = CHANNELS_OF_A_TRIAL if arguments.trial else CHANNELS
    found = load(
        {channel: getattr(arguments, channel) for channel in channels},
        Recipe(height=size, width=size, resize=size + 2 * round(size / MARGINS)),
        cache,
        Choices(arguments.on_bad_image, arguments.on_duplicate),
        imagenet=arguments.normalise == "imagenet" or (arguments.normalise == "auto" and begin is not None),
        says=sys.stdout.write if group.leads else None,
    )
    network = prepared(arguments, begin, len(found.labels), group).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    facts = {
        "architecture": arguments.architecture,
        "stage": arguments.stage,
        "weights": begin.sha256 if begin else None,
        "labels": found.labels,
        "recipe": found.recipe.preprocessing() | {"size": size},
        "data": found.sha256,
        "hyperparameters": asdict(chosen),
        "code": code,
    }
    around = partial(surroundings, arguments, group, stop, facts)
    if arguments.stage in {"head", "both"}:
        best, history = train_head(arguments, network=network, found=found, chosen=chosen, around=around)
    if arguments.stage in {"finetune", "both"}:
        seen = Pictures(found.examples["train"], found.recipe, flip=chosen.flip, augment=chosen.augment)
        best, history = train(
            network, seen, Pictures(found.examples["valid"], found.recipe), chosen, around("finetune")
        )
    return Trained(
        network=network,
        name=arguments.name,
        architecture=arguments.architecture,
        labels=found.labels,
        recipe=found.recipe,
        examples=found.examples,
        history=history,
        best_epoch=best.epoch,
        hyperparameters={
            **asdict(chosen),
            "stage": arguments.stage,
            "weights": {"source": begin.source, "sha256": begin.sha256} if begin else None,
            "ranks": group.ranks,
        },
        data={
            **{channel: len(examples.targets) for channel, examples in found.examples.items()},
            "sha256": found.sha256,
            "left_out": len(found.left_out),
        },
        code=code,
    )


def set_up(arguments: argparse.Namespace, group: Group) -> torch.device:
    """Seed every source of randomness and choose the device."""
    random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    return torch.device("cuda", group.local_rank) if torch.cuda.is_available() else torch.device("cpu")


def make_folder(flag: str, folder: Path) -> None:
    """Before hours of training rather than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{flag} {folder}: cannot be made ({error.strerror}); name a folder you may write"
        ) from error


@contextmanager
def cache_folder(chosen: Path | None) -> Iterator[Path]:
    """The folder that was named, or one for this run alone, which its ranks on this machine share."""
    if chosen is not None:
        yield chosen
        return
    if "LOCAL_RANK" in os.environ:
        # ranks of one machine have one parent
        folder = Path(tempfile.gettempdir()) / f"training-{os.getppid()}-{os.environ.get('MASTER_PORT')}"
    else:
        folder = Path(tempfile.mkdtemp(prefix="training-"))
    try:
        yield folder
    finally:
        # what is mapped stays readable for the rank that maps it
        shutil.rmtree(folder, ignore_errors=True)


def prepared(arguments: argparse.Namespace, begin: weights.Weights | None, classes: int, group: Group) -> nn.Module:
    """The network with the weights that it begins from."""
    network = models.build(arguments.architecture, classes)
    if begin is not None:
        kept = weights.apply(network, begin, classes)
        said = (
            f"beginning from {begin.source} (SHA-256 {begin.sha256}), {'its head kept' if kept else 'with a new head'}"
        )
    elif arguments.stage == "finetune":
        said = (
            f"RANDOM INITIALISATION: {arguments.architecture} begins from random weights; --weights begins from others"
        )
    else:
        said = (
            f"RANDOM INITIALISATION: {arguments.architecture} is frozen with random weights, and a head on features "
            "that nobody trained learns little; give --weights"
        )
    if group.leads:
        sys.stdout.write(f"{said}\n")
    return network


def surroundings(
    arguments: argparse.Namespace, group: Group, stop: Stop, facts: dict[str, Any], phase: str
) -> Surroundings:
    """What every phase of a run has around it; its checkpoints are its own."""
    kept = None
    if arguments.checkpoints is not None:
        kept = Checkpoints(arguments.checkpoints, identity(**facts, phase=phase), arguments.checkpoint_seconds)
    return Surroundings(group, kept, stop, report=tell if group.leads else lambda _epoch: None)


def train(
    network: nn.Module, seen: Source, held_out: Source, chosen: Hyperparameters, around: Surroundings
) -> tuple[Best, list[Epoch]]:
    """Fit the network and print a metric line for every epoch."""
    steps = batches_of(len(seen.targets), chosen.batch_size) * chosen.epochs
    with progress("training", steps if around.group.leads else 0) as tick:
        return fit(network, seen, held_out, chosen, replace(around, tick=tick))


def train_head(
    arguments: argparse.Namespace,
    *,
    network: nn.Module,
    found: Dataset,
    chosen: Hyperparameters,
    around: Callable[[str], Surroundings],
) -> tuple[Best, list[Epoch]]:
    """Train the last layer on what the rest, frozen, makes of the pictures."""
    classes, phase = len(found.labels), around("head")
    body = features.Body.of(network, found.recipe, classes)
    with cache_folder(arguments.features or (arguments.checkpoints and arguments.checkpoints / "features")) as store:
        examples = {name: found.examples[name] for name in ("train", "valid")}
        with progress("features", sum(len(part.targets) for part in examples.values())) as tick:
            values = {
                name: features.compute(
                    body,
                    part,
                    found.hashes[name],
                    store,
                    flip=chosen.flip and name == "train",
                    group=phase.group,
                    tick=tick,
                )
                for name, part in examples.items()
            }
    sources, mean, std = features.sources(values, examples)
    _, head = models.head_of(network, classes)
    features.unfold(head, mean, std)
    # Features have no area of which a box could be cut.
    best = train(head, sources["train"], sources["valid"], replace(chosen, cutmix=0.0), phase)
    features.fold(head, mean, std)
    return best


def tell(epoch: Epoch) -> None:
    metric_line(
        epoch=epoch.number,
        train_loss=epoch.train.loss,
        train_accuracy=epoch.train.accuracy,
        valid_loss=epoch.valid.loss,
        valid_accuracy=epoch.valid.accuracy,
        seconds=epoch.seconds,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
