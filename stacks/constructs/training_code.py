"""The folder training/ as one .tar.gz, which is what SageMaker's script mode and the box take."""

import io
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from constructs import Construct

from stacks.constructs import source_folders
from stacks.constructs.tar_asset import TarAsset

# The model of the first deploy ships as an asset of its own.
NOT_SHIPPED = {"starter", "__pycache__"}
STORED_BLOCK_BYTES = 0xFFFF  # deflate's largest


class TrainingCode(TarAsset):
    """`training/` at the archive's top: `python training/entry.py` and `python -m training.evaluate` run beside it."""

    def __init__(self, scope: Construct, id: str) -> None:
        # Staging copies the file at once, so that nothing needs it later.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sourcedir.tar.gz"
            path.write_bytes(archive(source_folders.TRAINING))
            super().__init__(scope, id, path=path)


def archive(folder: Path) -> bytes:
    """The same sources give the same bytes: names sorted, no times, no owners, one mode."""
    return packed({f"{folder.name}/{path.relative_to(folder).as_posix()}": path for path in sorted(shipped(folder))})


def packed(files: Mapping[str, Path]) -> bytes:
    """Each under its name, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path in files.items():
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return _gzip(buffer.getvalue())


def shipped(folder: Path) -> list[Path]:
    """Every source file; neither caches nor what an editor or the system left there."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return [
        folder / path
        for path in found
        if not NOT_SHIPPED & set(path.parts)
        and not any(part.startswith(".") for part in path.parts)
        and not path.name.endswith((".pyc", "~"))
    ]


def _gzip(content: bytes) -> bytes:
    """Stored, not compressed: builds of zlib compress differently, and a machine must not change a template."""
    header = bytes.fromhex("1f8b08000000000000ff")  # deflate, no name, no time, made by no system in particular
    blocks = [
        content[start : start + STORED_BLOCK_BYTES] for start in range(0, max(len(content), 1), STORED_BLOCK_BYTES)
    ]
    stored = b"".join(
        bytes([number == len(blocks) - 1])
        + len(block).to_bytes(2, "little")
        + (len(block) ^ STORED_BLOCK_BYTES).to_bytes(2, "little")
        + block
        for number, block in enumerate(blocks)
    )
    return header + stored + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
