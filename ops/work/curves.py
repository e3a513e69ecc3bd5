"""Learning curves of several trainings over each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ops.work.drawing import INK, PALE, dot, line, stroke, svg, text

WIDTH, HEIGHT = 640.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 34.0, 44.0
TICKS = 5
# A longer curve is a line alone.
DOTTED = 40
# Steps between ticks that a reader can add up.
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Curve:
    name: str
    points: Sequence[tuple[float, float]]
    """Epoch and value."""


def learning_curves(curves: Sequence[Curve], *, title: str) -> str:
    """One colour a training, in their order; those without points keep theirs."""
    points = [point for curve in curves for point in curve.points]
    if not points:
        return ""
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    ticks = steps(min(y for _, y in points), max(y for _, y in points))
    low, high = ticks[0], ticks[-1]

    digits = max(0, 1 - math.floor(math.log10(ticks[1] - ticks[0])))

    def said(value: float) -> str:
        return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"

    def x(value: float) -> float:
        share = (value - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [text(LEFT, 20, title, size=14, bold=True)]
    for tick in ticks:
        parts += [
            line([(LEFT, y(tick)), (WIDTH - RIGHT, y(tick))], colour=PALE, width=0.7),
            text(LEFT - 6, y(tick) + 4, said(tick), size=11, anchor="end"),
        ]
    for epoch in whole(low_x, high_x):
        parts.append(text(x(epoch), HEIGHT - BOTTOM + 18, f"{epoch}", size=11, anchor="middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "epoch", size=12, anchor="middle", colour=INK))
    for number, curve in enumerate(curves):
        if not curve.points:
            continue
        colour, dashes = stroke(number)
        seen = [(x(epoch), y(value)) for epoch, value in curve.points]
        parts += [f"<g><title>{escape(curve.name)}</title>", line(seen, colour=colour, width=2, dashes=dashes)]
        parts += [dot(*point, colour=colour) for point in (seen if len(seen) <= DOTTED else seen[-1:])]
        parts.append("</g>")
    return svg(WIDTH, HEIGHT, *parts, title=title)


def steps(low: float, high: float) -> list[float]:
    """Round numbers that reach from below the smallest value to above the largest."""
    span = (high - low) or abs(high) or 1.0
    raw = span / TICKS
    unit: float = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * nice for nice in NICE if unit * nice >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def whole(low: float, high: float) -> list[int]:
    """Epochs to write below the axis, a dozen at most."""
    every = max(1, math.ceil((high - low + 1) / 12))
    return list(range(int(low), int(high) + 1, every))
