"""Pictures that others collected because they broke decoders: Pillow's own, from its source package, one after another.

Crashes, overflows, bombs and time-outs that fuzzers found in twenty years, and files of forty formats. The network is
needed; without the corpus the tests fail rather than pass.
"""

import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from serving.preprocess import decode
from tests.serving.processes import Answer, ServerProcess
from tests.serving.test_life import running
from tests.serving.test_parity import LIMITS, both_recipes
from training.preprocess import load

pytestmark = pytest.mark.slow

PIN = "pillow==13.0.0 --hash=sha256:cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510\n"
FOLDER = "pillow-13.0.0/Tests/images/"
REFUSALS = {400, 413, 415, 422}
MEGABYTE = 1024**2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name -> content."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "requirements.txt").write_text(PIN)
    words = ["download", "--quiet", "--no-deps", "--no-binary=:all:", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words, "-r", str(folder / "requirements.txt")], check=True)
    (package,) = folder.glob("*.tar.gz")
    found = {}
    with tarfile.open(package) as tar:
        for member in tar:
            if member.isfile() and member.name.startswith(FOLDER):
                content = tar.extractfile(member)
                assert content is not None
                found[member.name.removeprefix(FOLDER)] = content.read()
    assert len(found) > 1000
    return found


class Asked(NamedTuple):
    server: ServerProcess
    answers: dict[str, Answer]
    memory: list[int]
    """The server's, in bytes, after each file."""


@pytest.fixture(scope="module")
def asked(corpus: dict[str, bytes]) -> Asked:
    """Every file whole, and cut off in its middle."""
    with running() as server:
        for content in list(corpus.values())[:50]:
            server.invoke(content)
        memory, answers = [server.resident_bytes()], {}
        for name, content in corpus.items():
            answers[name] = server.invoke(content)
            answers[f"{name}, cut off"] = server.invoke(content[: len(content) // 2])
            memory.append(server.resident_bytes())
        assert server.ask("GET", "/ping").document == {"status": "healthy", "workers_replaced": 0}
        assert server.stop() == 0
    return Asked(server, answers, memory)


def test_every_file_gets_a_prediction_or_a_sentence(asked: Asked) -> None:
    wrong = {}
    for name, answer in asked.answers.items():
        if answer.status == 200:
            good = answer.document["predictions"] != []
        else:
            error = answer.document["error"]
            good = answer.status in REFUSALS and error["message"].endswith(".") and set(error) == {"code", "message"}
        if not good:
            wrong[name] = answer
    assert wrong == {}


def test_corpus_reaches_the_decoders(asked: Asked) -> None:
    """Not everything is turned away at the door."""
    answers = asked.answers.values()
    found = Counter(one.status if one.status == 200 else one.document["error"]["code"] for one in answers)
    print(dict(found))
    assert found[200] > 300
    assert found["image_unreadable"] > 100
    assert found["image_too_large"] > 0


def test_nothing_in_the_corpus_is_a_defect_of_the_server(asked: Asked) -> None:
    """Warnings are Pillow's, of damaged metadata."""
    events = {line["event"] for line in asked.server.lines if line["level"] != "warning"}
    assert events == {"loaded", "ready", "request", "draining", "drained"}


def test_memory_is_what_it_was(asked: Asked) -> None:
    memory = asked.memory
    print(
        f"{memory[0] / MEGABYTE:.0f} MB at first, {max(memory) / MEGABYTE:.0f} at most, {memory[-1] / MEGABYTE:.0f} at last"
    )
    assert max(memory) - memory[0] < 150 * MEGABYTE
    assert memory[-1] - memory[0] < 60 * MEGABYTE


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::DeprecationWarning:PIL")
def test_training_sees_the_same_pixels(corpus: dict[str, bytes], asked: Asked, tmp_path: Path) -> None:
    ours, theirs = both_recipes()
    path, different = tmp_path / "picture", []
    for name, content in corpus.items():
        if asked.answers[name].status == 200:
            path.write_bytes(content)
            if not np.array_equal(load(path, ours), decode(content, theirs, LIMITS)):
                different.append(name)
    assert different == []
