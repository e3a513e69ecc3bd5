"""Parallel coordinates: an axis a hyperparameter, the objective last, a line a trial, the best one on top."""

import math
from collections.abc import Callable, Sequence

from ops.work.drawing import COLOURS, PALE, dot, line, svg, text
from ops.work.trials import Trial, best_of

BETWEEN, HEIGHT = 190.0, 380.0
SIDE, TOP, BOTTOM = 90.0, 84.0, 40.0
# A range that spans more than this is seen by its logarithm.
WIDE = 8.0
BEST = COLOURS[1]
# Worse to better.
POOR, GOOD = (198, 219, 239), (0, 114, 178)


def parallel_coordinates(trials: Sequence[Trial], objective: str, *, title: str) -> str:
    scored = [one for one in trials if one.value is not None]
    names = sorted({name for one in scored for name in one.tuned})
    width = 2 * SIDE + BETWEEN * max(len(names), 2)
    head = text(16, 24, f"{title}, {len(scored)} trials", size=15, bold=True)
    best = best_of(scored)
    if best is None:
        return svg(width, HEIGHT, head, text(16, 60, "No trial has a value."), title=title)
    axes = [_axis([one.tuned[name] for one in scored if name in one.tuned]) for name in names]
    values = [one.value or 0.0 for one in scored]
    axes.append(_axis([repr(value) for value in values]))
    parts = [head, text(16, 44, f"the best: {best.name}", size=12, colour=BEST)]
    written: list[str] = []
    for number, (name, (_, marks)) in enumerate(zip([*names, objective], axes, strict=True)):
        x = SIDE + number * BETWEEN
        parts.append(line([(x, TOP), (x, HEIGHT - BOTTOM)], colour=PALE, width=1.5))
        parts.append(text(x, TOP - 14, name, size=13, anchor="middle", bold=True))
        side, anchor = (8, "start") if number == len(names) else (-8, "end")
        written += [text(x + side, _y(share) + 4, said, size=11, anchor=anchor, halo=True) for share, said in marks]
    # The best is drawn last, over all others.
    ordered = sorted(scored, key=lambda one: (one is best, (one.value or 0.0) * (1 if one.maximize else -1)))
    for rank, trial in enumerate(ordered):
        told = [*(trial.tuned.get(name) for name in names), repr(trial.value)]
        points = [
            (SIDE + number * BETWEEN, _y(place(value)))
            for number, (value, (place, _)) in enumerate(zip(told, axes, strict=True))
            if value is not None
        ]
        colour = BEST if trial is best else _between(rank / max(len(ordered) - 1, 1))
        parts.append(line(points, colour=colour, width=3 if trial is best else 1.5))
        parts += [dot(*point, colour=colour, radius=4 if trial is best else 2.5) for point in points]
    return svg(width, HEIGHT, *parts, *written, title=title)


Axis = tuple[Callable[[str], float], list[tuple[float, str]]]


def _axis(told: Sequence[str]) -> Axis:
    """Where a value stands, 0 at the bottom and 1 at the top, and what is written beside the axis."""
    try:
        numbers = [float(value) for value in told]
    except ValueError:
        kinds = sorted(set(told))
        places = {kind: (index + 0.5) / len(kinds) for index, kind in enumerate(kinds)}
        return places.__getitem__, [(share, kind) for kind, share in places.items()]
    low, high = min(numbers), max(numbers)
    scale: Callable[[float], float] = math.log if low > 0 and high / low > WIDE else float
    start, end = scale(low), scale(high)

    def place(value: str) -> float:
        return (scale(float(value)) - start) / (end - start) if end > start else 0.5

    if start == end:
        return place, [(0.5, f"{low:.3g}")]
    middle = math.exp((start + end) / 2) if scale is math.log else (low + high) / 2
    return place, [(0.0, f"{low:.3g}"), (0.5, f"{middle:.3g}"), (1.0, f"{high:.3g}")]


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _between(share: float) -> str:
    mixed = (round(low + share * (high - low)) for low, high in zip(POOR, GOOD, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
