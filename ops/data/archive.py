"""A zip of pictures, unpacked beside the project. Nothing in it is believed: not its names, not its sizes."""

import hashlib
import lzma
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ops.errors import OperatorError, Refused

# Pictures are compressed already: what grows further than this was made to fill a disk.
MOST_GROWTH = 20
# Below this many bytes nothing fills a disk.
HARMLESS_BYTES = 50_000_000
MOST_FILES = 2_000_000
BLOCK_BYTES = 1024 * 1024
ENCRYPTED = 0x1


def unpacked(archive: Path, folder: Path) -> Path:
    """Its folder, unpacked unless it was before; whole or not at all."""
    about = archive.stat()
    known = hashlib.sha256(f"{archive.resolve()} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:16]
    place, begun = folder / known, folder / f"{known}.part"
    if place.exists():
        return place
    shutil.rmtree(begun, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(archive, opened)
            _refuse_bomb(archive, members, about.st_size, folder)
            for member in members:
                _unpack(opened, member, begun / member.filename)
        begun.rename(place)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, UnicodeError) as error:
        raise OperatorError(f"{archive} is no sound zip: {error}.") from None
    except OSError as error:
        raise OperatorError(f"{archive} cannot be unpacked into {folder}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    return place


def _members(archive: Path, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What is unpacked; what an operating system adds of its own is not."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        _refuse_unfit(archive, member)
        parts = PurePosixPath(member.filename).parts
        if member.is_dir() or "__MACOSX" in parts or any(part.startswith(".") for part in parts):
            continue
        if member.filename in found:
            raise Refused(f"{archive} holds {member.filename} twice.")
        found[member.filename] = member
    if len(found) > MOST_FILES:
        raise Refused(f"{archive} holds {len(found):,} files; more than {MOST_FILES:,} are not unpacked.")
    return list(found.values())


def _refuse_unfit(archive: Path, member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in "".join(name.parts[:1]):
        raise Refused(f"{archive} holds {member.filename!r}, which would lie outside its folder: it is not unpacked.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Refused(f"{archive} holds {member.filename!r}, which is a link: it is not unpacked.")
    if member.flag_bits & ENCRYPTED:
        raise OperatorError(f"{archive} has a password: unpack it yourself and name the folder.")


def _refuse_bomb(archive: Path, members: list[zipfile.ZipInfo], packed: int, folder: Path) -> None:
    whole = sum(member.file_size for member in members)
    if whole > max(HARMLESS_BYTES, MOST_GROWTH * packed):
        raise Refused(f"{archive} would grow from {packed:,} to {whole:,} bytes: no pictures do. It is not unpacked.")
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if whole > free:
        raise OperatorError(f"{archive} needs {whole:,} bytes, and {folder} has room for {free:,}.")


def _unpack(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """zipfile itself ends at the size that the directory names, and compares the checksum there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as packed, target.open("xb") as out:
        shutil.copyfileobj(packed, out, BLOCK_BYTES)
