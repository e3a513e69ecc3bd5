"""What a person names as a data set: a folder, a zip, or the https address of a zip. In the end it is a folder."""

import zipfile
from pathlib import Path

from ops import cdk
from ops.addresses import without_secrets
from ops.data.archive import unpacked
from ops.data.dataset import SPLITS
from ops.data.download import download
from ops.errors import OperatorError

DOWNLOADS = cdk.ROOT / ".whippet" / "downloads"
HEAD_BYTES = 40


def folder_of(source: str) -> Path:
    try:
        return _folder_of(source)
    except PermissionError as error:
        raise OperatorError(f"{error.filename} cannot be read ({error.strerror}).") from None


def _folder_of(source: str) -> Path:
    if "://" in source:
        archive = download(source, DOWNLOADS)
        if not zipfile.is_zipfile(archive):
            with archive.open("rb") as opened:
                begins = opened.read(HEAD_BYTES)
            archive.unlink()
            shown = without_secrets(source)
            raise OperatorError(f"{shown} is no zip, it begins with {begins!r}: name the address of the file itself.")
        return _heart_of(unpacked(archive, DOWNLOADS))
    place = Path(source)
    if place.is_dir():
        return _heart_of(place)
    if place.is_file() and zipfile.is_zipfile(place):
        return _heart_of(unpacked(place, DOWNLOADS))
    raise OperatorError(f"{source} is no folder, no zip and no https address of one.")


def _heart_of(folder: Path) -> Path:
    """Zips often hold one folder which holds the rest: dogImages/train, dogImages/valid, dogImages/test."""
    while True:
        inner = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"]
        alone = inner[0] if len(inner) == 1 and inner[0].is_dir() and inner[0].name not in SPLITS else None
        if alone is None or not any(entry.is_dir() for entry in alone.iterdir()):
            return folder
        folder = alone
