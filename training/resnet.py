"""ResNet 18, 34 and 50, with torchvision's key names: the weights that it publishes load strictly.

He et al., Deep Residual Learning for Image Recognition, 2015; the stride of a bottleneck is on its 3 x 3 convolution,
as in torchvision.
"""

from torch import Tensor, nn

STAGE_WIDTHS = (64, 128, 256, 512)


class Basic(nn.Module):
    """Two 3 x 3 convolutions and a way around them."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, images: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(images)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (images if self.downsample is None else self.downsample(images)))


class Bottleneck(nn.Module):
    """A 3 x 3 convolution between two 1 x 1 ones that narrow and widen, and a way around them."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, width * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, images: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(images)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (images if self.downsample is None else self.downsample(images)))


class ResNet(nn.Module):
    """Four stages of blocks, pooled, and a linear head `fc`."""

    def __init__(self, block: type[Basic] | type[Bottleneck], blocks: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        inputs = 64
        for number, (width, count) in enumerate(zip(STAGE_WIDTHS, blocks, strict=True), start=1):
            layers = []
            for index in range(count):
                layers.append(block(inputs, width, stride=2 if number > 1 and index == 0 else 1))
                inputs = width * block.expansion
            self.add_module(f"layer{number}", nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        out = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(STAGE_WIDTHS) + 1):
            out = self.get_submodule(f"layer{number}")(out)
        return self.fc(self.avgpool(out).flatten(1))


def resnet18(classes: int) -> ResNet:
    return ResNet(Basic, (2, 2, 2, 2), classes)


def resnet34(classes: int) -> ResNet:
    return ResNet(Basic, (3, 4, 6, 3), classes)


def resnet50(classes: int) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3), classes)


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=size, stride=stride, padding=size // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
