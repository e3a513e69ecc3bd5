"""What stands for an instance's `/`: a folder of its own. Its programs are this machine's, told of the folder by text.

Without root rights there is no other root directory, and plain Ubuntu forbids the namespaces that would stand in for
one. So a path in what is run on an instance (user data, a command) means the same path in its folder, wherever a
program, a unit or a heredoc carries it. What a program makes up while it runs ("/" + "etc") is this machine's own.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

# What a script may write to, and /proc, which shows the instance's own processes.
FOLDERS = ("etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "tmp", "usr/local", "var")
# What a Deep Learning AMI has and this machine may not have, or has and an instance must not use.
INSTALLERS = ("apt", "apt-get", "dnf", "rpm", "dpkg", "snap", "yum")
COMMANDS = ("aws", "halt", "poweroff", "reboot", "shutdown", "sudo", "systemctl", "who", *INSTALLERS)
PYTHONS = ("python", "python3")
# Copied, since an instance may write to what is its own.
COPIED = (
    "group",
    "hosts",
    "localtime",
    "os-release",
    "passwd",
    "pki/tls/certs/ca-bundle.crt",
    "resolv.conf",
    "ssl/certs/ca-certificates.crt",
)
LOGINS = ("ec2-user", "ubuntu")
# Of this machine: the server's own place for temporary files lies beside the disks.
LINKS = Path("/tmp")  # noqa: S108 - a link's owner and target are looked at
# What a shell takes as it stands.
_PLAIN = re.compile(r"[\w./+@-]+")
METADATA = "169.254.169.254"
# Not within a longer path or an address. A variable before a path may be empty, and then stands for /.
_PATH = re.compile(
    r"(?<![\w./~}-])(?P<variable>\$(?:\w+|\{\w+\}))?/"
    rf"(?P<path>(?:{'|'.join(FOLDERS)})(?![\w.-])|(?:usr/)?s?bin/(?P<program>[\w-]+)(?![\w./-]))"
)


class Root:
    """One instance's."""

    def __init__(self, folder: Path, metadata: str, addresses: Mapping[str, str] | None = None) -> None:
        """`addresses`: what else of the instance is reached elsewhere, as scripts write it and as it is here."""
        self.folder = folder
        self._addresses = {METADATA: metadata, **(addresses or {})}

    @property
    def programs(self) -> Path:
        return self.folder / "usr" / "bin"

    @property
    def is_made(self) -> bool:
        """What is made last is there."""
        return (self.folder / "opt" / "pytorch" / "bin" / "python").exists()

    def here(self, text: str) -> str:
        """The text with an instance's paths turned into this folder's, and the addresses of its own services."""
        text = _PATH.sub(self._turned, text)
        for written, meant in self._addresses.items():
            text = text.replace(written, meant)
        return text

    def _turned(self, found: re.Match[str]) -> str:
        program = found["program"]
        if program is not None and program not in (*COMMANDS, *PYTHONS):
            return found[0]
        path = f"usr/bin/{program}" if program else found["path"]
        variable = (found["variable"] or "").strip("${}")
        return f"${{{variable}:-{self.folder}}}/{path}" if variable else f"{self.folder}/{path}"

    def make(self) -> None:
        """At the first boot: the folders, and the commands that are the instance's own."""
        homes = [f"home/{name}" for name in LOGINS]
        made = ("etc/systemd/system", "var/lib/cloud/instance", "var/log", "usr/bin", "opt/pytorch/bin")
        for name in (*FOLDERS, *made, *homes):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            if (Path("/etc") / name).is_file():
                (self.folder / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path("/etc") / name, self.folder / "etc" / name)
        package, python = shlex.quote(str(Path(__file__).resolve().parents[2])), shlex.quote(sys.executable)
        for name in COMMANDS:
            asked = f"exec env PYTHONPATH={package} {python} -m local.sandbox.guest.commands {name}"
            program(self.programs / name, f'{asked} "$@"')
        for path in (*(self.programs / name for name in PYTHONS), self.folder / "opt" / "pytorch" / "bin" / "python"):
            program(path, f'exec {python} "$@"')

    def boot(self) -> None:
        """What is in memory on an instance is gone after a boot."""
        for name in ("run", "tmp", "proc"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()

    def environment(self) -> dict[str, str]:
        folder = str(self.folder)
        places = [f"{folder}/usr/local/sbin", f"{folder}/usr/local/bin", str(self.programs)]
        return {
            "PATH": os.pathsep.join([*places, os.environ["PATH"]]),
            "HOME": f"{folder}/root",
            "USER": "root",
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CACHE_HOME": f"{folder}/root/.cache",
            "PYTHONUNBUFFERED": "1",
            # What is installed on an instance is the instance's, and not this project's.
            "PIP_TARGET": str(packages(self.folder)),
            "PYTHONPATH": str(packages(self.folder)),
        }


def plain(folder: Path) -> Path:
    """A name for a folder that stands in a script without quotes: itself, or a link to it where its path has spaces."""
    if _PLAIN.fullmatch(str(folder)):
        return folder
    link = LINKS / f"aws-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    with contextlib.suppress(FileExistsError):
        link.symlink_to(folder)
    # Somebody else's link, made before, would lead elsewhere.
    if not link.is_symlink() or link.readlink() != folder or link.lstat().st_uid != os.getuid():
        raise OSError(f"{link} is not this user's link to {folder}: remove it, or choose another --state DIR")
    return link


def packages(folder: Path) -> Path:
    """Python's, beside those that come with the project."""
    return folder / "usr" / "local" / "lib" / "python"


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
