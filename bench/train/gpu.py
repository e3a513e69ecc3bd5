"""How fast a ResNet50 is fine-tuned on a GPU: ours in bf16, channels last, a plain loop in fp32, what the chip can do.

    python -m bench.train.gpu [--batch 256] [--steps 40] [--rounds 3] > bench/results/train-gpu.json

Needs a GPU that PyTorch's CUDA build sees; exit status 2 without one. Ours is the whole loop of training/loop.py:
batches cut, mirrored and copied over by threads, AdamW, a validation after each epoch. The plain loop trains on one
batch that lies on the GPU already, with SGD, so that it reads and prepares nothing. The ceiling is what the chip
reaches in a product of two large matrices in bf16; a picture's forward and backward pass take three times 8.17 GFLOP.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional

from bench.report import machine
from training import models
from training.hyperparameters import Hyperparameters
from training.loop import Surroundings, fit
from training.preprocess import Recipe
from training.run import Epoch
from training.sources import Examples, Pictures

CLASSES = 133
GIGA = 1e9
GFLOP_OF_A_PICTURE = 3 * 8.17
AT = 224  # where that holds
NO_GPU = 2


@dataclass(frozen=True)
class Size:
    batch: int
    steps: int
    side: int = AT
    matrix: int = 8192
    architecture: str = "resnet50"


@dataclass(frozen=True)
class Round:
    ours: float
    """Training pictures a second."""
    plain: float
    ceiling: float
    """GFLOP a second."""

    @property
    def ratio(self) -> float:
        return self.ours / self.plain

    @property
    def share(self) -> float:
        """Of the ceiling, that our loop makes of it."""
        return self.ours * GFLOP_OF_A_PICTURE / self.ceiling


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.train.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=256, help="pictures in a step (%(default)s)")
    parser.add_argument("--steps", type=int, default=40, help="steps in an epoch (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.stderr.write("bench.train.gpu: PyTorch sees no GPU here; run it where torch.cuda.is_available() is true\n")
        return NO_GPU
    device, size = torch.device("cuda"), Size(options.batch, options.steps)
    rounds = [measure(device, size) for _ in range(options.rounds)]
    facts = {"gpu": torch.cuda.get_device_name(), "machine": machine(), "torch": torch.__version__}
    found = {
        "rounds": [{**asdict(one), "ratio": one.ratio, "share": one.share} for one in rounds],
        "ratio": statistics.median(one.ratio for one in rounds),
        "share_of_ceiling": statistics.median(one.share for one in rounds),
    }
    sys.stdout.write(json.dumps({**facts, "size": asdict(size), **found}, indent=2) + "\n")
    return 0


def measure(device: torch.device, size: Size) -> Round:
    return Round(ours(device, size), plain(device, size), ceiling(device, size))


def ours(device: torch.device, size: Size) -> float:
    network = models.build(size.architecture, CLASSES).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = Recipe(height=size.side, width=size.side, resize=size.side + size.side // 8)
    count = size.batch * size.steps
    pixels = np.random.default_rng(1).integers(0, 256, (count, recipe.resize, recipe.resize, 3), dtype=np.uint8)
    examples = Examples(pixels, *known(count))
    few = Examples(pixels[: size.batch, : size.side, : size.side], *known(size.batch))
    ends: list[float] = []

    def report(epoch: Epoch) -> None:
        ends.append(epoch.seconds)

    chosen = Hyperparameters(epochs=3, batch_size=size.batch, precision="bf16")
    seen = Pictures(examples, recipe, flip=True)
    fit(network, seen, Pictures(few, recipe), chosen, Surroundings(report=report))
    return 2 * count / (ends[2] - ends[0])  # the first epoch warms up


def known(count: int) -> tuple[torch.Tensor, list[str]]:
    return torch.arange(count) % CLASSES, [str(number) for number in range(count)]


def plain(device: torch.device, size: Size) -> float:
    network = models.build(size.architecture, CLASSES).to(device).train()
    images = torch.randn(size.batch, 3, size.side, size.side, device=device)
    targets = torch.arange(size.batch, device=device) % CLASSES
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimiser.zero_grad()
        functional.cross_entropy(network(images), targets).backward()
        optimiser.step()

    return size.batch / seconds_of(step, device, size.steps)


def ceiling(device: torch.device, size: Size) -> float:
    one, other = (torch.randn(size.matrix, size.matrix, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size.matrix**3 / GIGA / seconds_of(lambda: one @ other, device, size.steps)


def seconds_of(work: Callable[[], object], device: torch.device, times: int) -> float:
    """One of them, on average, after a few that warm up."""
    for number in range(-(-times // 4) + times):
        if number == -(-times // 4):
            wait(device)
            began = time.monotonic()
        work()
    wait(device)
    return (time.monotonic() - began) / times


def wait(device: torch.device) -> None:
    """Work on a GPU is only handed over until somebody waits for it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    sys.exit(main())
