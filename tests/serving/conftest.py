"""One server process for the tests that only ask it things, and artefacts to damage."""

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.processes import MODEL, ServerProcess


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    process = ServerProcess()
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starter")
    with tarfile.open(MODEL) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture
def model_dir(unpacked: Path, tmp_path: Path) -> Path:
    """An artefact of one's own, to damage."""
    return shutil.copytree(unpacked, tmp_path / "model")


@pytest.fixture
def edit(model_dir: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """Change the model.json of that artefact."""

    def change(edit_metadata: Callable[[dict[str, Any]], object]) -> Path:
        path = model_dir / "model.json"
        metadata = json.loads(path.read_text())
        edit_metadata(metadata)
        path.write_text(json.dumps(metadata))
        return model_dir

    return change
