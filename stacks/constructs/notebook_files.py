"""What a notebook instance finds in its folder whippet/: our notebooks, and the packages that they need."""

import tempfile
from pathlib import Path

from constructs import Construct

from stacks.constructs import source_folders
from stacks.constructs.tar_asset import TarAsset
from stacks.constructs.training_code import packed

FOLDER = "whippet"


class NotebookFiles(TarAsset):
    """One archive; the notebook's lifecycle script unpacks it beside what people keep there."""

    def __init__(self, scope: Construct, id: str) -> None:
        # Staging copies the file at once, so that nothing needs it later.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "notebooks.tar.gz"
            path.write_bytes(packed(files()))
            super().__init__(scope, id, path=path)


def files() -> dict[str, Path]:
    """By their names in the archive."""
    found = [*sorted(source_folders.NOTEBOOKS.glob("*.ipynb")), source_folders.NOTEBOOK_REQUIREMENTS]
    return {f"{FOLDER}/{file.name}": file for file in found}
