"""The GPU's benchmark, tiny and on a CPU: its three measurements run, since no machine of ours has a GPU to try them on."""

import pytest
import torch

from bench.train import gpu


def test_each_measurement_comes_to_a_rate():
    found = gpu.measure(torch.device("cpu"), gpu.Size(batch=2, steps=1, side=32, matrix=64, architecture="small_cnn"))
    assert found.ours > 0 and found.plain > 0 and found.ceiling > 0
    assert found.ratio == found.ours / found.plain


def test_the_share_of_the_ceiling_counts_what_a_picture_takes():
    assert gpu.Round(ours=100, plain=50, ceiling=24_510).share == pytest.approx(0.1)


def test_a_machine_without_a_gpu_is_told(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    assert gpu.main() == gpu.NO_GPU
    assert "PyTorch sees no GPU here" in capsys.readouterr().err
