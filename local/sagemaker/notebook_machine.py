"""One notebook instance as it runs: its lifecycle scripts, Jupyter, and the one folder of it that outlives a stop."""

import base64
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import NoCredentialsError

from local.home import VOLUME
from local.network.interfaces import standing, unplug
from local.network.layout import Interface
from local.records import Document, Scope
from local.sagemaker import jupyter
from local.sagemaker.container_log import ContainerLog
from local.sagemaker.jupyter import Jupyter
from local.sagemaker.names import SERVICE_PRINCIPAL
from local.sagemaker.notebook_door import Door
from local.sagemaker.role_client import role_client
from local.sandbox.guest.place import NO_ROOT
from local.sandbox.machine import DISK, Duty, Sandbox, port_before
from local.sandbox.metadata import Options
from local.sandbox.root import Root, packages, plain
from local.tls import Certificates

LOG_GROUP = "/aws/sagemaker/NotebookInstances"
# By the clock of the embedded AWS.
SCRIPT_SECONDS = 300.0
LOG_SECONDS = 10.0
# Beside the disk and the volume.
DOOR = "door-port"
HOME = Path("home") / "ec2-user"
# What the metadata service calls a notebook's role, whichever that is.
SHOWN_ROLE = "BaseNotebookInstanceEc2InstanceRole"


class ScriptFailed(Exception):
    """The words of a FailureReason."""


@dataclass(frozen=True)
class Ground:
    """What notebook instances of one embedded AWS have in common."""

    gateway: Mapping[str, str]
    clock: float
    certificates: Certificates
    # The Python environment whose Jupyter they open.
    jupyter: Path | None


