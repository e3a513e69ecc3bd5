"""Drawn once, kept twice: a figure as SVG for a page, and as PNG for everything else. Needs Pillow and nothing more.

Colours are roles and not values, so that a page can give them others in the dark.
"""

import html
import itertools
from dataclasses import dataclass
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]

# Blue and orange are told apart by every kind of colour vision; on paper by lightness and by their dashes.
COLOURS = {
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "muted": "#57606a",
    "grid": "#d8dee4",
    "first": "#0b5cad",
    "second": "#c2570c",
}
DARK_COLOURS = {
    "paper": "#15181c",
    "ink": "#e6e9ec",
    "muted": "#a0a8b1",
    "grid": "#3a4149",
    "first": "#6cb0f5",
    "second": "#f0a04b",
}
DASH = 5.0
LARGEST_SHARP_SIDE = 900


@dataclass(frozen=True)
class Words:
    """A line of text."""

    at: Point
    """On the middle of the line's height."""
    said: str
    size: float = 12
    colour: str = "ink"
    anchor: str = "start"
    """Which end of the words, or their middle, `at` is."""
    upwards: bool = False


class Canvas(Protocol):
    """What a figure is made of; lengths in pixels, the origin at the upper left."""

    def line(self, points: list[Point], colour: str, *, width: float = 1, dashed: bool = False) -> None: ...

    def box(self, at: Point, size: Point, colour: str, *, strength: float = 1) -> None: ...

    def dot(self, at: Point, colour: str, *, radius: float = 3) -> None: ...

    def text(self, words: Words) -> None: ...


class SvgCanvas:
    """Writes elements; a page's style sheet gives `--ink` and the others their values."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size, self._title, self._parts = (width, height), title, list[str]()

    def line(self, points: list[Point], colour: str, *, width: float = 1, dashed: bool = False) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = f' stroke-dasharray="{DASH:g}"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="var(--{colour})" stroke-width="{width:g}"{dash}/>'
        )

    def box(self, at: Point, size: Point, colour: str, *, strength: float = 1) -> None:
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
        self._parts.append(f'<rect {place} fill="var(--{colour})" fill-opacity="{strength:.3g}"/>')

    def dot(self, at: Point, colour: str, *, radius: float = 3) -> None:
        self._parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}" fill="var(--{colour})"/>')

    def text(self, words: Words) -> None:
        x, y = words.at
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if words.upwards else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" dy="0.35em" font-size="{words.size:g}" text-anchor="{words.anchor}" '
            f'fill="var(--{words.colour})"{turn}>{html.escape(words.said)}</text>'
        )

    def finished(self) -> str:
        width, height = self._size
        opening = f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" font-family="inherit"'
        return f'{opening} aria-label="{html.escape(self._title)}">{"".join(self._parts)}</svg>'


class PngCanvas:
    """Draws twice as large and scales down, since Pillow's lines have steps; small figures come in triple size."""

    _ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}  # noqa: RUF012 (never changed)

    def __init__(self, width: float, height: float) -> None:
        self._scale = 2 * (3 if max(width, height) <= LARGEST_SHARP_SIDE else 1)
        size = (round(width * self._scale), round(height * self._scale))
        self._image = Image.new("RGB", size, COLOURS["paper"])
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: list[Point], colour: str, *, width: float = 1, dashed: bool = False) -> None:
        thick = max(1, round(width * self._scale))
        for stroke in _dashes(points) if dashed else [points]:
            self._draw.line([self._at(point) for point in stroke], COLOURS[colour], thick, joint="curve")

    def box(self, at: Point, size: Point, colour: str, *, strength: float = 1) -> None:
        left, top = self._at(at)
        right, bottom = self._at((at[0] + size[0], at[1] + size[1]))
        self._draw.rectangle((left, top, right - 1, bottom - 1), _mixed(COLOURS[colour], strength))

    def dot(self, at: Point, colour: str, *, radius: float = 3) -> None:
        self._draw.circle(self._at(at), radius * self._scale, COLOURS[colour])

    def text(self, words: Words) -> None:
        font, colour = ImageFont.load_default(words.size * self._scale), COLOURS[words.colour]
        if not words.upwards:
            self._draw.text(self._at(words.at), words.said, colour, font, self._ANCHORS[words.anchor])
            return
        length, height = round(font.getlength(words.said)) + 2, round(words.size * self._scale * 1.5)
        mask = Image.new("L", (length, height))
        ImageDraw.Draw(mask).text((0, height / 2), words.said, 255, font, "lm")
        turned = mask.transpose(Image.Transpose.ROTATE_90)
        x, y = self._at(words.at)
        above = {"start": length, "middle": length / 2, "end": 0}[words.anchor]
        self._image.paste(colour, (round(x - height / 2), round(y - above)), turned)

    def finished(self) -> Image.Image:
        width, height = self._image.size
        return self._image.resize((width // 2, height // 2), Image.Resampling.BOX)

    def _at(self, point: Point) -> Point:
        return point[0] * self._scale, point[1] * self._scale


def _mixed(colour: str, strength: float) -> tuple[int, int, int]:
    """A colour over the paper, as SVG's opacity has it."""
    levels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    red, green, blue = (round(255 + (level - 255) * strength) for level in levels)
    return red, green, blue


def _dashes(points: list[Point]) -> list[list[Point]]:
    """A line's strokes, of one length and as far apart."""
    strokes = []
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
        position = 0.0
        while position < length:
            share, end = position / length, min(position + DASH, length) / length
            strokes.append(
                [(x + (to_x - x) * part, y + (to_y - y) * part) for part in (share, end)],
            )
            position += 2 * DASH
    return strokes
