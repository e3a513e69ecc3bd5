"""Train an image classifier and write its artefact.

In a SageMaker job (script mode, AWS's PyTorch image), flags as hyperparameters, folders as channels:
    sagemaker_program=training/entry.py  epochs=20  batch-size=64 ...   train, valid, test [, weights, features]
In a tuning trial: the same, the tuner adding learning-rate and weight-decay; it reads best_valid_accuracy=...
    stage=head  with a channel `features` (of training.precompute) makes trials nearly free: they need no picture
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
import sys
from collections.abc import Sequence
from typing import Any

from training import draft, scratch, start
from training.arguments import parse
from training.artifact import code_sha256
from training.checkpoints import StoppedError, listening
from training.errors import TrainingError
from training.failure import report_failure
from training.group import joined, start_ranks
from training.learning import learn
from training.outcome import finish, report_best


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

    A trial ends where its number is known: it never sees the test pictures, and leaves a draft of its model.
    """
    code = code_sha256()  # before training, since somebody may edit the files meanwhile
    if not arguments.trial:
        start.make_folder("--model-dir", arguments.model_dir)
    with scratch.folder(arguments.cache) as cache:
        with joined() as group, listening() as stop:
            trained = learn(arguments, group, stop, cache, code)
        if not group.leads:
            return {}
        report_best(trained)
        if arguments.trial:
            draft.leave(trained, arguments.model_dir)
            return {}
        return finish(trained, model_dir=arguments.model_dir, report_dir=arguments.report_dir)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