class NotebookMachine(Sandbox):
    """`read`: its record in SageMaker, empty once it is gone."""

    def __init__(self, place: Scope, name: str, folder: Path, ground: Ground, read: Callable[[], Document]) -> None:
        super().__init__(place, name, folder, ground.gateway, ground.clock)
        self._ground, self._read = ground, read
        self._door: Door | None = None
        self._jupyter: Jupyter | None = None
        self._jupyter_log: ContainerLog | None = None
        self._opening = threading.Lock()

    @property
    def volume(self) -> Path:
        """/home/ec2-user/SageMaker."""
        return self.folder / VOLUME

    # --- life --------------------------------------------------------------------------------------------------------

    def boot(self) -> "subprocess.Popen[bytes]":
        """On a new disk, as on AWS: of the one before, the volume alone is there again."""
        shutil.rmtree(self.folder / DISK, ignore_errors=True)
        self.volume.mkdir(parents=True, exist_ok=True)
        certificates = self._ground.certificates
        self._door = Door(certificates.certificate, certificates.key, self._running, port_before(self.folder / DOOR))
        (self.folder / DOOR).write_text(str(self._door.port))
        self._door.open()
        return super().boot()

    def _made_root(self, metadata: str) -> Root:
        addresses = self._door.addresses if self._door else {}
        return Root(plain(self.folder / DISK), metadata, addresses)

    def before_first_process(self) -> None:
        (self.root.folder / HOME / VOLUME).symlink_to(self.volume, target_is_directory=True)
        described = self.root.folder / "opt" / "ml" / "metadata" / "resource-metadata.json"
        described.parent.mkdir(parents=True)
        itself = {"ResourceArn": self._read()["NotebookInstanceArn"], "ResourceName": self.identity}
        described.write_text(json.dumps(itself))

    def halt(self, grace_seconds: float) -> None:
        super().halt(grace_seconds)
        with self._lock:
            if self._door is not None:
                self._door.close()
            if self._jupyter_log is not None:
                self._jupyter_log.stop()
            self._door, self._jupyter, self._jupyter_log = None, None, None

    # --- lifecycle scripts -------------------------------------------------------------------------------------------

    def run_script(self, hook: str, content: str, configuration: str) -> None:
        """`hook`: OnCreate or OnStart; `content` in base64; ScriptFailed where it does not end well, and in time."""
        script = self.root.folder / "tmp" / f"{hook}_{time.strftime('%Y-%m-%d-%H-%M', time.gmtime())}"
        text = base64.b64decode(content).decode(errors="surrogateescape")
        script.write_text(self.root.here(text), errors="surrogateescape")
        script.chmod(0o700)
        log = self.folder / f"{hook}.log"
        log.unlink(missing_ok=True)
        delivery = self._delivery(log, f"LifecycleConfig{hook}")
        try:
            with log.open("ab") as said:
                process = self.spawn([str(script)], {}, said, said)
            delivery.start()
            status = process.wait(SCRIPT_SECONDS / self._clock)
        except subprocess.TimeoutExpired as error:
            raise ScriptFailed(self._why(configuration, "took longer than 5 minutes")) from error
        except OSError as error:
            raise ScriptFailed(self._why(configuration, f"cannot be run ({hook}: {error.strerror})")) from error
        finally:
            delivery.stop()
        if status != 0:
            raise ScriptFailed(self._why(configuration, f"failed ({hook} ended with exit status {status})"))

    def _why(self, configuration: str, what: str) -> str:
        return (
            f"Notebook Instance Lifecycle Config '{configuration}' for Notebook Instance "
            f"'{self._read().get('NotebookInstanceArn')}' {what}. Please check your CloudWatch logs for more details "
            "if your Notebook Instance has Internet access."
        )

    def _delivery(self, log: Path, stream: str) -> ContainerLog:
        """By the role's own permissions, as all that a notebook does."""

        def client() -> Any:  # noqa: ANN401 - botocore makes clients at run time
            keys = self.role_keys()
            if keys is None:
                raise NoCredentialsError
            return role_client("logs", keys.credentials, self._gateway, read_seconds=LOG_SECONDS)

        return ContainerLog(log, LOG_GROUP, f"{self.identity}/{stream}", client)

    # --- Jupyter -----------------------------------------------------------------------------------------------------

    def open(self) -> str:
        """Where its Jupyter is, with the token that it asks for; jupyter.NoJupyter where there is none."""
        with self._opening:
            if self._running() is None:
                log = self.folder / "jupyter.log"
                log.unlink(missing_ok=True)
                started = jupyter.start(self._ground.jupyter, self.root.folder / HOME / VOLUME, log, self._as_user)
                delivery = self._delivery(log, "jupyter.log")
                delivery.start()
                with self._lock:
                    self._jupyter, self._jupyter_log = started, delivery
            assert self._jupyter is not None  # noqa: S101 - started above
            return self._jupyter.url

    def _running(self) -> Jupyter | None:
        found = self._jupyter
        return found if found is not None and found.alive() else None

    def _as_user(self, words: list[str], environment: Mapping[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
        home, folder = self.root.folder / HOME, self.root.folder
        own = {
            "HOME": str(home),
            "USER": "ec2-user",
            "XDG_CACHE_HOME": str(home / ".cache"),
            "AWS_REGION": self.place.region,
            "AWS_DEFAULT_REGION": self.place.region,
            # The environment's own programs, and then the instance's.
            "PATH": f"{Path(words[0]).parent}:{self.root.environment()['PATH']}",
            "PYTHONPATH": str(packages(folder)),
            **({NO_ROOT: "1"} if self._read().get("RootAccess") == "Disabled" else {}),
        }
        return self.spawn(words, {**own, **environment}, log, log, folder=home / VOLUME)

    # --- what its metadata service says ------------------------------------------------------------------------------

    def options(self) -> Options:
        asked = self._read().get("InstanceMetadataServiceConfiguration") or {}
        return Options(tokens_required=asked.get("MinimumInstanceMetadataServiceVersion") == "2")

    def facts(self) -> dict[str, str]:
        return {
            "instance-type": self._read().get("InstanceType", "").removeprefix("ml."),
            "placement/availability-zone": f"{self.place.region}a",
            "placement/region": self.place.region,
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
        }

    def identity_document(self) -> dict[str, Any]:
        return {
            "accountId": self.place.account,
            "availabilityZone": f"{self.place.region}a",
            "instanceType": self.facts()["instance-type"],
            "region": self.place.region,
            "version": "2017-09-30",
        }

    def is_in_a_vpc(self) -> bool:
        return "NetworkInterfaceId" in self._read()

    def interfaces(self) -> list[Interface]:
        record = self._read()
        found = standing(self.place, record.get("NetworkInterfaceId", ""))
        direct = record.get("DirectInternetAccess") == "Enabled"
        return [replace(found, direct_internet=direct)] if found is not None else []

    def forget(self) -> None:
        unplug(self.place, self._read().get("NetworkInterfaceId", ""))
        super().forget()

    def duty(self) -> Duty | None:
        record = self._read()
        if not record:
            return None
        profile = f"arn:aws:iam::{self.place.account}:instance-profile/{SHOWN_ROLE}"
        source = record["NotebookInstanceArn"]
        return Duty(record["RoleArn"], SERVICE_PRINCIPAL, "SageMaker", source, SHOWN_ROLE, profile)
