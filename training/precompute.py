"""Compute what a frozen network makes of the pictures, once for all trainings of a head.

    python -m training.precompute --features FEATURES --train DATA/train --valid DATA/valid \\
        --architecture resnet50 --weights resnet50-11ad3fa6.pth

In a pipeline a step runs this, and every trial gets FEATURES as a channel of that name. Takes the flags of
training.train: what the features depend on are the pictures, the network, --flip, --normalise and, where it starts at
random, --seed. Trials (`training.tune --stage head --features FEATURES ...`) and trainings take the set, and refuse one
of another network or of other pictures. Interrupted and started again, it goes on after the last thousand pictures.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training import head, scratch, start
from training.arguments import parse
from training.body import Body
from training.errors import TrainingError
from training.failure import report_failure
from training.feature_set import SPLITS, FeatureSet, require_where_complete
from training.group import Group

PROGRAM = "python -m training.precompute"
INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    try:
        # nothing is trained and no model written
        arguments = parse([*words, "--trial", "true", "--model-dir", "unused"], __doc__ or "", PROGRAM)
        arguments.stage = "head"
        if arguments.features is None:
            raise TrainingError("--features is missing: name the folder that the set goes to")
        precompute(arguments)
    except TrainingError as error:
        report_failure(str(error))
        sys.stderr.write(f"precompute: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("precompute: interrupted; the same command goes on\n")
        return INTERRUPTED
    except Exception as error:  # a defect: the log gets the trace, the job its reason
        report_failure(f"{type(error).__name__}: {error}")
        raise
    return 0


def precompute(arguments: argparse.Namespace) -> None:
    store: Path = arguments.features
    start.make_folder("--features", store)
    device, group, begin = start.seed(arguments, Group()), Group(), start.weights_of(arguments)
    with scratch.folder(arguments.cache) as cache:
        found = start.data_of(arguments, begin, SPLITS, cache, group)
        network = start.network_of(arguments, begin, len(found.labels), group).to(device)
        body = Body.of(network, found.recipe, len(found.labels))
        wanted = FeatureSet.of(found, body, **start.traits(arguments, begin))
        there = require_where_complete(store, wanted)
        head.compute_features(body, found, store, flip=arguments.flip, group=group)
    wanted.write(store)
    count = sum(len(found.hashes[name]) for name in SPLITS)
    sys.stdout.write(f"features of {count} pictures {'were' if there else 'are'} in {store}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
