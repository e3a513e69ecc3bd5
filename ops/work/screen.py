"""What is seen of work under way: a bar with epoch, loss and accuracy on a terminal, plain lines in a log.

Everything goes to standard error; what came of it is the command's answer.
"""

from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ops.console import Terminal
from ops.work.figures import Figures


@dataclass
class Screen:
    title: str
    epochs: int | None = None
    """How many there will be, where that is known."""
    console: Console = field(default_factory=lambda: Terminal(stderr=True))
    figures: Figures = field(default_factory=Figures)
    _bar: Progress | None = None
    _task: TaskID | None = None
    _state: str = ""

    @property
    def is_watched(self) -> bool:
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def __enter__(self) -> "Screen":
        self._print(self.title)
        if self.is_watched:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),
                TextColumn("{task.fields[said]}"),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._task = self._bar.add_task("", total=self.epochs, said="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def state(self, said: str) -> None:
        """What the work is at; told once."""
        if said == self._state:
            return
        self._state = said
        if self._bar is not None and self._task is not None:
            # What is in progress moves before one's eyes.
            self._bar.update(self._task, description=said.removeprefix("InProgress: "))
        else:
            self._print(f"{self.title}: {said}")

    def line(self, text: str) -> None:
        """One of the job's own log."""
        if self.figures.take(text) and self._bar is not None and self._task is not None:
            found = self.figures.epochs[-1]
            self._bar.update(self._task, completed=found["epoch"], said=said_of(found, self.epochs))
        self._print(text, style="dim" if self._bar is not None else None)

    def note(self, text: str) -> None:
        self._print(text)

    def _print(self, text: str, style: str | None = None) -> None:
        self.console.print(text, markup=False, style=style)


def said_of(epoch: dict[str, float], epochs: int | None) -> str:
    of = f"/{epochs}" if epochs else ""
    shown = [f"epoch {epoch['epoch']:.0f}{of}"]
    shown += [
        f"{label} {epoch[name]:.3f}"
        for name, label in (("train_loss", "loss"), ("valid_accuracy", "accuracy"))
        if name in epoch
    ]
    return "  ".join(shown)
