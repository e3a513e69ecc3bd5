"""Where things are on the instance that this process runs on."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT, INSTANCE = "EMBEDDED_AWS_INSTANCE_ROOT", "EMBEDDED_AWS_INSTANCE"
# Whose processes they are: the folder of the embedded AWS that started them.
STATE = "EMBEDDED_AWS_STATE"
# Set for a person who may not be root on the instance.
NO_ROOT = "EMBEDDED_AWS_INSTANCE_NO_ROOT"


class Place:
    """The folder that stands for `/`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.root = Path(environment[ROOT])
        self.instance = environment[INSTANCE]

    @property
    def first_process(self) -> Path:
        return self.root / "run" / "first-process"

    @property
    def power(self) -> Path:
        """What the first process is to do: power off or boot again."""
        return self.root / "run" / "power"

    @property
    def load(self) -> Path:
        """There once the first process has begun."""
        return self.root / "proc" / "loadavg"

    @property
    def uptime(self) -> Path:
        return self.root / "proc" / "uptime"

    @property
    def units(self) -> Path:
        return self.root / "etc" / "systemd" / "system"

    @property
    def active(self) -> Path:
        """A file for each unit that was started: of a service its process, of a timer when it was started."""
        return self.root / "run" / "systemd" / "active"

    @property
    def cloud_init(self) -> Path:
        return self.root / "var" / "lib" / "cloud" / "instance"

    @property
    def script(self) -> Path:
        return self.cloud_init / "user-data.sh"

    @property
    def script_has_run(self) -> Path:
        return self.cloud_init / "sem" / "config_scripts_user"

    @property
    def script_log(self) -> Path:
        return self.root / "var" / "log" / "cloud-init-output.log"

    def wake_first_process(self) -> None:
        with suppress(OSError, ValueError):
            os.kill(int(self.first_process.read_text()), signal.SIGUSR1)


def own_environment() -> dict[str, str]:
    """For what is started on the instance: its own Python packages in place of this one."""
    return {**os.environ, "PYTHONPATH": os.environ.get("PIP_TARGET", "")}
