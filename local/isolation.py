"""Networks of their own for containers that may reach nothing: a Linux network namespace with a loopback alone."""

import contextlib
import ctypes
import functools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("enter_network.py")
CONNECT_SECONDS = 2.0
# A `struct sockaddr` of the family AF_UNSPEC, as long as one of AF_INET.
_NOWHERE = bytes(16)


class CannotIsolate(Exception):
    """Why this machine makes no network for a container, in a few words."""


class Network:
    """One such network, gone when it is closed and the last process in it has ended.

    Nobody outside can connect to what listens inside. A socket, though, stays in the network where it was made, whoever
    holds it, and one that was accepted can be undone and used as if it were new. So of the two sockets that come with a
    network one calls the other, and what is accepted calls the container: no process has to stand between.
    """

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise CannotIsolate(f"{sys.platform} has no network namespaces")
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                making = subprocess.Popen(
                    [*_python(), "make", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 4, socket.MSG_CMSG_CLOEXEC)
            said = making.communicate()[1].decode(errors="replace").strip()
        if making.returncode != 0:
            raise CannotIsolate(said.removeprefix("make: ").splitlines()[-1] if said else "it was ended meanwhile")
        self._spaces = tuple(descriptors[:2])
        self._listener, self._dialler = (socket.socket(fileno=one) for one in descriptors[2:])
        self._lock = threading.Lock()

    def popen(self, words: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401 - Popen's
        """The program itself, not one that waits for it: its number, its signals and its exit status are its own."""
        return subprocess.Popen([*_python(), "run", *map(str, self._spaces), *words], pass_fds=self._spaces, **options)

    def connect(self, port: int, limit_seconds: float | None) -> socket.socket:
        """To what listens inside."""
        made = self._socket()
        try:
            made.settimeout(limit_seconds)
            # As http.client's own: a body goes at once, without a wait of 40 ms for the head's receipt.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(("127.0.0.1", port))
        except BaseException:
            made.close()
            raise
        return made

    def _socket(self) -> socket.socket:
        with self._lock:
            self._listener.settimeout(CONNECT_SECONDS)
            self._dialler.settimeout(CONNECT_SECONDS)
            self._dialler.connect(self._listener.getsockname())
            try:
                while True:
                    made, caller = self._listener.accept()
                    if caller == self._dialler.getsockname():
                        break
                    # A container found the listener.
                    made.close()
            finally:
                _undo(self._dialler)
        _undo(made)
        return made

    def close(self) -> None:
        for descriptor in self._spaces:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._spaces = ()
        self._listener.close()
        self._dialler.close()


@functools.cache
def why_not() -> str | None:
    """Tried once, whole: why containers are not isolated on this machine; None where they are."""
    try:
        network = Network()
    except CannotIsolate as error:
        return str(error)
    try:
        network._socket().close()
    except OSError as error:
        return f"a socket cannot be used again ({error.strerror or error})"
    finally:
        network.close()
    return None


def network(isolated: bool) -> Network | None:
    """For a container that asks for it, where the machine can; a machine that could and fails now is an error."""
    return Network() if isolated and why_not() is None else None


def _python() -> list[str]:
    return [sys.executable, "-I", "-S", str(PROGRAM)]


def _undo(one: socket.socket) -> None:
    """As it was before it was connected."""
    if _libc().connect(one.fileno(), _NOWHERE, len(_NOWHERE)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


@functools.cache
def _libc() -> Any:  # noqa: ANN401 - ctypes
    return ctypes.CDLL(None, use_errno=True)
