"""The logs of one part of a stage, oldest first: predict, intake, idle (functions), endpoint, training, pipeline."""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "No longer followed; what was followed goes on."
PARTS = ("predict", "endpoint", "training", "pipeline", "intake", "idle")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", choices=PARTS, help="whose: %(choices)s")
    parser.add_argument(
        "name", nargs="?", help="of training: the job, unless the last; of pipeline: the run's id, unless the last"
    )
    add_stage(parser)
    parser.add_argument(
        "--since",
        default="",
        metavar="AGE",
        help="30s, 15m, 2h or 3d; unless said 15m; a job or run from its start",
    )
    parser.add_argument(
        "--filter", default="", metavar="PATTERN", help="CloudWatch's own, such as ERROR or '{ $.status = 500 }'"
    )
    parser.add_argument("--follow", action="store_true", help="go on with what comes; Ctrl-C ends it")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.watch import logs

    return logs.run(arguments)
