"""What commands have in common: `--stage`, `--stages`, `--json`, and the words of those that start a job."""

import argparse
from pathlib import Path

LEFT_RUNNING = "Interrupted. What was started goes on: `python -m ops jobs` shows it."


def add_stage(parser: argparse.ArgumentParser, what: str = "the stage that is meant") -> None:
    parser.add_argument("--stage", required=True, metavar="NAME", help=f"{what}: a file of config/ without its .toml")
    parser.add_argument(
        "--stages", type=Path, metavar="FOLDER", help="stage files of another folder, as with `cdk -c stages=FOLDER`"
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="NAME", help="the data set; the only one unless said")


def add_wishes(parser: argparse.ArgumentParser, *, of_each: str = "", settable: str) -> None:
    """What may be otherwise than the stage file says it."""
    parser.add_argument("--instance-type", metavar="TYPE", help=f"{of_each}as ml.m5.xlarge")
    parser.add_argument(
        "--spot", action=argparse.BooleanOptionalAction, default=None, help="on spare capacity, which may be taken back"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a hyperparameter{settable}; may stand more than once",
    )


def add_detach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--detach", action="store_true", help="start it, print its name, do not follow it")


def add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--score",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="have a short processing job score, on the test pictures, a model whose training saw none: once, unless "
        "said; --score: also where that has failed",
    )
