"""The page of a comparison: one file that a browser shows without asking for another, and a printer prints."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Protocol

from ops.prices import UNPRICED, dollars
from ops.work.curves import Curve, learning_curves
from ops.work.drawing import PAPER, line, stroke

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem }
table { border-collapse: collapse; width: 100% } th, td { padding: .4rem .7rem; border-bottom: 1px solid #ddd }
th { text-align: left; border-bottom: 2px solid #222; vertical-align: bottom }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.name { color: #666; font-size: .85em; overflow-wrap: anywhere }
.on { white-space: nowrap }
.swatch { width: 28px; height: 12px; margin-right: .5em; border-radius: 3px }
.best { font-weight: bold }
figure { display: inline-block; margin: 1rem 1rem 0 0; width: 33rem; max-width: 100% }
svg { max-width: 100%; height: auto }
footer { color: #666; font-size: .85em; margin-top: 1.5rem }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #17191c } th { border-color: #e6e6e6 } td { border-color: #3a3d42 }
  .name, footer { color: #a8adb5 } figure svg { border-radius: 6px }
}
@media print { tr, figure { break-inside: avoid } }
"""
HEADINGS = ("validation accuracy", "test accuracy", "macro-F1", "wall time", "billed seconds", "USD")
PLOTS = (
    ("valid_accuracy", "Validation accuracy"),
    ("valid_loss", "Validation loss"),
    ("train_loss", "Training loss"),
    ("train_accuracy", "Training accuracy"),
)


class Row(Protocol):
    """What the page shows of a training."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def instances(self) -> str: ...
    @property
    def valid_accuracy(self) -> float | None: ...
    @property
    def test_accuracy(self) -> float | None: ...
    @property
    def test_macro_f1(self) -> float | None: ...
    @property
    def wall_seconds(self) -> float: ...
    @property
    def billed_seconds(self) -> float | None: ...
    @property
    def dollars(self) -> float | None: ...
    @property
    def epochs(self) -> list[dict[str, float]]: ...
    @property
    def held_out(self) -> "Told | None": ...


class Told(Protocol):
    def how(self) -> str: ...


def page(rows: Sequence[Row], *, stage: str, footnote: str) -> str:
    title = f"Trainings of stage {stage}, side by side"
    head = "".join(f"<th class='n'>{heading}</th>" for heading in HEADINGS)
    body = "\n".join(_row(row, rows, number) for number, row in enumerate(rows))
    drawn = [learning_curves(_curves(rows, name), title=label) for name, label in PLOTS]
    figures = "\n".join(f"<figure>{picture}</figure>" for picture in drawn if picture)
    silent = [row.name for row in rows if not row.epochs]
    missing = f"<p>No log, and so no curve, of {escape(', '.join(silent))}.</p>" if silent else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<table><thead><tr><th>training</th><th>on</th>{head}</tr></thead><tbody>
{body}
</tbody></table>
{figures}{missing}
<footer>Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Bold: the best of its column. {escape(footnote)}</footer>
</body></html>
"""


def _curves(rows: Sequence[Row], name: str) -> list[Curve]:
    return [
        Curve(f"{row.kind}: {row.name}", [(one["epoch"], one[name]) for one in row.epochs if name in one])
        for row in rows
    ]


def _row(row: Row, rows: Sequence[Row], number: int) -> str:
    cells = [
        _share([one.valid_accuracy for one in rows], number),
        _share([one.test_accuracy for one in rows], number),
        _share([one.test_macro_f1 for one in rows], number),
        _least([one.wall_seconds for one in rows], number, lambda value: f"{value:.0f} s", "-"),
        _least([one.billed_seconds for one in rows], number, lambda value: f"{value:.0f}", "-"),
        _least([one.dollars for one in rows], number, lambda value: dollars(value, 4), UNPRICED),
    ]
    colour, dashes = stroke(number)
    drawn = line([(2, 6), (26, 6)], colour=colour, width=3, dashes=dashes)
    swatch = f"<svg class='swatch' viewBox='0 0 28 12'><rect width='28' height='12' fill='{PAPER}'/>{drawn}</svg>"
    told = [row.name, *([f"on the test pictures: {row.held_out.how()}"] if row.held_out else [])]
    below = "".join(f"<div class='name'>{escape(one)}</div>" for one in told)
    on = f"<td class='on'>{escape(row.instances)}</td>"
    return f"<tr><td>{swatch}{escape(row.kind)}{below}</td>{on}{''.join(cells)}</tr>"


def _share(values: Sequence[float | None], number: int) -> str:
    known = [value for value in values if value is not None]
    value = values[number]
    return _cell("-" if value is None else f"{value:.4f}", best=value == max(known, default=None) and _differ(known))


def _least(values: Sequence[float | None], number: int, said: "Say", missing: str) -> str:
    known = [value for value in values if value is not None]
    value = values[number]
    return _cell(missing if value is None else said(value), best=value == min(known, default=None) and _differ(known))


def _differ(known: Sequence[float]) -> bool:
    """Where all are alike, none is best."""
    return len(set(known)) > 1


def _cell(said: str, *, best: bool) -> str:
    return f"<td class='n{' best' if best else ''}'>{said}</td>"


class Say(Protocol):
    def __call__(self, value: float, /) -> str: ...
