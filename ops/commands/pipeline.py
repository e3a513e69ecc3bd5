"""The pipeline: start a run and follow it, see how one goes, or draw it."""

import argparse
from pathlib import Path

from ops.commands.common import add_data, add_detach, add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART", parser_class=type(parser))
    start = parts.add_parser("run", description="Start a run on a data set, and follow it.", help="start a run")
    add_stage(start, "whose pipeline")
    add_data(start)
    add_detach(start)
    add_json(start)
    status = parts.add_parser(
        "status", description="A run's steps with states, times and reasons.", help="the steps of a run"
    )
    add_stage(status, "whose pipeline")
    status.add_argument("run_id", nargs="?", metavar="RUN", help="the youngest unless said")
    add_json(status)
    graph = parts.add_parser("graph", description="The pipeline as a picture, with a run's states.", help="a picture")
    add_stage(graph, "whose pipeline")
    graph.add_argument("run_id", nargs="?", metavar="RUN", help="whose states it shows; the youngest's unless said")
    graph.add_argument("--out", type=Path, metavar="FILE", help="PIPELINE.svg unless said")
    add_json(graph)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import pipeline

    return pipeline.run(arguments)
