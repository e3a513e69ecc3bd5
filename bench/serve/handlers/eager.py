"""inference.py for AWS's stack: PyTorch as it comes."""

import json
from pathlib import Path

import torch
from recipe import to_input
from resnet50 import ResNet50
from torch import Tensor


def model_fn(model_dir: str) -> ResNet50:
    weights = torch.load(Path(model_dir) / "model.pth", weights_only=True)
    network = ResNet50(len(weights["fc.bias"]))
    network.load_state_dict(weights)
    return network.eval()


def input_fn(body: bytes, content_type: str) -> Tensor:
    return torch.from_numpy(to_input(bytes(body)))


def predict_fn(images: Tensor, network: ResNet50) -> list[float]:
    with torch.inference_mode():
        logits: list[float] = network(images)[0].tolist()
    return logits


def output_fn(logits: list[float], accept: str) -> str:
    return json.dumps(logits)
