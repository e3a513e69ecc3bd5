"""One machine as it runs: a folder for its disk, a metadata service, and processes that hold its name."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local import process_group
from local.authority import CannotAssume, assume_role
from local.network import origins
from local.network.layout import Interface
from local.network.origins import Origin
from local.records import Scope
from local.sagemaker.instance import MACHINE
from local.sandbox.guest.place import INSTANCE, ROOT, STATE, Place
from local.sandbox.metadata import MetadataService, Options, RoleKeys
from local.sandbox.root import Root, plain

KEYS_LAST_SECONDS = 6 * 3600.0
RENEW_BEFORE_SECONDS = 3600.0
LOOK_EVERY_SECONDS, BOOT_SECONDS = 0.05, 20.0
PACKAGE = Path(__file__).resolve().parents[2]
# Its files as they lie in the machine's folder, beside the disk.
CONSOLE, DISK, PORT = "console.log", "root", "metadata-port"


@dataclass(frozen=True)
class Duty:
    """The role that a machine has now, and how a service assumes it for the machine."""

    role_arn: str
    service: str
    session: str
    source_arn: str | None
    shown_as: str
    """What the metadata service calls the role."""
    profile_arn: str


class Sandbox(ABC):
    """`gateway` is what reaches the embedded AWS from a process; `clock` how fast its timers run.

    What it is of, and what it may, its subclass says.
    """

    def __init__(self, place: Scope, identity: str, folder: Path, gateway: Mapping[str, str], clock: float) -> None:
        self.place, self.identity, self.folder = place, identity, folder
        self._gateway, self._clock = gateway, clock
        self._lock = threading.RLock()
        self._keys: RoleKeys | None = None
        self._metadata: MetadataService | None = None
        self._first: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}
        self._going_down = False
        self.root = Root(folder / DISK, "")

    @property
    def guest(self) -> Place:
        return Place({ROOT: str(self.root.folder), INSTANCE: self.identity})

    # --- what a subclass says of it ----------------------------------------------------------------------------------

    @abstractmethod
    def options(self) -> Options: ...

    @abstractmethod
    def facts(self) -> dict[str, str]: ...

    def is_in_a_vpc(self) -> bool:
        """Whether its way to AWS leads through interfaces in a customer's VPC."""
        return False

    def interfaces(self) -> Sequence[Interface]:
        """Those as they are now: groups change while it runs."""
        return []

    @abstractmethod
    def identity_document(self) -> dict[str, Any]: ...

    def user_data(self) -> bytes | None:
        return None

    @abstractmethod
    def duty(self) -> Duty | None:
        """None where it has no role."""

    @abstractmethod
    def before_first_process(self) -> None:
        """What else must lie on its disk."""

    # --- life --------------------------------------------------------------------------------------------------------

    def boot(self) -> "subprocess.Popen[bytes]":
        """Its first process; the disk is made at the first boot and is there again at the next."""
        with self._lock:
            self._going_down = False
            (self.folder / DISK).mkdir(parents=True, exist_ok=True)
            self._metadata = MetadataService(self, port_before(self.folder / PORT))
            (self.folder / PORT).write_text(str(self._metadata.port))
            self._metadata.start()
            self.root = self._made_root(self._metadata.address)
            if not self.root.is_made:
                self.root.make()
            self.root.boot()
            machine = {name: os.environ[name] for name in MACHINE if name in os.environ and name != "PATH"}
            self._environment = {
                **machine,
                **self.root.environment(),
                "AWS_ENDPOINT_URL": self._gateway["AWS_ENDPOINT_URL"],
                "AWS_CA_BUNDLE": self._gateway["AWS_CA_BUNDLE"],
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self._metadata.address}/",
                ROOT: str(self.root.folder),
                INSTANCE: self.identity,
                STATE: self._gateway[STATE],
            }
            self.before_first_process()
            command = [sys.executable, "-m", "local.sandbox.guest.first_process", "--clock", str(self._clock)]
            with (self.folder / CONSOLE).open("ab") as console:
                self._first = self.spawn(command, {"PYTHONPATH": str(PACKAGE)}, console, console)
            first = self._first
        until = time.monotonic() + BOOT_SECONDS
        while not self.guest.load.exists():
            if first.poll() is not None or time.monotonic() >= until:
                raise OSError(f"its first process does not come up; {self.folder / CONSOLE} says why")
            time.sleep(LOOK_EVERY_SECONDS)
        return first

    def _made_root(self, metadata: str) -> Root:
        return Root(plain(self.folder / DISK), metadata)

    def spawn(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        output: IO[bytes],
        errors: IO[bytes],
        *,
        folder: Path | None = None,
        executable: str | None = None,
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            words,
            executable=executable,
            cwd=folder or self.root.folder,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )

    def halt(self, grace_seconds: float) -> None:
        """SIGTERM to all of it, SIGKILL to what is left, and nobody answers for its role any more."""
        until = time.monotonic() + grace_seconds
        self._going_down = True
        self._signal(signal.SIGTERM)
        while time.monotonic() < until and (self._alive() or self.processes()):
            time.sleep(LOOK_EVERY_SECONDS)
        while self._alive() or self.processes():
            self._signal(signal.SIGKILL)
            time.sleep(LOOK_EVERY_SECONDS)
        with self._lock:
            if self._metadata is not None:
                self._metadata.stop()
            # The next boot has credentials of its own.
            self._metadata, self._first, self._keys = None, None, None

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if self._first is not None and self._first.poll() is None:
            self._first.send_signal(number)

    def is_up_by(self, first: "subprocess.Popen[bytes]") -> bool:
        """Whether that is its first process still, and nobody from outside has begun to end it."""
        return self._first is first and not self._going_down

    def _alive(self) -> bool:
        return self._first is not None and self._first.poll() is None

    def processes(self) -> list[int]:
        return process_group.holding(f"{ROOT}={self.root.folder}")

    def forget(self) -> None:
        if self.root.folder.is_symlink():
            self.root.folder.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def role_keys(self) -> RoleKeys | None:
        """Those of its role as it is now; None where it has none, or the service may not assume it."""
        duty = self.duty()
        if duty is None:
            return None
        now = time.time()
        with self._lock:
            kept = self._keys
            if kept is None or kept.role_arn != duty.role_arn or kept.expires - now < RENEW_BEFORE_SECONDS:
                ends = now + KEYS_LAST_SECONDS
                try:
                    keys = assume_role(self.place, duty.role_arn, duty.service, duty.session, duty.source_arn, ends)
                except CannotAssume:
                    return None
                self._keys = RoleKeys(duty.shown_as, duty.role_arn, duty.profile_arn, keys, now, ends)
                if self.is_in_a_vpc():
                    origins.tie(keys.access_key, Origin(self.place, self.identity, self.interfaces))
            return self._keys


def port_before(kept: Path) -> int:
    """0, which is any, at the first boot, and where a kill or a full disk left half of the file."""
    try:
        return int(kept.read_text())
    except (FileNotFoundError, ValueError):
        return 0
