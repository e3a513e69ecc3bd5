"""A model card as one page: nothing in it is fetched from elsewhere, and nothing that it shows is taken for markup."""

from html import escape
from typing import Any

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c2530; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .75rem .25rem 0;
border-bottom: 1px solid #dde3ea; vertical-align: top; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; } .facts th { width: 14rem; }
.bar { background: #2f6f9f; height: .6rem; display: inline-block; border-radius: 2px; }
.scroll { overflow-x: auto; }
.matrix td { text-align: right; min-width: 2.2rem; border: 1px solid #fff; padding: .15rem .3rem; }
.matrix th { font-weight: normal; font-size: .8rem; } .muted { color: #5a6673; }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #d9e0e8; } th, td { border-color: #2c343d; }
.muted { color: #98a4b1; } .matrix td { border-color: #14181d; } }
"""
# A larger matrix says less than the list of mistakes below it.
MOST_CLASSES_IN_MATRIX = 40
RIGHT, WRONG = "47,111,159", "196,77,55"
FACTS = ("status", "architecture", "registered", "approved_by", "approved_at", "reason", "run", "artifact", "image")


def page(data: dict[str, Any]) -> str:
    title = f"Model version {data['version']}"
    parts = [
        f"<h1>{escape(title)} <span class=muted>{escape(str(data['model_version']))}</span></h1>",
        f"<p>{escape(', '.join(data['live'])) or 'Live nowhere'}</p>",
        _facts({name: data.get(name) for name in FACTS}),
        "<h2>On the test pictures</h2>",
        _facts({**data["scores"], "accuracy, 95 % of the time between": data["accuracy_95"]}),
        _calibration(data),
        _classes(data["per_class"]),
        _matrix(data),
        _mistakes(data["mistakes"]),
        "<h2>Made of</h2>",
        _facts(data["data"] or {}),
        _facts(data["hyperparameters"] or {}),
        "<h2>Made by</h2>",
        _facts({"code": data["code_sha256"], **(data["framework"] or {})}),
        "<h2>Lineage</h2>",
        _facts(_flat(data["lineage"])),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    return (
        f"<!doctype html><html lang=en><head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        + ("\n".join(part for part in parts if part) + "</body></html>\n")
    )


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in found.items():
        flat |= {f"{name}: {inner}": one for inner, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _facts(found: dict[str, Any]) -> str:
    rows = [
        f"<tr><th>{escape(str(name).replace('_', ' '))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in found.items()
        if value not in (None, "", [], {})
    ]
    return f"<table class=facts>{''.join(rows)}</table>" if rows else ""


def _calibration(data: dict[str, Any]) -> str:
    before = (data["uncalibrated"] or {}).get("calibration_error")
    error = data["scores"].get("calibration_error")
    if error is None or before is None:
        return ""
    return (
        f"<p>Confidence and accuracy lie {error:.4f} apart with temperature {data['temperature']:.4g}, "
        f"{before:.4f} without it.</p>"
    )


def _classes(found: dict[str, Any]) -> str:
    if not found:
        return "<p class=muted>Nothing is kept of single classes: the run's folder is gone.</p>"
    head = "".join(f"<th class=number>{word}</th>" for word in ("pictures", "precision", "recall", "F1"))
    rows = [
        f"<tr><td>{escape(label)}</td><td class=number>{one['samples']}</td>"
        + "".join(f"<td class=number>{_number(one[name])}</td>" for name in ("precision", "recall", "f1"))
        + f"<td><span class=bar style='width:{100 * (one['f1'] or 0):.0f}px'></span></td></tr>"
        for label, one in found.items()
    ]
    table = f"<table><tr><th>class</th>{head}<th></th></tr>{''.join(rows)}</table>"
    return f"<h2>Class by class</h2><div class=scroll>{table}</div>"


def _matrix(data: dict[str, Any]) -> str:
    """Rows are what the pictures show, columns what the model called them."""
    labels = list(data["per_class"])
    if not 1 < len(labels) <= MOST_CLASSES_IN_MATRIX:
        return ""
    wrong = {(one["is"], one["called"]): one["pictures"] for one in data["mistakes"]}
    rows = []
    for label in labels:
        samples = data["per_class"][label]["samples"]
        missed = sum(count for (shown, _), count in wrong.items() if shown == label)
        cells = [samples - missed if other == label else wrong.get((label, other), 0) for other in labels]
        shaded = [
            f"<td style='background:rgba({RIGHT if other == label else WRONG},{count / (samples or 1):.2f})'>"
            f"{count or ''}</td>"
            for other, count in zip(labels, cells, strict=True)
        ]
        rows.append(f"<tr><th>{escape(label)}</th>{''.join(shaded)}</tr>")
    head = "".join(f"<th>{escape(label)}</th>" for label in labels)
    return (
        "<h2>What was taken for what</h2><p class=muted>Rows: what the pictures show. Columns: what the model said.</p>"
        f"<div class=scroll><table class=matrix><tr><th></th>{head}</tr>{''.join(rows)}</table></div>"
    )


def _mistakes(found: list[dict[str, Any]]) -> str:
    rows = [
        f"<tr><td class=number>{one['pictures']}</td><td>{escape(one['is'])}</td><td>{escape(one['called'])}</td></tr>"
        for one in found
    ]
    if not rows:
        return ""
    head = "<tr><th class=number>pictures</th><th>showed</th><th>were called</th></tr>"
    return f"<h2>Mistakes</h2><div class=scroll><table>{head}{''.join(rows)}</table></div>"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
