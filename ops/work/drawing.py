"""Pictures as SVG text: one file, no script, nothing fetched; colours that a colour-blind reader can tell apart."""

from collections.abc import Sequence
from html import escape

# Okabe and Ito's.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
INK, PALE, PAPER = "#222222", "#cccccc", "#ffffff"
# When all colours are taken they come again, broken in another way each time.
DASHES = ("", "7 4", "2 3", "9 3 2 3")
FONT = "font-family='system-ui, sans-serif'"


def svg(width: float, height: float, *parts: str, title: str) -> str:
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' width='{width:g}' "
        f"height='{height:g}' role='img' {FONT}>"
    )
    paper = f"<rect width='{width:g}' height='{height:g}' fill='{PAPER}'/>"
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *parts, "</svg>", ""])


def text(
    x: float,
    y: float,
    said: str,
    *,
    size: int = 12,
    anchor: str = "start",
    colour: str = INK,
    bold: bool = False,
    halo: bool = False,
) -> str:
    """With a halo it can be read across lines."""
    weight = " font-weight='bold'" if bold else ""
    around = f" paint-order='stroke' stroke='{PAPER}' stroke-width='4'" if halo else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{colour}'{weight}{around}>"
        f"{escape(said)}</text>"
    )


def line(points: Sequence[tuple[float, float]], *, colour: str = INK, width: float = 1.0, dashes: str = "") -> str:
    listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f" stroke-dasharray='{dashes}'" if dashes else ""
    return f"<polyline points='{listed}' fill='none' stroke='{colour}' stroke-width='{width:g}'{dashes}/>"


def stroke(number: int) -> tuple[str, str]:
    """Colour and dashes of the one of many, counted from 0."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def dot(x: float, y: float, *, colour: str, radius: float = 3.0) -> str:
    return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:g}' fill='{colour}'/>"


def box(x: float, y: float, width: float, height: float, *, fill: str, stroke: str) -> str:
    return (
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' rx='8' fill='{fill}' "
        f"stroke='{stroke}' stroke-width='1.5'/>"
    )
