"""A folder that outlives a run where somebody named one, and is gone with the run otherwise."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder(chosen: Path | None) -> Iterator[Path]:
    """The folder that was named, or one for this run alone, which its ranks on this machine share."""
    if chosen is not None:
        yield chosen
        return
    if "LOCAL_RANK" in os.environ:
        # ranks of one machine have one parent
        found = Path(tempfile.gettempdir()) / f"training-{os.getppid()}-{os.environ.get('MASTER_PORT')}"
    else:
        found = Path(tempfile.mkdtemp(prefix="training-"))
    try:
        yield found
    finally:
        # what is mapped stays readable for the rank that maps it
        shutil.rmtree(found, ignore_errors=True)
