"""Training and serving apply one recipe with two pieces of code; here they are held equal."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving import preprocess as serving
from serving.artifact import recipe_of
from tests.serving.pictures import ODD_PICTURES, encode, scene
from tests.serving.processes import STARTER, ServerProcess
from training import preprocess as training
from training.artifact import METADATA
from training.evaluate import recipe_of as training_recipe_of
from training.runtime import logits_of, open_session
from training.scoring import softmax

LIMITS = serving.Limits()
INVERSE = {turn: turn for turn in Image.Transpose} | {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}


def both_recipes(**changes: object) -> tuple[training.Recipe, serving.Preprocessing]:
    ours = training.Recipe(**{"height": 64, "width": 64, "resize": 72, "mean": (0.5, 0.4, 0.3), **changes})  # type: ignore[arg-type]
    size = {"height": ours.height, "width": ours.width}
    return ours, recipe_of({"input": size, "preprocessing": ours.preprocessing()})


def pixels_of_both(name: str, tmp_path: Path, **changes: object) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = both_recipes(**changes)
    path = tmp_path / name
    path.write_bytes(ODD_PICTURES[name])
    return training.load(path, ours), serving.decode(ODD_PICTURES[name], theirs, LIMITS)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", sorted(ODD_PICTURES))
def test_pixels_are_equal_on_odd_pictures(name: str, tmp_path: Path) -> None:
    trained_on, served = pixels_of_both(name, tmp_path)
    np.testing.assert_array_equal(trained_on, served)


@pytest.mark.parametrize(
    "changes",
    [
        {"interpolation": "bicubic"},
        {"exif": "ignore"},
        {"background": (10, 20, 30)},
        {"jpeg_draft": 0},
        {"height": 32, "width": 60},
        {"resize": 64},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["exif_6", "rgba_png", "huge_jpeg"])
def test_pixels_are_equal_under_other_recipes(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    trained_on, served = pixels_of_both(name, tmp_path, **changes)
    np.testing.assert_array_equal(trained_on, served)


def test_floats_are_equal_to_rounding() -> None:
    ours, theirs = both_recipes(std=(0.2, 0.3, 0.4))
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(serving.normalise(pixels, theirs), training.normalise(pixels[None], ours), atol=2e-6)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_stored_turned_is_read_upright(orientation: int) -> None:
    _, recipe = both_recipes()
    # the tag says how to turn what is stored: storing the inverse turn must give the untagged picture back
    stored = Image.fromarray(scene()).transpose(INVERSE[serving.TURNS[orientation]])
    exif = Image.Exif()
    exif[serving.ORIENTATION_TAG] = orientation
    read = serving.decode(encode(stored, "PNG", exif=exif), recipe, LIMITS)
    upright = serving.decode(encode(Image.fromarray(scene()), "PNG"), recipe, LIMITS)
    # turning comes before scaling, so that only the order of summation differs
    assert np.abs(read.astype(int) - upright).max() <= 1


def test_served_probabilities_equal_the_evaluation_of_training(server: ServerProcess, unpacked: Path) -> None:
    metadata = json.loads((unpacked / METADATA).read_text())
    files = sorted((STARTER / "samples").iterdir())
    pixels = np.stack([training.load(file, training_recipe_of(metadata)) for file in files])
    logits = logits_of(open_session(unpacked / "model.onnx"), pixels, training_recipe_of(metadata))
    expected = softmax(logits.astype(np.float64), metadata["temperature"])
    for file, row in zip(files, expected, strict=True):
        answer = server.invoke(file.read_bytes(), X_Amzn_SageMaker_Custom_Attributes="top_k=10").document
        served = {entry["label"]: entry["probability"] for entry in answer["predictions"]}
        np.testing.assert_allclose([served[label] for label in metadata["labels"]], row, atol=2e-6)
