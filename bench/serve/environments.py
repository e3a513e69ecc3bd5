"""The other servers' virtual environments, made when they are first needed: .venv-NAME from requirements-NAME.txt."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.programs import ROOT


def environment(tool: str, say: Callable[[str], None]) -> Path | str:
    """The folder; or, where it cannot be made, the reason."""
    folder, requirements = ROOT / f".venv-{tool}", ROOT / f"requirements-{tool}.txt"
    ready = folder / "ready"
    if ready.exists() and ready.stat().st_mtime >= requirements.stat().st_mtime:
        return folder
    say(f"install {requirements.name} into {folder.name} (once)")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "setup.py"), "--tool", tool],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["no word"])[-1]
        return f"{folder.name} could not be made ({last}); scripts/setup.py --tool {tool} says more"
    ready.touch()
    return folder
