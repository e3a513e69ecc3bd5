"""One HTML file that tells how a model does: no script, nothing fetched, readable on a phone and by a screen reader."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from training.canvas import COLOURS, DARK_COLOURS, SvgCanvas
from training.plots import Figure
from training.preprocess import Pixels
from training.scoring import ClassScore, interval

MOST_MISTAKES = 20
PICTURE_PIXELS = 112
# A figure that is not wider can shrink to a phone's width and be read.
READABLE_PIXELS = 420


@dataclass(frozen=True)
class Mistake:
    """A picture that was called something else, and how sure the network was."""

    name: str
    pixels: Pixels
    label: str
    answer: str
    confidence: float


@dataclass(frozen=True)
class Content:
    """What the page tells."""

    metadata: dict[str, Any]
    split: str
    classes: Sequence[ClassScore]
    confused: Sequence[tuple[str, str, int]]
    """Class, answer, how often; most often first."""
    mistakes: Sequence[Mistake]
    curves: Figure
    reliability: Figure
    confusion: Figure


def page(content: Content) -> str:
    """The whole file."""
    metadata = content.metadata
    version = html.escape(metadata["version"])
    sections = "\n".join(
        [
            _summary(content),
            _figure("Learning", content.curves, "Loss and accuracy of each epoch", _curves_say(metadata)),
            _figure(
                "Which class is called what",
                content.confusion,
                "Confusion matrix: rows are what the pictures are, columns what they were called",
                "Each row is a class, each column an answer. Blue is right, orange is wrong; the stronger, the larger "
                "the share of the class.",
            ),
            _confused(content),
            _mistakes(content),
            _classes(content),
            _figure(
                "How far its confidence can be trusted",
                content.reliability,
                "Accuracy against confidence, before and after fitting the temperature",
                "Of the answers that are 80 % sure, 80 % should be right: that is the diagonal. Below it the network "
                "is too sure, above it too modest. The larger a dot, the more answers are that sure.",
            ),
            _origin(metadata),
        ]
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Model {version}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Model {version}</h1>
{sections}
</main>
</body>
</html>
"""


