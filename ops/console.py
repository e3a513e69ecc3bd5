"""Steps of long work on the terminal: a spinner and a time each; plain lines where nobody watches."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from ops.printable import printable


class Terminal(Console):
    """Shows what AWS, files and logs say, and neither obeys their control codes nor takes their brackets for markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


@dataclass
class Steps:
    """Shows each step as it runs and remembers how long it took. Everything goes to standard error or nowhere."""

    console: Console = field(default_factory=lambda: Terminal(stderr=True))
    seconds: dict[str, float] = field(default_factory=dict)

    _status: Status | None = None
    _title: str = ""

    def progress(self, counted: str) -> Callable[[int], None]:
        """Shows a count beside the step under way; a log is spared it."""

        def show(count: int) -> None:
            if self._status is not None:
                self._status.update(f"{self._title}  {count} {counted}")

        return show

    @contextmanager
    def step(self, title: str) -> Iterator["Remark"]:
        remark = Remark()
        start = time.monotonic()
        if self.console.is_terminal and not self.console.no_color:
            with self.console.status(title) as status:
                self._status, self._title = status, title
                try:
                    yield remark
                finally:
                    self._status = None
        else:
            yield remark
        self.done(title, round(time.monotonic() - start, 2), remark.text)

    def done(self, title: str, seconds: float, remark: str = "") -> None:
        """A line about something that has ended, also while another step goes on."""
        self.seconds[title] = seconds
        said = f"  {remark}" if remark else ""
        self.console.print(Text.assemble(("done", "green"), f" {title:<44} {seconds:6.1f} s{said}"))


@dataclass
class Remark:
    """What a step wants said about itself when it has ended."""

    text: str = ""


def answer(arguments: argparse.Namespace, data: object, show: Callable[[Console], None]) -> int:
    """What a command found, on standard output: JSON for a program, else as `show` prints it for a person."""
    if arguments.json:
        sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
    else:
        show(Terminal())
    return 0
