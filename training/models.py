"""The networks that can be trained, by name, and where each one's head and blocks are."""

import importlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.errors import TrainingError
from training.resnet import resnet18, resnet34, resnet50

# `torchvision/convnext_tiny`, `timm/vit_small_patch16_224`: whatever these libraries build, where they are installed
LIBRARIES = ("torchvision", "timm")


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


ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {
    "small_cnn": SmallCnn,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
}
# Side of the input in pixels where --input-size says nothing; 224 for what is not named here.
INPUT_SIZES = {"small_cnn": 64}
USUAL_INPUT_SIZE = 224


def input_size(architecture: str) -> int:
    """What the network was made for."""
    return INPUT_SIZES.get(architecture, USUAL_INPUT_SIZE)


def known(architecture: str) -> bool:
    """Whether `build` may know it; a library's own names are the library's to refuse."""
    library, _, name = architecture.partition("/")
    return architecture in ARCHITECTURES or (library in LIBRARIES and bool(name))


def build(architecture: str, classes: int) -> nn.Module:
    """A network with random weights."""
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture](classes)
    if known(architecture):
        return _from_library(architecture, classes)
    allowed = ", ".join([*sorted(ARCHITECTURES), *(f"{library}/NAME" for library in LIBRARIES)])
    raise TrainingError(f"--architecture {architecture}: unknown; allowed are {allowed}")


def head_of(network: nn.Module, classes: int) -> tuple[str, nn.Linear]:
    """The last linear layer, by its name; what goes into it are the pooled features."""
    linear = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear or linear[-1][1].out_features != classes:
        raise TrainingError(
            f"{type(network).__name__} does not end in a linear layer of {classes} outputs, which training needs to "
            "change its classes and to train a head; choose another --architecture"
        )
    return linear[-1]


def blocks(network: nn.Module) -> list[list[nn.Parameter]]:
    """The weights from the input to the head, in the steps in which learning rates fall towards the input."""
    children = list(network.children())
    # a network that keeps its body in one child (`features`) is told apart by that child's own children
    whole = len([child for child in children if any(True for _ in child.parameters())]) > 3  # noqa: PLR2004 (body, neck, head)
    parts = [
        part
        for child in children
        for part in (child.children() if isinstance(child, nn.Sequential) and not whole else [child])
    ]
    groups: list[list[nn.Parameter]] = [[]]
    for before, part in zip([None, *parts], parts, strict=False):
        # a lone layer goes with the lone layer before it: a first convolution and its norm, but never the head
        stem = before is not None and not [*before.children(), *part.children()] and not isinstance(part, nn.Linear)
        (groups[-1].extend if stem else groups.append)(list(part.parameters()))
    placed = {id(parameter) for group in groups for parameter in group}
    groups[0] = [parameter for parameter in network.parameters() if id(parameter) not in placed]
    return [group for group in groups if group]


def _from_library(architecture: str, classes: int) -> nn.Module:
    library, _, name = architecture.partition("/")
    try:
        package = importlib.import_module(library)
        create = importlib.import_module("torchvision.models").get_model if library == "torchvision" else None
    # An extension that was built for another torch raises RuntimeError or OSError, whichever symbol it misses first.
    except (ImportError, RuntimeError, OSError) as error:
        raise TrainingError(
            f"--architecture {architecture}: {library} cannot be imported here "
            f"({str(error).splitlines()[0]}); install it, or choose from {', '.join(sorted(ARCHITECTURES))}"
        ) from error
    try:
        if create is not None:
            network: nn.Module = create(name, weights=None, num_classes=classes)
        else:
            network = package.create_model(name, pretrained=False, num_classes=classes)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise TrainingError(f"--architecture {architecture}: {library} does not build it ({error})") from error
    if getattr(network, "aux_logits", False):
        raise TrainingError(
            f"--architecture {architecture}: it answers with several tensors while it is trained, where training takes "
            "one; choose another"
        )
    return network
