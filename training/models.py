"""The networks that can be trained, by name."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.errors import TrainingError


class SmallCnn(nn.Module):
    """Four convolutions for small pictures (48 to 128 pixels): 80,000 weights, a minute or two on a laptop."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _stage(3, 16, stride=2),
            _stage(16, 32),
            nn.MaxPool2d(2),
            _stage(32, 64),
            nn.MaxPool2d(2),
            _stage(64, 96),
        )
        self.head = nn.Linear(2 * 96, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        # the mean tells how much of a texture there is, the maximum whether a shape is there at all
        return self.head(torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1))


def _stage(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {"small_cnn": SmallCnn}


def build(architecture: str, classes: int) -> nn.Module:
    """A network with random weights."""
    if architecture not in ARCHITECTURES:
        raise TrainingError(f"--architecture {architecture}: unknown; allowed are {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[architecture](classes)
