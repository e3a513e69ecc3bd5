"""Data sets: look at the pictures of one, push it to a stage's bucket, list what lies there."""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "Interrupted. Nothing has been changed that the same command does not go on from."
WHOLE = 100
SOURCE_HELP = "a folder of class folders, or of train/, valid/ and test/ with those; a zip, or its https address"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="check|push|status", parser_class=type(parser))
    check = parts.add_parser("check", help="look at every picture, on this machine alone", description=CHECK)
    _add_source(check)
    add_json(check)
    push = parts.add_parser("push", help="check, split, upload what is missing; the manifest last", description=PUSH)
    _add_source(push)
    add_stage(push, "into the bucket of which stage")
    push.add_argument("--replace", action="store_true", help="let another set that lies under the name go")
    push.add_argument("--dry-run", action="store_true", help="say what would be sent and deleted, and change nothing")
    add_json(push)
    status = parts.add_parser("status", help="the data sets of a stage", description=STATUS)
    add_stage(status, "the bucket of which stage")
    add_json(status)


CHECK = "Looks at every picture as the pipeline's first step does, and names what is wrong. Nothing is sent."
PUSH = (
    "Uploads a data set, many pictures at once. Interrupted, the same command goes on where it stopped. The manifest "
    "comes last and starts the pipeline. A set without splits is split by content, each class apart."
)
STATUS = "Lists the sets in the bucket: how complete each is, and which run and model came of it."


def run(arguments: argparse.Namespace) -> int:
    from ops.data import run as doing

    return {"check": doing.run_check, "push": doing.run_push, "status": doing.run_status}[arguments.part](arguments)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="DIR", help=SOURCE_HELP)
    parser.add_argument("--name", help="what the set is called in the bucket (made from the source's name)")
    parser.add_argument(
        "--split",
        type=_shares,
        metavar="TRAIN/VALID/TEST",
        help="per cent of each for a set without splits, such as 80/10/10 (70/15/15)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the split (%(default)s)")
    parser.add_argument(
        "--on-bad-image",
        choices=("skip", "fail"),
        default="skip",
        help="leave out what cannot be used, up to 5 %% of the set, or refuse the set (%(default)s)",
    )
    parser.add_argument(
        "--on-duplicate",
        choices=("report", "drop", "fail"),
        default="report",
        help="what to do with a picture that stands in two splits (%(default)s)",
    )


def _shares(text: str) -> tuple[int, int, int]:
    try:
        train, valid, test = (int(share) for share in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not three whole numbers, as in 80/10/10") from None
    if min(train, valid, test) < 1 or train + valid + test != WHOLE:
        raise argparse.ArgumentTypeError(f"{text}: each share must be above 0, and all three together 100")
    return train, valid, test
