"""The processes that train one network together, one a GPU or one an instance; alone, it is a group of one.

Who starts them: torchrun on one machine or several; SageMaker with several instances (SM_HOSTS), where each instance
joins by itself; or this module, for `--ranks N` and for several GPUs. Numbers cross over gloo on CPUs and NCCL on GPUs.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

from training.errors import TrainingError

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.1
FAREWELL_SECONDS = 10
PORT = 7777  # where SageMaker's own launcher lets ranks meet
# The first rank may decode a large set while the others wait for it.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Group:
    """Who this process is among how many; every sum and every answer is the same on all of them."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this one writes and prints for all."""
        return self.rank == 0

    def sums(self, *values: float) -> list[float]:
        """Each value added up over all ranks."""
        if self.ranks == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def shared(self, value: Any) -> Any:  # noqa: ANN401 (whatever it is)
        """The first rank's value, on every rank."""
        if self.ranks == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def all(self, value: Any) -> list[Any]:  # noqa: ANN401 (whatever it is)
        """Every rank's value, in the order of the ranks."""
        if self.ranks == 1:
            return [value]
        found: list[Any] = [None] * self.ranks
        dist.all_gather_object(found, value)
        return found

    def align(self, network: nn.Module) -> None:
        """Give every rank the first one's running statistics, which each has kept of its own pictures."""
        if self.ranks > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def together(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are the mean over all ranks."""
        if self.ranks == 1:
            return network
        on_gpu = next(network.parameters()).is_cuda
        return DistributedDataParallel(network, device_ids=[self.local_rank] if on_gpu else None)


@contextmanager
def joined(environment: Mapping[str, str] = os.environ) -> Iterator[Group]:
    """The group that the environment speaks of, until the block ends."""
    found = _rank(environment)
    if found is None:
        yield Group()
        return
    rank, ranks, local_rank, address, port = found
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    interface = environment.get("SM_NETWORK_INTERFACE_NAME")
    if interface:  # a container has several, and the ranks must agree
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", interface)
    try:
        store = _meeting_point(address, port, rank, ranks, environment)
        dist.init_process_group(backend, store=store, rank=rank, world_size=ranks, timeout=PATIENCE)
    except (RuntimeError, OSError) as error:
        raise TrainingError(
            f"rank {rank} of {ranks} cannot meet the others at {address}:{port} ({str(error).splitlines()[0]}); "
            "the security group must admit itself"
        ) from error
    try:
        yield Group(rank, ranks, local_rank)
    finally:
        dist.destroy_process_group()


def _meeting_point(address: str, port: int, rank: int, ranks: int, environment: Mapping[str, str]) -> Store:
    """The first rank listens, at its own address alone; torch by itself would at every one that the machine has."""
    # torchrun listens itself.
    leads = rank == 0 and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    # The store closes it.
    listener = socket.create_server((address, port)).detach() if leads else None
    store: Store = TCPStore(address, port, ranks, is_master=leads, timeout=PATIENCE, master_listen_fd=listener)
    return store


def start_ranks(wanted: int, words: Sequence[str], environment: Mapping[str, str] = os.environ) -> int | None:
    """Where one process is too few and nobody has started more, start them; answers their exit status."""
    here = wanted or int(environment.get("SM_NUM_GPUS") or 0) or torch.cuda.device_count() or 1
    if "RANK" in environment or here == 1:
        return None
    hosts = _hosts(environment) or [LOOPBACK]
    first = hosts.index(environment["SM_CURRENT_HOST"]) * here if len(hosts) > 1 else 0
    common = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // here)),
        **environment,
        "WORLD_SIZE": str(len(hosts) * here),
        "MASTER_ADDR": hosts[0],
        "MASTER_PORT": str(PORT if len(hosts) > 1 else _free_port()),
    }
    program = [sys.executable, str(Path(__file__).resolve().with_name("entry.py")), *words]
    sys.stdout.flush()
    started = [
        subprocess.Popen(program, env={**common, "RANK": str(first + local), "LOCAL_RANK": str(local)})
        for local in range(here)
    ]
    return _watched(started)


def _watched(started: list[subprocess.Popen[bytes]]) -> int:
    """Wait for all; what one is told or dies of, the others are told."""

    def pass_on(number: int, _frame: object) -> None:
        for process in started:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    while None in (statuses := [process.poll() for process in started]):
        if any(statuses):
            _end(started)
        time.sleep(POLL_SECONDS)
    return next((status if status > 0 else 128 - status for status in statuses if status), 0)


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    """A rank without the others would wait for hours; what they have to say about it takes a moment."""
    deadline = time.monotonic() + FAREWELL_SECONDS
    while time.monotonic() < deadline and any(process.poll() is None for process in started):
        time.sleep(POLL_SECONDS)
    for process in started:
        process.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def _rank(environment: Mapping[str, str]) -> tuple[int, int, int, str, int] | None:
    """(rank, ranks, rank on this machine, address and port of the first), None where there is one process only."""
    if int(environment.get("WORLD_SIZE", "1")) > 1:
        numbers = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        rank, ranks, local_rank = numbers
        return rank, ranks, local_rank, environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    hosts = _hosts(environment)
    if "RANK" in environment or len(hosts) < 2:  # noqa: PLR2004 (one is no group)
        return None
    return hosts.index(environment["SM_CURRENT_HOST"]), len(hosts), 0, hosts[0], PORT


def _hosts(environment: Mapping[str, str]) -> list[str]:
    """The instances of this job, in an order that all of them find."""
    return sorted(json.loads(environment.get("SM_HOSTS") or "[]"))
