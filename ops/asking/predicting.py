"""Pictures in, labels with probabilities out, and where the time went: `python -m ops predict`."""

import argparse
import contextlib
import os
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ops import spreadsheet
from ops.asking.answer import Answered, AnswerError
from ops.asking.pictures import Picture, PictureError, found
from ops.asking.ways import Way, api_way, endpoint_way, function_way
from ops.console import Terminal, answer
from ops.errors import NotReached, OperatorError, WorkFailed
from ops.printable import tell
from ops.stage import Stage
from ops.weather import sentence_of

HOPS = ("api", "lambda", "function", "fetch", "endpoint", "model", "total")
MOST_TOP_K = 1000
NOT_ASKED = "no answer: AWS was not reached, or did not let us"
TOKEN_VARIABLE = "WHIPPET_TOKEN"  # noqa: S105 - a variable's name


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    if arguments.top_k is not None and not 1 <= arguments.top_k <= MOST_TOP_K:
        raise OperatorError(f"--top-k {arguments.top_k}: it must be from 1 to {MOST_TOP_K}.")
    pictures = found(arguments.image, stage.client("s3"))
    with contextlib.closing(_way(stage, arguments)) as way:
        answers, lost = _asked(way, pictures, arguments.at_once)
    if lost and all(one.error for one in answers):
        raise lost
    wrong = [one for one in answers if one.error and one.error != NOT_ASKED]
    if arguments.csv:
        _write_csv(answers)
    else:
        data = {"via": arguments.via, "answers": [asdict(one) for one in answers], "typical_ms": typical(answers)}
        answer(arguments, data, lambda console: show(console, answers))
    for one in wrong:
        tell(one.error)
    if lost:
        unasked = sum(one.error == NOT_ASKED for one in answers)
        tell(f"{lost} {unasked} of {len(answers)} pictures have no answer for that.")
        return lost.status
    return WorkFailed.status if wrong else 0


def _asked(way: Way, pictures: list[Picture], at_once: int) -> tuple[list[Answered], OperatorError | None]:
    """In their order. A picture that fails says so in its place; after what concerns all of them no other is asked,
    and what was answered until then stays."""
    lost: list[OperatorError] = []

    def one(picture: Picture) -> Answered:
        try:
            return Answered(picture.name, error=NOT_ASKED) if lost else way.ask(picture)
        except (AnswerError, PictureError) as error:
            return Answered(picture.name, error=str(error))
        except (BotoCoreError, ClientError) as error:
            lost.append(sentence_of(error))
        except NotReached as error:
            lost.append(error)
        return Answered(picture.name, error=NOT_ASKED)

    console = Terminal(stderr=True)
    shown = console.is_terminal and len(pictures) > 1
    with (
        ThreadPoolExecutor(min(at_once, len(pictures))) as pool,
        Progress(console=console, transient=True, disable=not shown) as progress,
    ):
        asked = progress.track(pool.map(one, pictures), total=len(pictures), description="Predict")
        return list(asked), lost[0] if lost else None


def _way(stage: Stage, arguments: argparse.Namespace) -> Way:
    if arguments.via == "lambda":
        return function_way(stage, arguments.top_k, arguments.wait)
    if arguments.via == "endpoint":
        return endpoint_way(stage, arguments.top_k, arguments.wait)
    token = arguments.token or os.environ.get(TOKEN_VARIABLE)
    return api_way(
        stage.account,
        stage.config.api,
        {name: stage.output("api", name) for name in ("Url", "Auth")},
        stage.client("s3"),
        token=token,
        top_k=arguments.top_k,
        wait_seconds=arguments.wait,
    )


def typical(answers: list[Answered]) -> dict[str, float]:
    """The median of each hop."""
    return {
        hop: round(statistics.median(spent), 2)
        for hop in HOPS
        if (spent := [one.milliseconds[hop] for one in answers if hop in one.milliseconds])
    }


def show(console: Console, answers: list[Answered]) -> None:
    good = [one for one in answers if not one.error]
    if not good:
        return
    several = max(len(one.predictions) for one in good) > 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("image", "label", "probability", "ms"):
        right = heading in {"probability", "ms"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for one in good:
        for rank, found_label in enumerate(one.predictions):
            table.add_row(
                Text(one.image if rank == 0 else ""),
                Text(str(found_label["label"])),
                f"{found_label['probability']:.4f}",
                f"{one.milliseconds['total']:.0f}" if rank == 0 else "",
            )
        if several and one is not good[-1]:
            table.add_row("", "", "", "")
    console.print(table)
    versions = ", ".join(sorted({f"{one.model_version}{f' ({one.variant})' if one.variant else ''}" for one in good}))
    console.print(f"\nModel {versions}", markup=False)
    spent = typical(good)
    parts = [f"{hop} {spent[hop]:.1f}" for hop in HOPS if hop in spent]
    console.print(f"Typical ms spent at each hop:\n  {', '.join(parts)}")


def _write_csv(answers: list[Answered]) -> None:
    heading = ["image", "rank", "label", "probability", "model_version", "variant", "total_ms", "error"]
    spreadsheet.write(sys.stdout, heading, (row for one in answers for row in _rows(one)))


def _rows(one: Answered) -> Iterator[list[Any]]:
    known = [one.model_version, one.variant, one.milliseconds.get("total", ""), one.error]
    if not one.predictions:
        yield [one.image, "", "", "", *known]
    for rank, found_label in enumerate(one.predictions, start=1):
        yield [one.image, rank, found_label["label"], found_label["probability"], *known]
