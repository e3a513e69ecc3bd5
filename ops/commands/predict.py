"""What pictures show: labels with probabilities, and the time spent at each hop on the way.

A picture is a file, a folder of them, an https link or s3://BUCKET/KEY (with a slash at the end: all below it).
"""

import argparse

from ops.commands.common import add_json, add_stage
from ops.commands.numbers import count, seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="+", metavar="IMAGE|DIR|URL|s3://...", help="what to ask about")
    add_stage(parser, "whose model")
    parser.add_argument(
        "--via", choices=("api", "lambda", "endpoint"), default="api", help="whom to ask; the API unless said"
    )
    parser.add_argument("--top-k", type=int, metavar="K", help="labels for each; api.top_k unless said")
    parser.add_argument(
        "--at-once", type=count, default=4, metavar="N", help="pictures asked about side by side; 4 unless said"
    )
    parser.add_argument(
        "--token", help='for api.auth = "jwt"; better in the variable WHIPPET_TOKEN, which `ps` does not show'
    )
    parser.add_argument(
        "--wait", type=seconds, default=900.0, metavar="SECONDS", help="for an asynchronous endpoint; 900 unless said"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a line for each label, on standard output")
    add_json(form)


def run(arguments: argparse.Namespace) -> int:
    from ops.asking import predicting

    return predicting.run(arguments)
