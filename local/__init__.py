"""AWS on this machine: MiniStack in process, with what it lacks, for any CDK app. `python -m local start`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what these modules hold
    """When first asked for: the command line answers a Ctrl-C from its first line on, not after these imports."""
    if name in __all__:
        return getattr(
            importlib.import_module("local.home" if name in ("Home", "LocalError") else "local.control"), name
        )
    raise AttributeError(name)
