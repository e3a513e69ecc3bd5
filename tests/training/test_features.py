"""A frozen network's features: the same as the network's, computed once, shared, and a head that learns on them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import features, head, loop, models, train
from training.body import Body
from training.group import Group
from training.preprocess import Recipe
from training.sources import Examples, normalised

RECIPE = Recipe(height=32, width=32, resize=36, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
COUNT = 10


@pytest.fixture(scope="module")
def body() -> Body:
    torch.manual_seed(1)
    return Body.of(models.build("resnet18", 3), RECIPE, 3)


@pytest.fixture
def examples() -> Examples:
    pixels = np.random.default_rng(1).integers(0, 256, (COUNT, 36, 36, 3), dtype=np.uint8)
    return Examples(pixels, torch.arange(COUNT) % 3, [f"{number}.jpg" for number in range(COUNT)])


HASHES = [f"{number:064x}" for number in range(COUNT)]


def compute(body: Body, examples: Examples, store: Path, flip: bool = True) -> features.Values:
    return features.compute(body, examples, HASHES, store, flip=flip, group=Group())


def test_features_are_what_goes_into_the_head(body: Body, examples: Examples, tmp_path: Path) -> None:
    found = compute(body, examples, tmp_path)
    middle = normalised(torch.from_numpy(examples.pixels[:, 2:34, 2:34].copy()), RECIPE)
    with torch.inference_mode():
        plain, mirrored = body.network(middle), body.network(middle.flip(-1))
    scale = float(plain.abs().max())
    np.testing.assert_allclose(found[:, 0], plain, atol=2e-3 * scale)
    np.testing.assert_allclose(found[:, 1], mirrored, atol=2e-3 * scale)


def test_stored_features_are_not_computed_again(
    body: Body, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compute(body, examples, tmp_path)
    monkeypatch.setattr(features, "engine_of", lambda *_words: pytest.fail("computed again"))
    np.testing.assert_array_equal(compute(body, examples, tmp_path), first)


def test_interrupted_computation_goes_on_after_its_last_piece(
    body: Body, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "PIECE", 4)
    first = compute(body, examples, tmp_path)
    pieces = sorted(tmp_path.glob("*.npy"))
    assert len(pieces) == 3
    pieces[-1].unlink()
    pieces[0].write_bytes(b"torn")
    ranges, computed = list[range](), features._computed
    monkeypatch.setattr(features, "_computed", lambda *a, **kw: (ranges.append(kw["numbers"]), computed(*a, **kw))[1])
    np.testing.assert_array_equal(compute(body, examples, tmp_path), first)
    assert ranges == [range(4), range(8, 10)]


def test_other_weights_recipes_pictures_or_views_have_other_features(
    body: Body, examples: Examples, tmp_path: Path
) -> None:
    compute(body, examples, tmp_path)
    compute(body, examples, tmp_path, flip=False)
    features.compute(body, examples, HASHES[::-1], tmp_path, flip=True, group=Group())
    torch.manual_seed(2)
    compute(Body.of(models.build("resnet18", 3), RECIPE, 3), examples, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 4


def test_store_that_cannot_be_written_costs_nothing_but_the_keeping(
    body: Body, examples: Examples, capsys: pytest.CaptureFixture[str]
) -> None:
    compute(body, examples, Path("/proc/channel"))
    assert "features are not kept in /proc/channel (" in capsys.readouterr().out


def test_head_that_was_folded_answers_as_before() -> None:
    torch.manual_seed(3)
    last, values = torch.nn.Linear(6, 4), torch.randn(9, 6) * 5 + 2
    mean, std = values.mean(0), values.std(0)
    expected = last(values)
    head.unfold(last, mean, std)
    torch.testing.assert_close(last((values - mean) / std), expected)
    head.fold(last, mean, std)
    torch.testing.assert_close(last(values), expected)


def test_head_is_trained_and_nothing_else(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a network whose first weights are known, the second run finding its features in the channel."""
    torch.manual_seed(4)
    begin = models.build("small_cnn", 10).state_dict()
    torch.save(begin, tmp_path / "begin.pt")
    flags = ["--stage", "head", "--weights", str(tmp_path / "begin.pt"), "--features", str(tmp_path / "features")]
    flags += ["--epochs", "15", "--threads", "1"]
    for name in ("train", "valid", "test"):
        flags += [f"--{name}", str(pictures / name)]
    assert train.main([*flags, "--model-dir", str(tmp_path / "model")]) == 0
    said = capsys.readouterr().out
    losses = [float(loss) for loss in re.findall(r"train_loss=(\S+)", said)]
    assert losses[-1] < 0.7 * losses[0]
    after = torch.load(tmp_path / "model" / "model.pt", weights_only=True)
    changed = {name for name, value in begin.items() if not torch.equal(value, after[name])}
    assert changed == {"head.weight", "head.bias"}
    # what was measured on features is what the exported network does
    best = float(re.findall(r"best_valid_accuracy=(\S+)", said)[0])
    assert f'"accuracy": {best}' in (tmp_path / "model" / "model.json").read_text()


def test_cutmix_is_for_pictures_and_never_mixes_the_labels_of_features(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box of features is none: rows of the batch would be swapped, and every label mixed."""
    seen, really = [], loop.train

    def noted(network: torch.nn.Module, *words: Any) -> Any:
        seen.append((isinstance(network, torch.nn.Linear), words[2].cutmix))
        return really(network, *words)

    monkeypatch.setattr(loop, "train", noted)
    flags = ["--stage", "both", "--cutmix", "1", "--epochs", "1", "--threads", "1", "--trial", "true"]
    for name in ("train", "valid"):
        flags += [f"--{name}", str(pictures / name)]
    assert train.main([*flags, "--model-dir", str(tmp_path)]) == 0
    assert seen == [(True, 0.0), (False, 1.0)]
