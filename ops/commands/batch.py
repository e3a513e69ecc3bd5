"""Predict a folder's pictures, or all below a prefix of the bucket, by a batch transform job; results by file.

A folder is uploaded to batch/input/ first, and only once. Ctrl-C leaves the job running and says how to return.
"""

import argparse
from pathlib import Path

from ops.commands.common import add_json, add_stage
from ops.commands.numbers import count

INTERRUPTED_SENTENCE = "Interrupted before the job had begun. The same command goes on where this stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", metavar="DIR|PREFIX", help="a folder, or what lies below s3://BUCKET/batch/input/"
    )
    add_stage(parser, "whose model")
    parser.add_argument("--job", metavar="NAME", help="return to a job that was started before")
    parser.add_argument("--out", type=Path, metavar="FILE", help="results, as CSV or .jsonl; JOB.csv unless said")
    parser.add_argument("--instance-type", metavar="TYPE", help="of the job; serving.instance_type unless said")
    parser.add_argument("--instances", type=count, default=1, metavar="N", help="that share the files; 1 unless said")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.asking import batching

    return batching.run(arguments)
