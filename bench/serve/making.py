"""Make the network that everybody serves: ResNet50, random weights from a seed, as each server wants it on disk.

Its head is not random: each of the bench's pictures has a label of its own, so that every answer can be checked and an
8-bit version has an accuracy to lose.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime import quantization
from torch import Tensor, nn

from bench.serve import pictures
from bench.serve.handlers.recipe import CROP, MEAN, RESIZE, STD, to_input
from bench.serve.models import FACTS, LARGE_COUNT, SMALL_COUNT, label_of
from bench.serve.resnet50 import FEATURES, Bottleneck, ResNet50

SEED = 20261121
CLASSES = 133
CALIBRATION_COUNT = 24
QUALITIES = (50, 60, 70, 80, 85, 95)
"""Each picture is scored again at these qualities: what a model that lost its mind would get wrong."""
# how sure the head is of its own pictures: logits of trained classifiers differ by about this much
SURENESS = 12.0
# a block adds this much to what it was given, as in trained networks; at 1 a random one magnifies the smallest rounding
BRANCH = 0.2
HANDLERS = Path(__file__).with_name("handlers")


def make(folder: Path, say: Callable[[str], None]) -> None:
    """Everything, from the seed."""
    say("draw the pictures")
    small = [pictures.small_scene(SEED + number) for number in range(SMALL_COUNT)]
    large = [pictures.large_scene(SEED + SMALL_COUNT + number) for number in range(LARGE_COUNT)]
    others = [pictures.jpeg(pictures.small_scene(SEED + 1000 + number)) for number in range(CALIBRATION_COUNT)]
    asked = [pictures.jpeg(pixels) for pixels in (*small, *large)]
    (folder / "pictures").mkdir()
    for number, jpeg in enumerate(asked):
        (folder / "pictures" / f"{number:03}.jpg").write_bytes(jpeg)
    say("make the network")
    network = _network(others)
    _give_labels(network, asked)
    served = folder / "served"
    served.mkdir()
    torch.save(network.state_dict(), served / "model.pt")
    _export(network, served / "model.onnx")
    say("quantise it to 8 bits")
    _quantise(served / "model.onnx", served / "model.int8.onnx", others)
    scored = [(number, pictures.jpeg(pixels, quality)) for number, pixels in enumerate(small) for quality in QUALITIES]
    fp32, int8 = (_accuracy(served / name, scored) for name in ("model.onnx", "model.int8.onnx"))
    _describe(served, fp32, int8, len(scored))
    _for_aws(folder / "torch", served / "model.pt", "model.pth", "eager.py")
    _for_aws(folder / "onnx", served / "model.onnx", "model.onnx", "onnx_runtime.py")
    facts = {
        "flops": count_flops(network),
        "fp32_accuracy": fp32,
        "int8_accuracy": int8,
        "scored": len(scored),
    }
    (folder / FACTS).write_text(json.dumps(facts))


def _network(jpegs: list[bytes]) -> ResNet50:
    """Random weights, and batch norms that have seen pictures, so that no layer's numbers explode or vanish."""
    torch.manual_seed(SEED)
    network = ResNet50(CLASSES)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
        if isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, BRANCH)
    network.train()
    with torch.no_grad():
        network(_batch(jpegs))
    return network.eval()


def _give_labels(network: ResNet50, jpegs: list[bytes]) -> None:
    """Let output n be the largest for picture n: its weights point where that picture's features lie."""
    with torch.no_grad():
        features = network.features(_batch(jpegs))
        centred = features - features.mean(dim=0)
        towards = centred / centred.pow(2).sum(dim=1, keepdim=True)
        weights = torch.randn(CLASSES, FEATURES, generator=torch.Generator().manual_seed(SEED)) * towards.std() * 0.1
        weights[: len(jpegs)] = towards
        network.fc.weight.copy_(SURENESS * weights)
        network.fc.bias.copy_(-SURENESS * weights @ features.mean(dim=0))


def _batch(jpegs: list[bytes]) -> Tensor:
    return torch.from_numpy(np.concatenate([to_input(jpeg) for jpeg in jpegs]))


def _export(network: ResNet50, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, CROP, CROP),),
            path,
            dynamo=False,
            external_data=False,
            opset_version=17,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )


def _quantise(whole: Path, path: Path, jpegs: list[bytes]) -> None:
    """Static, per channel, activations unsigned and weights signed: what x86's integer instructions are fast at."""

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[bytes] = iter(jpegs)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            found = next(self.left, None)
            return None if found is None else {"image": to_input(found)}

    prepared = path.with_suffix(".prepared")
    quantization.shape_inference.quant_pre_process(whole, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        path,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    prepared.unlink()


def _accuracy(path: Path, scored: list[tuple[int, bytes]]) -> float:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    right = [int(session.run(None, {"image": to_input(jpeg)})[0].argmax()) == number for number, jpeg in scored]
    return sum(right) / len(right)


def _describe(folder: Path, fp32: float, int8: float, samples: int) -> None:
    """The model.json that `serving/` asks for (docs/artefact.md)."""
    files = {}
    for name in ("model.onnx", "model.pt", "model.int8.onnx"):
        content = (folder / name).read_bytes()
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    metadata: dict[str, Any] = {
        "format": 1,
        "version": "bench-resnet50",
        "labels": [label_of(number) for number in range(CLASSES)],
        "input": {"name": "image", "channels": 3, "height": CROP, "width": CROP},
        "output": {"name": "logits"},
        "preprocessing": {
            "jpeg_draft": 2,
            "exif": "upright",
            "colour": "RGB",
            "background": [255, 255, 255],
            "resize": RESIZE,
            "crop": "centre",
            "interpolation": "bilinear",
            "scale": 1 / 255,
            "mean": list(MEAN),
            "std": list(STD),
        },
        "temperature": 1.0,
        "int8": {
            "kept": True,
            "split": "bench",
            "samples": samples,
            "accuracy": int8,
            "fp32_accuracy": fp32,
            "lost": fp32 - int8,
        },
        "files": files,
    }
    (folder / "model.json").write_text(json.dumps(metadata, indent=2))


def _for_aws(folder: Path, weights: Path, name: str, handler: str) -> None:
    """What SageMaker unpacks to /opt/ml/model: the weights, and the user's code beside them."""
    (folder / "code").mkdir(parents=True)
    shutil.copy(weights, folder / name)
    shutil.copy(HANDLERS / handler, folder / "code" / "inference.py")
    shutil.copy(HANDLERS / "recipe.py", folder / "code")
    shutil.copy(Path(__file__).with_name("resnet50.py"), folder / "code")


def count_flops(network: nn.Module) -> float:
    """Of convolutions and matrix products for one picture; the rest is too little to count."""
    counted = [0.0]

    def weights(module: nn.Module) -> int:
        return next(module.parameters()).numel()

    def count(module: nn.Module, _: object, result: Tensor) -> None:
        counted[0] += 2.0 * weights(module) * result[0].numel() / result.shape[1]

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        network(torch.zeros(1, 3, CROP, CROP))
    for hook in hooks:
        hook.remove()
    return counted[0]
