"""Train an image classifier and write its artefact.

On a laptop, from folders that hold one folder of images for each class:
    python -m training.train --train DATA/train --valid DATA/valid --test DATA/test --model-dir OUT
In a SageMaker job (script mode): training/entry.py, with channels train, valid and test, and flags as hyperparameters.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import data, models
from training.arguments import CHANNELS, CHANNELS_OF_A_TRIAL, hyperparameters, parse
from training.artifact import code_sha256
from training.console import metric_line, progress
from training.errors import TrainingError
from training.failure import report_failure
from training.history import Epoch
from training.loop import Best, Examples, Hyperparameters, Score, batches_of, fit
from training.outcome import Trained, finish, report_best
from training.preprocess import Recipe

# the shorter side before the crop, as a multiple of the input: 64 -> 72, 224 -> 252
RESIZE = 1.125


def main(words: Sequence[str]) -> int:
    try:
        run(parse(words, __doc__ or ""))
    except TrainingError as error:
        report_failure(str(error))
        sys.stderr.write(f"training: {error}\n")
        return 1
    except Exception as error:  # a defect: the log gets the trace, the job its reason
        report_failure(f"{type(error).__name__}: {error}")
        raise
    return 0


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read, train, and have the outcome scored and written; answer with what model.json says.

    A trial ends where its number is known: it never sees the test pictures, and its model would be thrown away.
    """
    code = code_sha256()  # before training, since somebody may edit the files meanwhile
    chosen, device = hyperparameters(arguments), set_up(arguments)
    make_folder(arguments.model_dir)
    labels = data.labels_of(arguments.train)
    channels = CHANNELS_OF_A_TRIAL if arguments.trial else CHANNELS
    splits = {channel: data.read_split(getattr(arguments, channel), labels) for channel in channels}
    size = arguments.input_size
    recipe, examples = load_examples(splits, Recipe(height=size, width=size, resize=round(size * RESIZE)))

    network = models.build(arguments.architecture, len(labels))
    network = network.to(device)
    best, history = train(network, examples, recipe, chosen)
    counts = {channel: len(split.files) for channel, split in splits.items()}
    trained = Trained(
        network=network,
        name=arguments.name,
        architecture=arguments.architecture,
        labels=labels,
        recipe=recipe,
        examples=examples,
        history=history,
        best_epoch=best.epoch,
        hyperparameters=asdict(chosen),
        data={**counts, "sha256": data.data_sha256(splits)},
        code=code,
    )
    report_best(trained)
    if arguments.trial:
        return {}
    return finish(trained, model_dir=arguments.model_dir, report_dir=arguments.report_dir)


def set_up(arguments: argparse.Namespace) -> torch.device:
    """Seed every source of randomness and choose the device."""
    random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_folder(folder: Path) -> None:
    """Before hours of training rather than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"--model-dir {folder}: cannot be made ({error.strerror}); name a folder you may write"
        ) from error


def load_examples(splits: dict[str, data.Split], recipe: Recipe) -> tuple[Recipe, dict[str, Examples]]:
    """Decode the splits; the recipe comes back with the training pictures' own mean and deviation."""
    workers = os.cpu_count() or 1
    examples = {}
    for channel, split in splits.items():
        # only training crops move about; the others get exactly what the server will see
        pixels = data.load_split(split, recipe.with_margin() if channel == "train" else recipe, workers)
        names = [file.relative_to(split.folder).as_posix() for file in split.files]
        examples[channel] = Examples(pixels, torch.tensor(split.targets), names)
    mean, std = data.channel_statistics(examples["train"].pixels)
    return replace(recipe, mean=mean, std=std), examples  # type: ignore[arg-type]


def train(
    network: nn.Module, examples: dict[str, Examples], recipe: Recipe, chosen: Hyperparameters
) -> tuple[Best, list[Epoch]]:
    """Fit the network and print a metric line for every epoch."""
    start, history = time.monotonic(), list[Epoch]()

    def report(epoch: int, on_train: Score, on_valid: Score) -> None:
        history.append(Epoch(epoch, on_train, on_valid, time.monotonic() - start))
        metric_line(
            epoch=epoch,
            train_loss=on_train.loss,
            train_accuracy=on_train.accuracy,
            valid_loss=on_valid.loss,
            valid_accuracy=on_valid.accuracy,
            seconds=history[-1].seconds,
        )

    seen, held_out = examples["train"], examples["valid"]
    with progress("training", batches_of(seen, chosen) * chosen.epochs) as tick:
        best = fit(network, seen, held_out, recipe=recipe, chosen=chosen, report=report, tick=tick)
    return best, history


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
