"""The report: one page that needs nothing else, the figures, and the numbers behind them."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.conftest import Trained
from training.canvas import COLOURS, DARK_COLOURS, PngCanvas, SvgCanvas
from training.outcome import measured
from training.plots import confusion_plot, learning_curves, shortened, ticks
from training.report import surest_mistakes, write_report
from training.run import Epoch
from training.sources import Examples
from training.validation import Score

CLASSES, PICTURES = 133, 400
HOSTILE = "<script>alert(1)</script> & \"Afghan\" 'hound'"


class Written(NamedTuple):
    folder: Path
    page: str
    metadata: dict[str, Any]
    logits: np.ndarray
    targets: np.ndarray


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """As many classes as the dog course has, one of them named to break a page."""
    rng = np.random.default_rng(1)
    labels = [HOSTILE, *(f"American_staffordshire_terrier_{number}" for number in range(1, CLASSES))]
    targets = np.arange(PICTURES) % CLASSES
    logits = rng.normal(0, 2, (PICTURES, CLASSES))
    logits[np.arange(PICTURES), targets] += rng.normal(7, 3, PICTURES)
    metrics = {"best_epoch": 2, "valid": measured(logits, targets, 1.2), "test": measured(logits, targets, 1.2)}
    metadata = {
        "version": "dogs-0123abcd",
        "labels": labels,
        "temperature": 1.2,
        "int8": {"kept": False, "reason": "it names 0.5 rightly & the other 0.9"},
        "input": {"height": 32, "width": 32},
        "architecture": "small_cnn",
        "hyperparameters": {"learning_rate": 0.004},
        "metrics": {**metrics, "onnx_difference": 1e-6},
        "framework": {"torch": "2.13.0"},
        "code": {"sha256": "ab" * 32},
        "data": {"train": 5, "sha256": "cd" * 32},
    }
    history = [Epoch(n, Score(0.2 * n, 2 / n, 900), Score(0.25 * n, 2.2 / n, 400), 1.5 * n) for n in (1, 2, 3)]
    pixels = rng.integers(0, 256, (PICTURES, 32, 32, 3), dtype=np.uint8)
    test = Examples(pixels, torch.tensor(targets), [f"{HOSTILE}/{number}.jpg" for number in range(PICTURES)])
    folder = tmp_path_factory.mktemp("job") / "report"
    page = write_report(folder, metadata=metadata, history=history, test=test, logits=logits, targets=targets)
    return Written(folder, page.read_text(), metadata, logits, targets)


class Outline(HTMLParser):
    """Tags in their order, those that are open, and everything that a tag points to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    return found


def test_page_and_figures_and_numbers_are_there(written: Written) -> None:
    assert sorted(file.name for file in written.folder.iterdir()) == [
        "confusion.png",
        "evaluation.json",
        "history.csv",
        "learning-curves.png",
        "reliability.png",
        "report.html",
    ]


def test_page_is_well_formed_and_carries_its_language_and_width(written: Written) -> None:
    found = outline(written.page)
    assert found.open == []
    tags = dict(reversed(found.tags))
    assert tags["html"] == {"lang": "en"}
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in [a for t, a in found.tags]


def test_page_fetches_nothing_and_runs_nothing(written: Written) -> None:
    tags = outline(written.page).tags
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags}
    pointers = [value for _, attrs in tags for name, value in attrs.items() if name in {"src", "href"}]
    assert pointers and all(str(value).startswith("data:image/jpeg;base64,") for value in pointers)
    assert "url(" not in written.page and "@import" not in written.page
    assert "default-src 'none'" in written.page


def test_labels_and_file_names_cannot_break_the_page(written: Written) -> None:
    assert HOSTILE not in written.page
    assert "&lt;script&gt;alert(1)" in written.page


def test_everything_that_is_no_text_has_words(written: Written) -> None:
    for tag, attrs in outline(written.page).tags:
        assert tag != "img" or attrs["alt"]
        assert tag != "svg" or (attrs["role"] == "img" and attrs["aria-label"])
        assert "wide" not in str(attrs.get("class")) or (attrs["aria-label"] and attrs["tabindex"] == "0")


