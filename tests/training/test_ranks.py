"""Several processes train one network: the same as one alone, on the same batches."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.jobs import ROOT
from training import group
from training.group import Group, joined

# Batch norm sees other pictures on each rank, by its nature; frozen, the two must agree.
FLAGS = ("--epochs", "2", "--batch-size", "24", "--input-size", "32", "--threads", "1", "--freeze-norm", "true")


def train(pictures: Path, place: Path, *flags: str, **environment: str) -> subprocess.Popen[str]:
    folders = [word for name in ("train", "valid", "test") for word in (f"--{name}", str(pictures / name))]
    words = [sys.executable, "-W", "error", str(ROOT / "training" / "entry.py"), *folders]
    words += ["--model-dir", str(place), *FLAGS, *flags]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    return subprocess.Popen(
        words, env={**plain, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> str:
    said, wrong = process.communicate(timeout=120)
    assert process.returncode == 0, wrong
    return said


def metrics(said: str) -> list[dict[str, float]]:
    lines = re.findall(r"^epoch=.*$", said, re.MULTILINE)
    return [
        {name: float(value) for name, value in re.findall(r"(\w+)=(\S+)", line) if name != "seconds"} for line in lines
    ]


def test_two_instances_train_what_one_trains(pictures: Path, tmp_path: Path) -> None:
    """As SageMaker starts them: nobody but SM_HOSTS says that there are two."""
    hosts = json.dumps(["127.0.7.1", "127.0.7.2"])
    started = [train(pictures, tmp_path / "one", "--trial", "true")]
    started += [
        train(
            pictures,
            tmp_path / f"two-{number}",
            SM_HOSTS=hosts,
            SM_CURRENT_HOST=f"127.0.7.{number}",
            SM_NUM_GPUS="0",
            SM_NETWORK_INTERFACE_NAME="lo",
        )
        for number in (1, 2)
    ]
    # Another job's instances meet at the same port of their own address.
    with socket.create_server(("127.0.7.9", group.PORT)):
        alone, first, second = (ended(process) for process in started)
    for one, two in zip(metrics(alone), metrics(first), strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    # one writes, one is silent: not two copies side by side
    assert not metrics(second)
    assert (tmp_path / "two-1" / "model.json").is_file()
    assert not list((tmp_path / "two-2").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", [("--augment", "trivial", "--mixup", "0.3"), ("--stage", "both")], ids=["mixed", "both"]
)
def test_ranks_of_one_machine_train_what_one_trains(pictures: Path, tmp_path: Path, flags: tuple[str, ...]) -> None:
    alone = ended(train(pictures, tmp_path / "one", *flags))
    shared = ended(train(pictures, tmp_path / "two", "--ranks", "2", *flags))
    for one, two in zip(metrics(alone), metrics(shared), strict=True):
        assert two == pytest.approx(one, rel=2e-3)


@pytest.mark.slow
def test_torchrun_starts_them_too(pictures: Path, tmp_path: Path) -> None:
    alone = ended(train(pictures, tmp_path / "one"))
    folders = [word for name in ("train", "valid", "test") for word in (f"--{name}", str(pictures / name))]
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    words += [str(ROOT / "training" / "entry.py"), *folders, "--model-dir", str(tmp_path / "two"), *FLAGS]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for one, two in zip(metrics(alone), metrics(done.stdout), strict=True):
        assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.slow
def test_a_rank_that_loses_its_way_stops_all_with_its_sentence(pictures: Path, tmp_path: Path) -> None:
    process = train(pictures, tmp_path / "model", "--ranks", "2", "--learning-rate", "1e30")
    _, wrong = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "training: the loss became" in wrong
    assert "Traceback" not in wrong


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1"}, None),
        ({"SM_HOSTS": '["algo-2", "algo-1"]', "SM_CURRENT_HOST": "algo-2"}, (1, 2, 0, "algo-1", 7777)),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "algo-1", "MASTER_PORT": "9"},
            (3, 4, 1, "algo-1", 9),
        ),
        # torchrun with one process is no group, whatever the hosts say
        ({"RANK": "0", "WORLD_SIZE": "1", "SM_HOSTS": '["a", "b"]', "SM_CURRENT_HOST": "a"}, None),
    ],
)
def test_the_environment_tells_who_a_process_is(environment: dict[str, str], expected: object) -> None:
    assert group._rank(environment) == expected


def test_alone_everything_is_ones_own() -> None:
    with joined({}) as alone:
        assert alone == Group()
        assert alone.sums(1.0, 2.0) == [1.0, 2.0]
        assert alone.shared("x") == "x"
        assert alone.all("x") == ["x"]
