"""The figures of a report: learning curves, confusion matrix, reliability."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from PIL import ImageFont

from training.canvas import Canvas, Point, Words
from training.scoring import Bin, Counts

TEXT = 13.0
SMALL = 12.0
# Up to this many classes, cells have room for their counts.
READABLE_CLASSES = 25
LONGEST_LABEL = 22
# What a page's own font may need more than the one that is measured here.
AIR = 1.12
Figure = tuple[Point, Callable[[Canvas], None]]
"""A size, and what draws it."""


class Axes:
    """A rectangle with numbers along two sides."""

    def __init__(self, corner: Point, size: Point, *, across: Point, up: Point) -> None:
        self._corner, self._size, self._across, self._up = corner, size, across, up

    def at(self, x: float, y: float) -> Point:
        left, top = self._corner
        width, height = self._size
        share_across = (x - self._across[0]) / (self._across[1] - self._across[0])
        share_up = (y - self._up[0]) / (self._up[1] - self._up[0])
        return left + width * share_across, top + height * (1 - share_up)

    def draw(self, canvas: Canvas, *, title: str, below: str, whole: bool) -> None:
        (left, top), (width, height) = self._corner, self._size
        canvas.text(Words((left, top - 14), title, size=TEXT))
        for value in ticks(*self._up):
            _, y = self.at(self._across[0], value)
            canvas.line([(left, y), (left + width, y)], "grid")
            canvas.text(Words((left - 8, y), f"{value:g}", size=SMALL, colour="muted", anchor="end"))
        for value in ticks(*self._across, whole=whole):
            x, _ = self.at(value, self._up[0])
            canvas.line([(x, top + height), (x, top + height + 4)], "muted")
            canvas.text(Words((x, top + height + 15), f"{value:g}", size=SMALL, colour="muted", anchor="middle"))
        canvas.line([(left, top + height), (left + width, top + height)], "muted")
        canvas.text(Words((left + width / 2, top + height + 36), below, size=TEXT, colour="muted", anchor="middle"))


def ticks(low: float, high: float, wanted: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers from low to high, about as many as wanted."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    step = max(step, 1.0) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def learning_curves(
    epochs: Sequence[int], panels: Sequence[tuple[str, Sequence[float], Sequence[float]]], *, best: int
) -> Figure:
    """Panels of a title, the numbers on training and those on validation pictures; the kept epoch is marked."""
    width, height, left, top, apart = 400.0, 200.0, 44.0, 60.0, 284.0

    def draw(canvas: Canvas) -> None:
        _legend(canvas, (left, 16), (("training", "second", True), ("validation", "first", False)))
        for number, (title, seen, held_out) in enumerate(panels):
            low, high = _bounds([*seen, *held_out])
            last = max(epochs[-1], epochs[0] + 1)
            corner = (left, top + number * apart)
            axes = Axes(corner, (width - left - 14, height), across=(epochs[0], last), up=(low, high))
            axes.draw(canvas, title=title, below="epoch", whole=True)
            canvas.line([axes.at(best, low), axes.at(best, high)], "muted", dashed=True)
            for values, colour, dashed in ((seen, "second", True), (held_out, "first", False)):
                points = [axes.at(epoch, value) for epoch, value in zip(epochs, values, strict=True)]
                if len(points) > 1:
                    canvas.line(points, colour, width=2, dashed=dashed)
                else:
                    canvas.dot(points[0], colour, radius=4)
            canvas.dot(axes.at(best, held_out[list(epochs).index(best)]), "first", radius=4.5)
            canvas.text(
                Words((width - 14, corner[1] - 14), f"kept: epoch {best}", size=SMALL, colour="muted", anchor="end")
            )

    return (width, top + apart * len(panels) - 20), draw


def reliability_plot(before: Sequence[Bin], after: Sequence[Bin]) -> Figure:
    """Confidence against accuracy; on the diagonal the two are the same."""
    side, left, top = 330.0, 44.0, 60.0

    def draw(canvas: Canvas) -> None:
        axes = Axes((left, top), (side, side), across=(0, 1), up=(0, 1))
        _legend(canvas, (left, 16), (("as trained", "second", True), ("with the temperature", "first", False)))
        axes.draw(canvas, title="accuracy", below="confidence", whole=False)
        canvas.line([axes.at(0, 0), axes.at(1, 1)], "muted", dashed=True)
        for bins, colour, dashed in ((before, "second", True), (after, "first", False)):
            points = [axes.at(one.confidence, one.accuracy) for one in bins]
            if len(points) > 1:
                canvas.line(points, colour, width=2, dashed=dashed)
            most = max(one.samples for one in bins)
            for one, point in zip(bins, points, strict=True):
                # the area tells how many answers are of that confidence
                canvas.dot(point, colour, radius=2 + 6 * (one.samples / most) ** 0.5)

    return (left + side + 26, top + side + 56), draw


def confusion_plot(matrix: Counts, labels: Sequence[str]) -> Figure:
    """Rows are what the pictures are, columns what they were called; right ones in blue, wrong ones in orange."""
    roomy = len(labels) <= READABLE_CLASSES
    cell, size = (32.0, SMALL) if roomy else (11.0, 9.0)
    names = [shortened(label) for label in labels]
    margin = 34 + max(length_of(name, size) for name in names)
    side = cell * len(labels)

    def draw(canvas: Canvas) -> None:
        canvas.text(Words((margin, 14), "called", size=TEXT, colour="muted"))
        canvas.text(Words((12, margin + 22), "is", size=TEXT, colour="muted", anchor="end", upwards=True))
        corner = (margin, margin + 10)
        canvas.box(corner, (side, side), "grid", strength=0.25)
        for number, name in enumerate(names):
            middle = (number + 0.5) * cell
            canvas.text(Words((corner[0] - 6, corner[1] + middle), name, size=size, anchor="end"))
            canvas.text(Words((corner[0] + middle, corner[1] - 6), name, size=size, upwards=True))
        totals = matrix.sum(axis=1)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            count, share = int(matrix[row, column]), float(matrix[row, column] / totals[row])
            at = (corner[0] + column * cell, corner[1] + row * cell)
            strength = 0.1 + 0.9 * share**0.5
            canvas.box(at, (cell, cell), "first" if row == column else "second", strength=strength)
            if roomy:
                middle_of = (at[0] + cell / 2, at[1] + cell / 2)
                colour = "paper" if strength > 0.55 else "ink"  # noqa: PLR2004 (where either can be read)
                canvas.text(Words(middle_of, str(count), size=size, colour=colour, anchor="middle"))

    return (margin + side + 16, margin + 10 + side + 12), draw


def length_of(words: str, size: float) -> float:
    """About as many pixels as a line of text takes."""
    return float(ImageFont.load_default(size).getlength(words)) * AIR


def shortened(label: str) -> str:
    """A label that fits beside a matrix."""
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 3] + "..."


def _bounds(values: Iterable[float]) -> Point:
    """From the smallest to the largest, with a little air; never nothing at all."""
    low, high = min(values), max(values)
    air = (high - low) * 0.05 or max(abs(high) * 0.05, 0.01)
    return low - air, high + air


def _legend(canvas: Canvas, at: Point, entries: Sequence[tuple[str, str, bool]]) -> None:
    x, y = at
    for words, colour, dashed in entries:
        canvas.line([(x, y), (x + 25, y)], colour, width=2, dashed=dashed)
        canvas.text(Words((x + 32, y), words, size=TEXT))
        x += 32 + length_of(words, TEXT) + 20
