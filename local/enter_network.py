"""What `local.isolation` starts: makes a network with a loopback and nothing else, or runs a program in one.

    python -I -S enter_network.py make SOCKET
    python -I -S enter_network.py run USER NETWORK PROGRAM [ARGUMENT...]

A process of its own, since Linux puts no process with threads into another user namespace; it imports next to nothing,
since every isolated container waits for it.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
PR_CAPBSET_DROP, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 24, 19, 21
CANNOT_RUN = 127
_libc = ctypes.CDLL(None, use_errno=True)


def make(back: socket.socket) -> None:
    """Hand back the user namespace, the network, and two sockets in it; it lives for as long as somebody holds one."""
    _unshare()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP | IFF_RUNNING))
    listener, dialler = socket.socket(), socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    spaces = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")]
    socket.send_fds(back, [b"\0"], [*spaces, listener.fileno(), dialler.fileno()])


def _unshare() -> None:
    """Root may make a network in its own user namespace, and keeps its rights over files; others need one more."""
    if _libc.unshare(CLONE_NEWNET) == 0:
        return
    user, group = os.getuid(), os.getgid()
    _done(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNET))
    for file, line in {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}.items():
        with open(f"/proc/self/{file}", "w") as told:  # noqa: PTH123 - pathlib takes as long to import as the rest
            told.write(line)


def run(user: int, network: int, words: list[str]) -> None:
    if not os.path.sameopenfile(user, os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)):
        _done(_libc.setns(user, CLONE_NEWUSER))
    _done(_libc.setns(network, CLONE_NEWNET))
    for number in (CAP_SYS_ADMIN, CAP_SYS_PTRACE):
        # Root could go back with the first, and make a process outside do so with the second. Nobody else has them.
        _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    for descriptor in (user, network):
        os.set_inheritable(descriptor, False)
    os.execvp(words[0], words)  # noqa: S606 - a container's program


def _done(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    try:
        if sys.argv[1] == "make":
            make(socket.socket(fileno=int(sys.argv[2])))
        else:
            run(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    except OSError as fault:
        what = sys.argv[4] if sys.argv[1] == "run" else fault.filename or "make"
        sys.stderr.write(f"{what}: {fault.strerror}\n")
        sys.exit(CANNOT_RUN)
