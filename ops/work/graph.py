"""A pipeline's definition as a picture: a column for all steps that nothing holds apart, an arrow for each order."""

from collections.abc import Mapping

from ops.spans import exact
from ops.training_run import Step
from ops.work.definition import Definition, Json, referred
from ops.work.drawing import INK, box, svg, text

WIDTH, HEIGHT, ACROSS, DOWN = 146.0, 58.0, 48.0, 28.0
MARGIN, HEAD = 20.0, 44.0
# State -> fill, stroke. The word stands in the box too.
COLOURS = {
    "Succeeded": ("#d9f0e3", "#009e73"),
    "Failed": ("#fbe0d0", "#d55e00"),
    "Executing": ("#dcecf8", "#0072b2"),
    "Starting": ("#dcecf8", "#0072b2"),
    "Stopping": ("#f6ecd2", "#e69f00"),
    "Stopped": ("#f6ecd2", "#e69f00"),
}
UNTOUCHED = ("#f7f7f7", "#999999")
ARROW = (
    "<defs><marker id='arrow' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
    "<path d='M0,0 L8,4 L0,8 z' fill='#222222'/></marker></defs>"
)
# From a condition to a step behind it: which way leads there.
Edges = dict[tuple[str, str], str]


def graph(definition: Definition, steps: Mapping[str, Step], *, title: str) -> str:
    edges = shortest(edges_of(definition))
    columns = columns_of([step["Name"] for step in definition.steps], edges)
    tallest = max(len(column) for column in columns)
    height = HEAD + 2 * MARGIN + tallest * HEIGHT + (tallest - 1) * DOWN
    places = {}
    for number, column in enumerate(columns):
        used = len(column) * HEIGHT + (len(column) - 1) * DOWN
        top = HEAD + (height - HEAD - used) / 2
        for row, name in enumerate(column):
            places[name] = (MARGIN + number * (WIDTH + ACROSS), top + row * (HEIGHT + DOWN))
    width = 2 * MARGIN + len(columns) * WIDTH + (len(columns) - 1) * ACROSS
    parts = [ARROW, text(MARGIN, 28, title, size=15, bold=True)]
    parts += [_arrow(places[before], places[after], said) for (before, after), said in edges.items()]
    for step in definition.steps:
        parts += _node(step, places[step["Name"]], steps.get(step["Name"]))
    return svg(width, height, *parts, title=title)


def edges_of(definition: Definition) -> Edges:
    """What comes before what: by reference, by DependsOn, or behind a condition."""
    found: Edges = {}
    for step in definition.steps:
        arguments = step["Arguments"]
        for before in sorted(referred(arguments) | set(step.get("DependsOn", []))):
            found[before, step["Name"]] = ""
        for branch, said in (("IfSteps", "yes"), ("ElseSteps", "no")):
            for after in arguments.get(branch, []) if step["Type"] == "Condition" else []:
                found[step["Name"], after["Name"]] = said
    return found


def shortest(edges: Edges) -> Edges:
    """Without those that a longer way says already."""

    def leads(start: str, end: str, without: tuple[str, str]) -> bool:
        onward = [after for before, after in edges if before == start and (before, after) != without]
        return end in onward or any(leads(one, end, without) for one in onward)

    return {edge: said for edge, said in edges.items() if not leads(*edge, edge)}


def columns_of(names: list[str], edges: Edges) -> list[list[str]]:
    """Each step one column behind the last that it waits for."""
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            depth[name] = max((of(before) + 1 for before, after in edges if after == name), default=0)
        return depth[name]

    columns: list[list[str]] = [[] for _ in range(max(map(of, names)) + 1)]
    for name in names:
        columns[of(name)].append(name)
    return columns


def _node(step: Json, place: tuple[float, float], found: Step | None) -> list[str]:
    x, y = place
    fill, stroke = COLOURS.get(found.status, UNTOUCHED) if found else UNTOUCHED
    middle = x + WIDTH / 2
    said = found.status if found else "not begun"
    if found and found.status != "Starting":
        said = f"{said}, {exact(found.seconds)}"
    return [
        f"<g><title>{step['Name']}: {said}</title>",
        box(x, y, WIDTH, HEIGHT, fill=fill, stroke=stroke),
        text(middle, y + 19, step["Name"], size=14, anchor="middle", bold=True),
        text(middle, y + 34, step["Type"], size=11, anchor="middle", colour="#555555"),
        text(middle, y + 50, said, size=11, anchor="middle", colour=INK),
        "</g>",
    ]


def _arrow(start: tuple[float, float], end: tuple[float, float], said: str) -> str:
    x1, y1 = start[0] + WIDTH, start[1] + HEIGHT / 2
    x2, y2 = end[0] - 2, end[1] + HEIGHT / 2
    bend = (x2 - x1) / 2
    path = (
        f"<path d='M{x1:.1f},{y1:.1f} C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}' "
        f"fill='none' stroke='{INK}' stroke-width='1.4' marker-end='url(#arrow)'/>"
    )
    # On the side that the bend leaves free.
    label = text(x2 - 24, y2 - 7 if y2 <= y1 else y2 + 16, said, size=11) if said else ""
    return path + label
