"""The instances of one job: launched together, watched until they end or have to."""

import enum
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.authority import Credentials
from local.isolation import CannotIsolate, Network, network
from local.sagemaker.container_log import ContainerLog
from local.sagemaker.host import Host
from local.sagemaker.jobs import Job, JobFailed
from local.sagemaker.role_client import role_client

LOOK_EVERY_SECONDS = 0.05
# SIGTERM, and what a job has until SIGKILL.
GRACE_SECONDS = 120.0
INTERFACE = "lo" if sys.platform == "linux" else "lo0"
# Numbers of jobs: each has addresses of its own, so that two at once may use the same port.
_numbers = itertools.count()
NETWORKS, PER_NETWORK = 100, 250


class Ending(enum.Enum):
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    OVERRAN = "overran"
    INTERRUPTED = "interrupted"


@dataclass
class Cluster:
    """`grace_seconds` is on the machine's time."""

    job: Job
    grace_seconds: float
    isolated: bool = False
    hosts: list[Host] = field(default_factory=list)
    _network: Network | None = None
    _logs: list[ContainerLog] = field(default_factory=list)

    def make(self, count: int, folders: Sequence[str]) -> None:
        try:
            self._network = network(self.isolated)
        except CannotIsolate as error:
            raise JobFailed(f"InternalServerError: The job's containers cannot be isolated: {error}.") from error
        self.hosts = [
            Host(address, number, self.job.folder / f"algo-{number}", self._network)
            for number, address in enumerate(addresses(count), start=1)
        ]
        for host in self.hosts:
            host.make(folders)

    def resources(self, host: Host, instance_type: str) -> str:
        """resourceconfig.json"""
        names = [one.name for one in self.hosts]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": names}
        return json.dumps(
            {
                "current_host": host.name,
                "current_instance_type": instance_type,
                "current_group_name": "homogeneousCluster",
                "hosts": names,
                "instance_groups": [group],
                "network_interface_name": INTERFACE,
            }
        )

    def follow(self, group: str, credentials: Credentials, gateway: Mapping[str, str]) -> None:
        """What the instances say goes to CloudWatch Logs, written by the job's role."""
        for host in self.hosts:
            stream = f"{self.job.name}/algo-{host.number}-{int(time.time())}"
            log = ContainerLog(
                host.log, group, stream, lambda: role_client("logs", credentials, gateway, read_seconds=5)
            )
            log.start()
            self._logs.append(log)

    def watch(self, limit_seconds: float, tick: Callable[[], None], interruption: Path | None = None) -> Ending:
        """Until every process has ended well, one badly, or all have to."""
        until = time.monotonic() + limit_seconds
        while True:
            statuses = [host.status() for host in self.hosts]
            if any(statuses):
                return Ending.FAILED
            if None not in statuses:
                return Ending.FINISHED
            reason = self._reason(until, interruption)
            if reason is not None:
                self._end()
                return reason
            tick()
            self.job.stopping.wait(LOOK_EVERY_SECONDS)

    def _reason(self, until: float, interruption: Path | None) -> Ending | None:
        if self.job.stopping.is_set():
            return Ending.STOPPED
        if time.monotonic() >= until:
            return Ending.OVERRAN
        if interruption is not None and interruption.exists():
            interruption.unlink()
            return Ending.INTERRUPTED
        return None

    def _end(self) -> None:
        for host in self.hosts:
            host.terminate()
        until = time.monotonic() + self.grace_seconds
        while time.monotonic() < until and not self.job.closing.is_set():
            if all(host.status() is not None for host in self.hosts):
                break
            time.sleep(LOOK_EVERY_SECONDS)

    def close(self) -> None:
        """Whatever still runs ends, and what was said last is sent."""
        for host in self.hosts:
            host.kill()
        endings = [threading.Thread(target=log.stop, daemon=True) for log in self._logs]
        for thread in endings:
            thread.start()
        for thread in endings:
            thread.join()
        self._logs = []
        if self._network is not None:
            self._network.close()
            self._network = None

    def failure(self, *names: str) -> str:
        """The first instance that ended badly, in the job's own words or by its exit status."""
        host = next(one for one in self.hosts if one.status())
        said = host.said(*names) or "See job logs for more information"
        return f"AlgorithmError: {said}, exit code: {_as_shell(host.status() or 0)}"


def addresses(count: int) -> list[str]:
    """Loopback addresses of one job's instances: each its own, as hosts have."""
    number = next(_numbers)
    network = f"127.{66 + number // PER_NETWORK % NETWORKS}.{number % PER_NETWORK + 1}"
    found = [f"{network}.{index}" for index in range(1, count + 1)]
    if _usable(found[0]):
        return found
    if count == 1:
        return ["127.0.0.1"]
    raise JobFailed(
        f"ClientError: {count} instances need addresses of their own, and this machine's loopback has 127.0.0.1 alone: "
        "add the others to it, or ask for one instance."
    )


def _usable(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _as_shell(status: int) -> int:
    """A container that a signal has ended has the exit status 128 + its number."""
    return status if status >= 0 else 128 - status
