"""Where the processes of an embedded AWS listen, by Linux's /proc."""

import contextlib
import socket
from pathlib import Path

from local import process_group

TABLES = (("tcp", socket.AF_INET, 4), ("tcp6", socket.AF_INET6, 16))


def addresses(group):
    """Of every process in the group: (address, port)."""
    inodes = set()
    for one in process_group.members(group):
        # It may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for link in Path(f"/proc/{one.pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    inodes.add(str(link.readlink()).removeprefix("socket:[").rstrip("]"))
    return {found for table, family, size in TABLES for found in _of(table, family, size, inodes)}


def _of(table, family, size, inodes):
    for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            address, port = fields[1].split(":")
            words = bytes.fromhex(address)
            turned = b"".join(words[at : at + 4][::-1] for at in range(0, size, 4))
            yield socket.inet_ntop(family, turned), int(port, 16)