def _summary(content: Content) -> str:
    metrics, metadata = content.metadata["metrics"], content.metadata
    own = metrics["test"]
    low, high = interval(own["accuracy"], own["samples"])
    rows = [
        ("Accuracy", "share of pictures named rightly", *_both(metrics, "accuracy")),
        ("Macro-F1", "mean over the classes, each counting the same", *_both(metrics, "macro_f1")),
        ("Calibration error", "how far confidence and accuracy lie apart", *_both(metrics, "calibration_error")),
        ("", "the same without the temperature", *_both(metrics, "calibration_error", "uncalibrated")),
        ("Cross-entropy", "of the probabilities that are served", *_both(metrics, "loss")),
        ("Pictures", "", *_both(metrics, "samples")),
    ]
    body = "".join(
        f'<tr><th scope="row">{name}<small>{remark}</small></th><td>{_number(test)}</td><td>{_number(valid)}</td></tr>'
        for name, remark, test, valid in rows
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Test", "Validation"))
    return f"""<p class="lead"><strong>{own["accuracy"]:.1%}</strong> of {own["samples"]} test pictures named rightly.
With so many pictures the true share lies between {low:.1%} and {high:.1%} (95 % confidence).</p>
<p>The test pictures were read once, after everything else was decided. The validation pictures chose epoch
{metrics["best_epoch"]}, the temperature {metadata["temperature"]:g} and whether there is a network in 8 bits:
{html.escape(_int8_says(metadata["int8"]))}</p>
{_scrolling("Scores", f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>")}"""


def _both(metrics: dict[str, Any], name: str, part: str | None = None) -> tuple[float, float]:
    test, valid = ((metrics[split][part] if part else metrics[split])[name] for split in ("test", "valid"))
    return test, valid


def _int8_says(verdict: dict[str, Any]) -> str:
    if not verdict["kept"]:
        return f"there is none; {verdict['reason']}."
    return f"there is one, which loses {verdict['lost'] * 100:.2f} points of accuracy on them."


def _curves_say(metadata: dict[str, Any]) -> str:
    return (
        "What is measured on training pictures is measured while they are moved about and the network changes, which "
        "makes them harder; so the dashed line may be the worse one. "
        f"The weights of epoch {metadata['metrics']['best_epoch']} are kept."
    )


def _confused(content: Content) -> str:
    if not content.confused:
        return "<h2>Most frequent mistakes</h2><p>None.</p>"
    rows = [(html.escape(label), html.escape(answer), str(count)) for label, answer, count in content.confused]
    more = f"The {MOST_MISTAKES} most frequent ones." if len(rows) > MOST_MISTAKES else ""
    return f"<h2>Most frequent mistakes</h2><p>{more}</p>" + _table(
        "Mistakes", ("Is", "Was called", "Pictures"), rows[:MOST_MISTAKES]
    )


def _mistakes(content: Content) -> str:
    if not content.mistakes:
        return ""
    shown = "".join(
        f'<li><img src="{_data_uri(one.pixels)}" width="{PICTURE_PIXELS}" height="{PICTURE_PIXELS}" '
        f'alt="{html.escape(one.name)}"><span>is <b>{html.escape(one.label)}</b></span>'
        f"<span>called <b>{html.escape(one.answer)}</b>, {one.confidence:.0%} sure</span>"
        f"<code>{html.escape(one.name)}</code></li>"
        for one in content.mistakes
    )
    return f"""<h2>Wrong and most sure of it</h2>
<p>Look at these first: some may carry a wrong label.</p><ul class="pictures">{shown}</ul>"""


def _classes(content: Content) -> str:
    rows = [
        (html.escape(one.label), str(one.samples), f"{one.recall:.3f}", f"{one.precision:.3f}", f"{one.f1:.3f}")
        for one in sorted(content.classes, key=lambda one: (one.f1, one.label))
    ]
    return (
        "<h2>Class by class</h2><p>The worst first. Recall: of the pictures that are so, the share that it calls so; "
        "precision: of those that it calls so, the share that are; F1: the harmonic mean of the two.</p>"
        + _table("Classes", ("Class", "Pictures", "Recall", "Precision", "F1"), rows)
    )


def _origin(metadata: dict[str, Any]) -> str:
    facts = {
        "Architecture": metadata["architecture"],
        "Input": f"{metadata['input']['height']} x {metadata['input']['width']} pixels",
        **{f"--{name.replace('_', '-')}": value for name, value in metadata["hyperparameters"].items()},
        **{f"data: {name}": value for name, value in metadata["data"].items()},
        **{f"with {name}": value for name, value in metadata["framework"].items()},
        "code": metadata["code"]["sha256"],
        "largest difference between PyTorch's and ONNX Runtime's logits": metadata["metrics"]["onnx_difference"],
    }
    rows = "".join(
        f'<tr><th scope="row">{html.escape(str(name))}</th><td><code>{html.escape(str(value))}</code></td></tr>'
        for name, value in facts.items()
    )
    table = f'<table class="facts"><tbody>{rows}</tbody></table>'
    return f"<h2>Where it comes from</h2>{_scrolling('Origin', table)}"


def _table(label: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return _scrolling(label, f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _scrolling(label: str, inner: str) -> str:
    """What may be wider than a phone scrolls by itself, by keyboard too."""
    return f'<div class="wide" role="region" aria-label="{html.escape(label)}" tabindex="0">{inner}</div>'


def _figure(title: str, figure: Figure, says: str, caption: str) -> str:
    (width, height), draw = figure
    canvas = SvgCanvas(width, height, says)
    draw(canvas)
    narrow = ' class="narrow"' if width <= READABLE_PIXELS else ""
    return f"""<h2>{title}</h2>
<figure{narrow}>{_scrolling(title, canvas.finished())}
<figcaption>{caption}</figcaption></figure>"""


def _data_uri(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    side = (2 * PICTURE_PIXELS, 2 * PICTURE_PIXELS)
    picture = Image.fromarray(pixels)
    picture.thumbnail(side)
    picture.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _number(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


STYLE = f"""
:root{{color-scheme:light dark;{_variables(COLOURS)}}}
@media (prefers-color-scheme:dark){{:root{{{_variables(DARK_COLOURS)}}}}}
body{{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}}
main{{max-width:60rem;margin:0 auto;padding:1rem}}
h1{{font-size:1.6rem;overflow-wrap:anywhere}}h2{{font-size:1.2rem;margin:2.5rem 0 .5rem}}
.lead{{font-size:1.15rem}}
.wide{{overflow-x:auto;max-width:100%}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{padding:.3rem .8rem .3rem 0;text-align:left;border-bottom:1px solid var(--grid);vertical-align:top}}
tbody th{{font-weight:normal}}small{{display:block;color:var(--muted)}}
td{{white-space:nowrap}}td:last-child{{white-space:normal}}
.facts td{{overflow-wrap:anywhere}}
figure{{margin:0}}figcaption,p{{max-width:44rem}}figcaption{{color:var(--muted)}}
svg{{display:block}}.narrow svg{{max-width:100%;height:auto}}
.pictures{{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem;list-style:none;padding:0}}
.pictures li{{display:flex;flex-direction:column;font-size:.9rem;overflow-wrap:anywhere}}
.pictures img{{object-fit:contain;background:var(--grid)}}
code{{font-size:.85em;color:var(--muted)}}
"""
