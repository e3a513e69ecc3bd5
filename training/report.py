"""What a training leaves beside the model: a page, its figures as PNG, and the numbers behind them.

report.html  learning-curves.png  confusion.png  reliability.png  evaluation.json  history.csv
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.canvas import PngCanvas
from training.history import write_history
from training.page import Content, Mistake, page
from training.plots import Figure, confusion_plot, learning_curves, reliability_plot
from training.run import Epoch
from training.scoring import Counts, Floats, class_scores, confusion, interval, reliability, score, softmax
from training.sources import Examples

PAGE, NUMBERS, HISTORY = "report.html", "evaluation.json", "history.csv"
SHOWN_MISTAKES = 12


def evaluation(logits: Floats, targets: Counts, metadata: dict[str, Any], *, precision: str = "fp32") -> dict[str, Any]:
    """All numbers of one split, as `python -m training.evaluate` writes them."""
    labels, matrix = metadata["labels"], confusion(logits, targets)
    scores = score(logits, targets, metadata["temperature"])
    return {
        "model_version": metadata["version"],
        "precision": precision,
        **scores.as_json(),
        "accuracy_95": [round(bound, 6) for bound in interval(scores.accuracy, scores.samples)],
        "classes": {
            one.label: {"samples": one.samples, "precision": one.precision, "recall": one.recall, "f1": one.f1}
            for one in class_scores(matrix, labels)
        },
        "mistakes": [
            {"is": label, "called": answer, "pictures": count} for label, answer, count in confused(matrix, labels)
        ],
    }


def confused(matrix: Counts, labels: Sequence[str]) -> list[tuple[str, str, int]]:
    """Class, answer and how often, of what went wrong; most often first."""
    wrong = [(int(matrix[row, column]), row, column) for row, column in zip(*np.nonzero(matrix), strict=True)]
    return [
        (labels[row], labels[column], count)
        for count, row, column in sorted(wrong, key=lambda one: (-one[0], one[1], one[2]))
        if row != column
    ]


def write_report(
    folder: Path,
    *,
    metadata: dict[str, Any],
    history: Sequence[Epoch],
    test: Examples,
    logits: Floats,
    targets: Counts,
) -> Path:
    """Write all of it; answer with the page."""
    folder.mkdir(parents=True, exist_ok=True)
    labels, temperature, matrix = metadata["labels"], metadata["temperature"], confusion(logits, targets)
    curves = learning_curves(
        [epoch.number for epoch in history],
        [
            ("loss", [epoch.train.loss for epoch in history], [epoch.valid.loss for epoch in history]),
            ("accuracy", [epoch.train.accuracy for epoch in history], [epoch.valid.accuracy for epoch in history]),
        ],
        best=metadata["metrics"]["best_epoch"],
    )
    trusted = reliability_plot(reliability(logits, targets), reliability(logits, targets, temperature))
    matrix_plot = confusion_plot(matrix, labels)
    for name, figure in (("learning-curves", curves), ("reliability", trusted), ("confusion", matrix_plot)):
        _save_png(figure, folder / f"{name}.png")
    content = Content(
        metadata=metadata,
        split="test",
        classes=class_scores(matrix, labels),
        confused=confused(matrix, labels),
        mistakes=surest_mistakes(test, logits, targets, labels, temperature),
        curves=curves,
        reliability=trusted,
        confusion=matrix_plot,
    )
    (folder / PAGE).write_text(page(content), encoding="utf-8")
    numbers = evaluation(logits, targets, metadata)
    (folder / NUMBERS).write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_history(history, folder / HISTORY)
    return folder / PAGE


def surest_mistakes(
    examples: Examples, logits: Floats, targets: Counts, labels: Sequence[str], temperature: float
) -> list[Mistake]:
    """Pictures with the most confident wrong answers: the hardest ones, and those whose label is wrong."""
    chances = softmax(logits, temperature)
    answers, confidence = chances.argmax(axis=1), chances.max(axis=1)
    wrong = np.flatnonzero(answers != targets)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN_MISTAKES]
    return [
        Mistake(
            name=examples.names[index],
            pixels=examples.pixels[index],
            label=labels[targets[index]],
            answer=labels[answers[index]],
            confidence=float(confidence[index]),
        )
        for index in surest
    ]


def _save_png(figure: Figure, file: Path) -> None:
    (width, height), draw = figure
    canvas = PngCanvas(width, height)
    draw(canvas)
    canvas.finished().save(file, optimize=True)
