"""AWS on this machine: MiniStack in process, with what it lacks, for any CDK app. `python -m local start`."""

from local.control import Running, environment, reset, running, start, stop, subprocess_environment
from local.home import Home, LocalError

__all__ = [
    "Home",
    "LocalError",
    "Running",
    "environment",
    "reset",
    "running",
    "start",
    "stop",
    "subprocess_environment",
]
