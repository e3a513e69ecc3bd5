"""training/ ships as one archive whose bytes depend on its sources alone."""

import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
from aws_cdk import App, Stack

from stacks.constructs import source_folders
from stacks.constructs.training_code import TrainingCode, archive
from tests import synth

pytestmark = pytest.mark.xdist_group("synth")


@pytest.fixture
def copy(tmp_path):
    """The sources elsewhere, with other times and modes and with what a working copy gathers."""
    folder = tmp_path / "training"
    shutil.copytree(source_folders.TRAINING, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "train.cpython-311.pyc").write_bytes(b"cache")
    (folder / ".train.py.swp").write_bytes(b"editor")
    (folder / "train.py~").write_bytes(b"editor")
    for path in folder.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    return folder


def unpacked(content, folder):
    path = folder / "code.tar.gz"
    path.write_bytes(content)
    with tarfile.open(path, "r:gz") as tar:
        tar.extractall(folder / "code", filter="data")
        return tar.getmembers()


def test_archive_is_the_same_wherever_the_sources_lie(copy):
    assert archive(copy) == archive(source_folders.TRAINING)


def test_archive_changes_with_a_source(copy):
    (copy / "train.py").write_text("changed")
    assert archive(copy) != archive(source_folders.TRAINING)


def test_archive_holds_sources_without_owner_or_time_and_no_starter(tmp_path):
    members = unpacked(archive(source_folders.TRAINING), tmp_path)
    names = [member.name for member in members]
    assert "training/entry.py" in names
    assert names == sorted(names)
    assert not [name for name in names if "starter/" in name or "pycache" in name]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
        (0, 0, 0, "", 0o644)
    }


def test_archive_runs_where_it_is_unpacked(tmp_path):
    unpacked(archive(source_folders.TRAINING), tmp_path)
    words = [sys.executable, str(tmp_path / "code" / "training" / "entry.py"), "--help"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "--epochs" in done.stdout) == (0, True), done.stderr


def test_gzip_itself_finds_nothing_wrong(tmp_path):
    path = tmp_path / "code.tar.gz"
    path.write_bytes(archive(source_folders.TRAINING))
    assert subprocess.run(["gzip", "--test", str(path)], capture_output=True, check=False).stderr == b""


def test_key_ends_in_tar_gz(tmp_path):
    stack = Stack(App(outdir=str(tmp_path), context=synth.context()), "Bare")
    code = TrainingCode(stack, "Code")
    assert re.search(r"/[0-9a-f]{64}\.tar\.gz", str(stack.resolve(code.s3_uri)))
