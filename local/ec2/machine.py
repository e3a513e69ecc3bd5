"""One EC2 instance as it runs: a folder for its disk, a metadata service, and processes that hold its name."""

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from local import joints, joints_ec2, process_group
from local.authority import CannotAssume, assume_role
from local.ec2.guest.place import INSTANCE, ROOT, Place
from local.ec2.metadata import MetadataService, Options, RoleKeys
from local.ec2.root import Root, plain
from local.records import Scope
from local.sagemaker.instance import MACHINE

PRINCIPAL = "ec2.amazonaws.com"
KEYS_LAST_SECONDS = 6 * 3600.0
RENEW_BEFORE_SECONDS = 3600.0
LOOK_EVERY_SECONDS, BOOT_SECONDS = 0.05, 20.0
PACKAGE = Path(__file__).resolve().parents[2]
# Its files as they lie in the machine's folder, beside the disk.
CONSOLE, DISK, PORT = "console.log", "root", "metadata-port"


class Machine:
    """`gateway` is what reaches the embedded AWS from a process; `clock` how fast its timers run."""

    def __init__(self, place: Scope, identity: str, folder: Path, gateway: Mapping[str, str], clock: float) -> None:
        self.place, self.identity, self.folder = place, identity, folder
        self._gateway, self._clock = gateway, clock
        # Held by whoever boots it or takes it down.
        self.changing = threading.Lock()
        self._lock = threading.RLock()
        self._keys: RoleKeys | None = None
        self._metadata: MetadataService | None = None
        self._first: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}
        self._going_down = False
        self.root = Root(folder / DISK, "")

    @property
    def record(self) -> dict[str, Any]:
        """MiniStack's, to read and to change; empty once the instance is forgotten."""
        return joints_ec2.instance_at(self.place, self.identity) or {}

    @property
    def guest(self) -> Place:
        return Place({ROOT: str(self.root.folder), INSTANCE: self.identity})

    # --- life --------------------------------------------------------------------------------------------------------

    def boot(self) -> "subprocess.Popen[bytes]":
        """Its first process; the disk is made at the first boot and is there again at the next."""
        with self._lock:
            self._going_down = False
            (self.folder / DISK).mkdir(parents=True, exist_ok=True)
            self._metadata = MetadataService(self, self._port_before())
            (self.folder / PORT).write_text(str(self._metadata.port))
            self._metadata.start()
            self.root = Root(plain(self.folder / DISK), self._metadata.address)
            if not self.root.is_made:
                self.root.make()
            self.root.boot()
            self._write_user_data()
            machine = {name: os.environ[name] for name in MACHINE if name in os.environ and name != "PATH"}
            self._environment = {
                **machine,
                **self.root.environment(),
                "AWS_ENDPOINT_URL": self._gateway["AWS_ENDPOINT_URL"],
                "AWS_CA_BUNDLE": self._gateway["AWS_CA_BUNDLE"],
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self._metadata.address}/",
                ROOT: str(self.root.folder),
                INSTANCE: self.identity,
            }
            command = [sys.executable, "-m", "local.ec2.guest.first_process", "--clock", str(self._clock)]
            with (self.folder / CONSOLE).open("ab") as console:
                self._first = self.spawn(command, {"PYTHONPATH": str(PACKAGE)}, console, console)
            first = self._first
        until = time.monotonic() + BOOT_SECONDS
        while not self.guest.load.exists():
            if first.poll() is not None or time.monotonic() >= until:
                raise OSError(f"its first process does not come up; {self.folder / CONSOLE} says why")
            time.sleep(LOOK_EVERY_SECONDS)
        return first

    def _port_before(self) -> int:
        """0, which is any, at the first boot, and where a kill or a full disk left half of the file."""
        try:
            return int((self.folder / PORT).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _write_user_data(self) -> None:
        found, script = self.user_data(), self.guest.script
        if found is not None and not script.exists():
            script.write_text(self.root.here(found.decode(errors="surrogateescape")), errors="surrogateescape")
            script.chmod(0o700)

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
            self._metadata, self._first = None, None

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
        return process_group.holding(f"{INSTANCE}={self.identity}")

    def forget(self) -> None:
        if self.root.folder.is_symlink():
            self.root.folder.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def console(self) -> str:
        """What it said at its boots, and its user data with it."""
        found = [self.folder / CONSOLE, self.guest.script_log]
        return "".join(path.read_text(errors="replace") for path in found if path.exists())

    # --- what its metadata service says ------------------------------------------------------------------------------

    def options(self) -> Options:
        asked = self.record.get("MetadataOptions") or {}
        return Options(
            enabled=asked.get("HttpEndpoint", "enabled") == "enabled",
            tokens_required=asked.get("HttpTokens", "optional") == "required",
            tags=asked.get("InstanceMetadataTags", "disabled") == "enabled",
        )

    def user_data(self) -> bytes | None:
        kept = self.record.get("UserData")
        return base64.b64decode(kept) if kept else None

    def identity_document(self) -> dict[str, Any]:
        found = self.record
        return {
            "accountId": self.place.account,
            "architecture": found["Architecture"],
            "availabilityZone": found["Placement"]["AvailabilityZone"],
            "imageId": found["ImageId"],
            "instanceId": self.identity,
            "instanceType": found["InstanceType"],
            "pendingTime": found["LaunchTime"].replace(".000Z", "Z"),
            "privateIp": found["PrivateIpAddress"],
            "region": self.place.region,
            "version": "2017-09-30",
        }

    def facts(self) -> dict[str, str]:
        found = self.record
        zone = found["Placement"]["AvailabilityZone"]
        said = {
            "ami-id": found["ImageId"],
            "hostname": found["PrivateDnsName"],
            "instance-id": self.identity,
            "instance-life-cycle": "spot" if found.get("InstanceLifecycle") == "spot" else "on-demand",
            "instance-type": found["InstanceType"],
            "local-hostname": found["PrivateDnsName"],
            "local-ipv4": found["PrivateIpAddress"],
            "placement/availability-zone": zone,
            "placement/region": self.place.region,
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
            "security-groups": "\n".join(group["GroupName"] for group in found["SecurityGroups"]),
        }
        tags = joints_ec2.tags_at(self.place, self.identity) if self.options().tags else {}
        return {**said, **{f"tags/instance/{name}": value for name, value in tags.items()}}

    def role_keys(self) -> RoleKeys | None:
        """Those of its profile's role as it is now; None where it has none, or EC2 may not assume it."""
        profile = (self.record.get("IamInstanceProfile") or {}).get("Arn", "")
        with joints.scope(self.place.account, self.place.region):
            found = joints_ec2.instance_profile("", profile) if profile else None
        if found is None or not found[1]:
            return None
        role, now = found[1][0], time.time()
        name = role.rsplit("/", 1)[-1]
        with self._lock:
            kept = self._keys
            if kept is None or kept.role != name or kept.expires - now < RENEW_BEFORE_SECONDS:
                ends = now + KEYS_LAST_SECONDS
                try:
                    keys = assume_role(self.place, role, PRINCIPAL, self.identity, None, ends)
                except CannotAssume:
                    return None
                self._keys = RoleKeys(name, found[0], keys, now, ends)
            return self._keys
