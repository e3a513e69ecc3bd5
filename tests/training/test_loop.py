"""The optimisation: what is seen, what is kept, what each option does to it."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from training import models
from training.augment import Draws, crop, mixed, trivial
from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.loop import Surroundings, fit, order_of
from training.preprocess import Pixels, Recipe
from training.run import Average, Best, Epoch, Run
from training.sources import Examples, Pictures, batches
from training.validation import Score

RECIPE = Recipe(height=16, width=16, resize=18, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose time between threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def examples(count: int, side: int) -> Examples:
    """Dark and light pictures in turns."""
    levels = np.where(np.arange(count) % 2, 220, 30).astype(np.uint8)
    pixels = np.broadcast_to(levels[:, None, None, None], (count, side, side, 3)).copy()
    return Examples(pixels, torch.arange(count) % 2, [f"{index}.jpg" for index in range(count)])


def pictures(count: int, side: int = 18, **options: object) -> Pictures:
    return Pictures(examples(count, side), RECIPE, **options)  # type: ignore[arg-type]


def small_cnn(classes: int = 2) -> nn.Module:
    torch.manual_seed(1)
    return models.build("small_cnn", classes)


def test_best_epoch_wins_and_the_lower_loss_decides_between_equals() -> None:
    network, best = nn.Linear(1, 1), Best()
    for epoch, (accuracy, loss) in enumerate([(0.5, 1.0), (0.9, 0.5), (0.9, 0.4), (0.9, 0.6), (0.8, 0.1)], start=1):
        best.offer(epoch, Score(accuracy, loss, 10), network)
    assert best.epoch == 3


def test_network_ends_with_the_weights_of_the_best_epoch() -> None:
    network, kept = small_cnn(), []

    def report(_epoch: Epoch) -> None:
        kept.append({name: value.clone() for name, value in network.state_dict().items()})

    around = Surroundings(report=report)
    best, history = fit(network, pictures(16), pictures(8, 16), Hyperparameters(epochs=3, batch_size=8), around)
    assert len(history) == 3
    for name, value in network.state_dict().items():
        assert torch.equal(value, kept[best.epoch - 1][name])


def test_every_sample_is_seen_once_in_an_epoch_even_when_batches_do_not_fit() -> None:
    order = order_of(13, 1, Hyperparameters(batch_size=4))
    assert sorted(np.concatenate(order)) == list(range(13))
    assert {len(batch) for batch in order} == {3, 4}


def test_each_epoch_has_an_order_of_its_own_and_the_seed_repeats_it() -> None:
    first, again, second, other = (
        np.concatenate(order_of(50, epoch, Hyperparameters(seed=seed))).tolist()
        for epoch, seed in ((1, 1), (1, 1), (2, 1), (1, 2))
    )
    assert first == again
    assert first not in (second, other)


def test_loss_that_is_not_finite_names_epoch_batch_and_files() -> None:
    network = small_cnn()
    with torch.no_grad():
        network.head.bias.fill_(math.nan)  # type: ignore[union-attr, operator]
    with pytest.raises(TrainingError, match=r"the loss became nan at epoch 1, batch 1 \(\d+\.jpg, \d+\.jpg"):
        fit(network, pictures(8), pictures(8, 16), Hyperparameters(epochs=1))


@pytest.mark.parametrize(
    "options",
    [
        {"mixup": 0.4},
        {"cutmix": 1.0},
        {"mixup": 0.4, "cutmix": 1.0},
        {"ema": 0.9},
        {"label_smoothing": 0.1},
        {"clip_norm": 0.5},
        {"layer_decay": 0.5},
        {"freeze_norm": True},
        {"precision": "bf16"},
        {"warm_up": 0.5},
    ],
    ids="+".join,
)
def test_option_trains_and_changes_the_weights(options: dict[str, object]) -> None:
    plain, other = small_cnn(), small_cnn()
    chosen = Hyperparameters(epochs=2, batch_size=8)
    fit(plain, pictures(16), pictures(8, 16), chosen)
    fit(other, pictures(16), pictures(8, 16), replace(chosen, **options))  # type: ignore[arg-type]
    assert not torch.equal(plain.head.weight, other.head.weight)  # type: ignore[union-attr, arg-type]


def test_rates_fall_from_the_head_to_the_input() -> None:
    run = Run.of(models.build("resnet18", 2), 10, Hyperparameters(learning_rate=0.1, layer_decay=0.5))
    assert [group["max_lr"] for group in run.optimiser.param_groups] == pytest.approx(
        [0.1 * 0.5**depth for depth in (5, 4, 3, 2, 1, 0)]
    )


def test_every_weight_is_in_one_block() -> None:
    for architecture in models.ARCHITECTURES:
        network = models.build(architecture, 3)
        placed = [id(parameter) for block in models.blocks(network) for parameter in block]
        assert sorted(placed) == sorted(id(parameter) for parameter in network.parameters())


def test_average_lags_behind_and_arrives() -> None:
    network = nn.Linear(1, 1)
    average = Average(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(1.0)
        average.network.weight.fill_(0.0)  # type: ignore[union-attr, operator]
    seen = []
    for steps in range(200):
        average.follow(network, steps)
        seen.append(float(average.network.state_dict()["weight"]))
    assert seen == sorted(seen)
    assert seen[0] == pytest.approx(0.9)  # the first steps count for more
    assert seen[-1] == pytest.approx(1.0, abs=1e-4)


def test_frozen_norms_keep_their_statistics() -> None:
    network = small_cnn()
    before = network.state_dict()["features.0.1.running_mean"].clone()
    fit(network, pictures(16), pictures(8, 16), Hyperparameters(epochs=1, freeze_norm=True))
    assert torch.equal(network.state_dict()["features.0.1.running_mean"], before)


def draws(count: int, **mixes: float) -> Draws:
    return Draws.of(1, 1, 1, count, **{"mixup": 0.0, "cutmix": 0.0, **mixes})


def numbered(count: int) -> Pixels:
    columns = np.arange(18, dtype=np.uint8)
    return np.broadcast_to(columns[None, None, :, None], (count, 18, 18, 3)).copy()


def test_crops_move_within_the_margin() -> None:
    cut = crop(numbered(60), (16, 16), draws(60), np.arange(60), flip=False)
    assert set(cut[:, 0, 0, 0].tolist()) == {0, 1, 2}


def test_half_of_the_pictures_are_mirrored_when_asked() -> None:
    mirrored = crop(numbered(400), (16, 16), draws(400), np.arange(400), flip=True)
    assert 150 < sum(picture[0, 0, 0] > picture[0, -1, 0] for picture in mirrored) < 250


def test_nothing_is_mirrored_when_not_asked() -> None:
    plain = crop(numbered(100), (16, 16), draws(100), np.arange(100), flip=False)
    assert (plain[:, 0, 0, 0] < plain[:, 0, -1, 0]).all()


def test_trivial_augment_changes_most_pictures_and_repeats_itself() -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    changed = trivial(pixels, draws(60), np.arange(60))
    assert np.array_equal(changed, trivial(pixels, draws(60), np.arange(60)))
    assert 40 < sum(not np.array_equal(one, other) for one, other in zip(pixels, changed, strict=True)) < 60


def test_mixup_keeps_the_share_of_each() -> None:
    mix = draws(4, mixup=0.4)
    found = mixed(torch.ones(4, 3, 8, 8), torch.zeros(4, 3, 8, 8), mix)
    assert found.unique().tolist() == pytest.approx([mix.share])


def test_cutmix_takes_a_box_as_large_as_the_share_says() -> None:
    for batch in range(1, 20):
        mix = Draws.of(1, 1, batch, 4, mixup=0.0, cutmix=1.0)
        found = mixed(torch.ones(4, 3, 100, 100), torch.zeros(4, 3, 100, 100), mix)
        assert set(found.unique().tolist()) <= {0.0, 1.0}
        assert float(found.mean()) == pytest.approx(mix.share, abs=0.02)


def test_ranks_draw_what_one_alone_draws() -> None:
    """The rows of a batch fall to ranks in turn, with the choices that they would have had on one."""
    source, order = pictures(24, flip=True, augment="trivial"), [np.arange(24)]
    options = {"seed": 3, "epoch": 2, "mixup": 0.3, "cutmix": 0.0}
    (whole,) = batches(source, order, 0, rank=0, ranks=1, **options)  # type: ignore[arg-type]
    parts = [next(batches(source, order, 0, rank=rank, ranks=3, **options)) for rank in range(3)]  # type: ignore[arg-type]
    for rank, part in enumerate(parts):
        assert torch.equal(part.inputs, whole.inputs[rank::3])
        assert part.others is not None and whole.others is not None
        assert torch.equal(part.others, whole.others[rank::3])
        assert torch.equal(part.other_targets, whole.other_targets[rank::3])
