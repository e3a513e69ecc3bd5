"""Weights to begin from: believed only when they are what they should be."""

import hashlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from training import models, weights
from training.errors import TrainingError

# As torchvision publishes them: resnet18, 34 and 50 for the 1000 classes of ImageNet.
PUBLISHED = {"resnet18": (11_689_512, 122), "resnet34": (21_797_672, 218), "resnet50": (25_557_032, 320)}
KEYS = {
    "resnet18": "layer2.0.downsample.1.num_batches_tracked",
    "resnet34": "layer3.5.bn2.running_var",
    "resnet50": "layer4.2.conv3.weight",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_resnets_have_torchvisions_weights_by_number_and_name(name: str) -> None:
    with torch.device("meta"):
        network = models.ARCHITECTURES[name](1000)
    state = network.state_dict()
    assert (sum(parameter.numel() for parameter in network.parameters()), len(state)) == PUBLISHED[name]
    assert {KEYS[name], "conv1.weight", "fc.bias", "layer1.0.conv1.weight"} <= set(state)


def resnet(classes: int) -> nn.Module:
    torch.manual_seed(5)
    return models.build("resnet18", classes)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state_dict of another number of classes, named as torchvision names them."""
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet(7).state_dict(), file)
    return file.rename(file.with_name(f"resnet18-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"))


def test_body_is_loaded_and_the_head_stays_its_own(published: Path) -> None:
    network = models.build("resnet18", 3)
    head = network.state_dict()["fc.weight"].clone()
    assert not weights.apply(network, weights.read(str(published)), 3)
    assert torch.equal(network.state_dict()["conv1.weight"], resnet(7).state_dict()["conv1.weight"])
    assert torch.equal(network.state_dict()["fc.weight"], head)


def test_head_of_the_same_classes_is_kept(published: Path) -> None:
    network = models.build("resnet18", 7)
    assert weights.apply(network, weights.read(str(published)), 7)
    assert torch.equal(network.state_dict()["fc.weight"], resnet(7).state_dict()["fc.weight"])


def test_a_channels_folder_does_as_well(published: Path) -> None:
    assert weights.read(str(published.parent)).sha256 == hashlib.sha256(published.read_bytes()).hexdigest()


def test_weights_of_another_network_are_refused(published: Path) -> None:
    with pytest.raises(TrainingError, match=r"of another network; they lack layer1\.2\.\S+ and \d+ more$"):
        weights.apply(models.build("resnet34", 7), weights.read(str(published)), 7)


def test_weights_of_another_shape_are_refused(published: Path, tmp_path: Path) -> None:
    state = resnet(7).state_dict()
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(state, tmp_path / "grey.pt")
    with pytest.raises(TrainingError, match=r"conv1\.weight has the shape \(64, 1, 7, 7\), and this network's has"):
        weights.apply(models.build("resnet18", 7), weights.read(str(tmp_path / "grey.pt")), 7)


def test_changed_file_is_refused_by_its_name(published: Path, tmp_path: Path) -> None:
    changed = tmp_path / published.name
    changed.write_bytes(published.read_bytes() + b"x")
    with pytest.raises(TrainingError, match=r"SHA-256 is [0-9a-f]{64}, expected is [0-9a-f]{8}; fetch it again"):
        weights.read(str(changed))


def test_changed_file_is_refused_by_the_hash_that_was_given(published: Path) -> None:
    with pytest.raises(TrainingError, match="SHA-256 is"):
        weights.read(str(published), "0" * 64)


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_wrapped_and_parallel_checkpoints_are_read(tmp_path: Path, wrapper: str) -> None:
    state = {f"module.{name}": value for name, value in nn.Linear(2, 2).state_dict().items()}
    torch.save({wrapper: state, "epoch": 3}, tmp_path / "model.pt")
    assert sorted(weights.read(str(tmp_path / "model.pt")).tensors) == ["bias", "weight"]


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/was-run"),))


def test_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": Hostile()}, tmp_path / "model.pt")
    with pytest.raises(TrainingError, match="cannot be read as plain tensors"):
        weights.read(str(tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("nowhere.pt", "no such file"),
        ("http://example.com/a-0123456789ab.pth", "only https addresses are fetched"),
        ("https://example.com/resnet.pth", "give --weights-sha256, so that what comes can be checked"),
    ],
)
def test_source_that_cannot_be_believed_is_refused(source: str, why: str) -> None:
    with pytest.raises(TrainingError, match=why):
        weights.read(source)


def test_address_without_a_network_names_the_channel() -> None:
    with pytest.raises(TrainingError, match="cannot be fetched .* takes them from a channel named weights"):
        weights.read("https://127.0.0.1:9/resnet50-11ad3fa6.pth")


def test_folder_of_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pth"):
        (tmp_path / name).touch()
    with pytest.raises(TrainingError, match="must hold one file of .*; it holds 2 of them"):
        weights.read(str(tmp_path))


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_library_that_is_not_there_is_one_sentence(library: str) -> None:
    with pytest.raises(
        TrainingError, match=rf"{library}/resnet18: {library} cannot be imported here \(.*\); install it"
    ):
        models.build(f"{library}/resnet18", 2)


def test_network_that_answers_with_several_tensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's inception_v3 and googlenet do, while they are trained."""

    def get_model(_name: str, **_choices: object) -> nn.Module:
        network = nn.Linear(2, 2)
        network.aux_logits = True  # type: ignore[assignment]
        return network

    library = ModuleType("torchvision.models")
    library.get_model = get_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", library)
    with pytest.raises(TrainingError, match="torchvision/inception_v3: it answers with several tensors"):
        models.build("torchvision/inception_v3", 2)


def test_network_without_a_linear_head_is_refused() -> None:
    with pytest.raises(TrainingError, match="does not end in a linear layer of 3 outputs"):
        models.head_of(nn.Sequential(nn.Conv2d(3, 3, 1)), 3)