def test_headings_come_in_order(written: Written) -> None:
    levels = [int(tag[1]) for tag, _ in outline(written.page).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1 and set(levels[1:]) == {2}


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [COLOURS, DARK_COLOURS])
@pytest.mark.parametrize(("role", "least"), [("ink", 7.0), ("muted", 4.5), ("first", 3.0), ("second", 3.0)])
def test_colours_stand_out_from_the_paper_as_wcag_asks(colours: dict[str, str], role: str, least: float) -> None:
    lighter, darker = sorted((luminance(colours[role]), luminance(colours["paper"])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


def test_page_tells_the_share_with_its_uncertainty_and_why_there_are_no_8_bits(written: Written) -> None:
    accuracy = written.metadata["metrics"]["test"]["accuracy"]
    assert f"<strong>{accuracy:.1%}</strong> of 400 test pictures" in written.page
    assert "there is none; it names 0.5 rightly &amp; the other 0.9." in written.page


def test_classes_are_listed_worst_first(written: Written) -> None:
    table = written.page[written.page.index("Class by class") :]
    numbers = [float(value) for value in re.findall(r"<td>(\d\.\d{3})</td></tr>", table)]
    assert len(numbers) == CLASSES
    assert numbers == sorted(numbers)


def test_numbers_are_those_of_the_split(written: Written) -> None:
    numbers = json.loads((written.folder / "evaluation.json").read_text())
    right = (written.logits.argmax(axis=1) == written.targets).mean()
    assert numbers["accuracy"] == pytest.approx(right)
    low, high = numbers["accuracy_95"]
    assert low < right < high
    assert set(numbers["classes"]) == set(written.metadata["labels"])
    wrong = sum(one["pictures"] for one in numbers["mistakes"])
    assert wrong == PICTURES - round(right * PICTURES)
    counts = [one["pictures"] for one in numbers["mistakes"]]
    assert counts == sorted(counts, reverse=True)


def test_history_has_a_line_for_each_epoch(written: Written) -> None:
    with (written.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[1]["valid_accuracy"]) == 0.5


@pytest.mark.parametrize("name", ["confusion", "learning-curves", "reliability"])
def test_figures_are_pictures_with_something_on_them(written: Written, name: str) -> None:
    with Image.open(written.folder / f"{name}.png") as image:
        assert min(image.size) >= 400
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 10


def test_surest_mistakes_come_first_and_right_answers_never(written: Written) -> None:
    test = Examples(np.zeros((PICTURES, 4, 4, 3), dtype=np.uint8), torch.tensor(written.targets), ["x"] * PICTURES)
    found = surest_mistakes(test, written.logits, written.targets, written.metadata["labels"], 1.2)
    assert len(found) == 12
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    assert all(one.label != one.answer for one in found)


def test_one_epoch_makes_a_figure_too() -> None:
    (width, height), draw = learning_curves([1], [("loss", [0.5], [0.5])], best=1)
    for canvas in (SvgCanvas(width, height, "x"), PngCanvas(width, height)):
        draw(canvas)
        assert canvas.finished()


@pytest.mark.parametrize(("classes", "numbers"), [(10, True), (40, False)])
def test_cells_hold_their_counts_while_there_is_room(classes: int, numbers: bool) -> None:
    (width, height), draw = confusion_plot(np.eye(classes, dtype=np.int64) * 77, [str(n) for n in range(classes)])
    canvas = SvgCanvas(width, height, "x")
    draw(canvas)
    assert (">77<" in canvas.finished()) is numbers


def test_long_labels_are_cut_in_the_figure_only() -> None:
    assert shortened("Nova_scotia_duck_tolling_retriever") == "Nova_scotia_duck_to..."
    assert shortened("Akita") == "Akita"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.93, 0.951, [0.93, 0.935, 0.94, 0.945, 0.95]), (-3, 8, [0.0, 5.0])],
)
def test_ticks_are_round_numbers_within_the_bounds(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_epochs_have_whole_ticks() -> None:
    assert ticks(1, 3, whole=True) == [1, 2, 3]


def test_a_job_leaves_its_report_in_the_output_folder(trained: Trained) -> None:
    page = (trained.job.base / "output" / "data" / "report.html").read_text()
    assert trained.metadata["version"] in page
    assert f"report is in {trained.job.base}/output/data/report.html" in trained.job.stdout
