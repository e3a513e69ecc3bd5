"""torchrun, whose instances meet at the first one's own address: `python local/torchrun.py --nnodes=2 ...`

By itself it listens at every address of the machine, where it could be reached from outside and where the next job's
port would be taken.
"""

import runpy
import socket
from typing import Any

from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous import static_tcp_rendezvous


def at_its_own_address(
    address: str,
    port: int,
    world_size: int,
    is_master: bool,
    *others: Any,  # noqa: ANN401 - the store's own
    **more: Any,  # noqa: ANN401
) -> Store:
    if is_master:
        # The store closes it.
        more["master_listen_fd"] = socket.create_server((address, port)).detach()
    store: Store = TCPStore(address, port, world_size, is_master, *others, **more)
    return store


if __name__ == "__main__":
    setattr(static_tcp_rendezvous, "TCPStore", at_its_own_address)  # noqa: B010 - a class, to those who check types
    runpy.run_module("torch.distributed.run", run_name="__main__")
