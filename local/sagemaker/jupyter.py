"""Jupyter on a notebook instance: the server of a Python environment on this machine, on a loopback port of its own.

It starts when somebody first opens the notebook: an idle one would hold a hundred megabytes. Until then nothing can be
at work in it.
"""

import http.client
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOOPBACK = "127.0.0.1"
ANSWERS_SECONDS, ASK_EVERY_SECONDS = 60.0, 0.05
# In the order of what a person would rather open.
PROGRAMS = {"jupyter-lab": "lab", "jupyter-notebook": "tree", "jupyter-server": ""}
# Nothing that runs here asks the internet for news or for packages.
QUIET = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
# A login shell would find this machine's programs before the instance's.
TERMINAL = ('--ServerApp.terminado_settings={"shell_command": ["/bin/bash"]}',)


class NoJupyter(Exception):
    """Why there is none to open, as a sentence."""


# words, environment, output -> the process, on the instance
Spawn = Callable[[list[str], Mapping[str, str], IO[bytes]], "subprocess.Popen[bytes]"]


@dataclass
class Jupyter:
    """One that answers."""

    port: int
    token: str
    page: str
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/{self.page}?token={self.token}"

    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Authorization": f"token {self.token}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def start(environment: Path | None, work: Path, log: Path, spawn: Spawn) -> Jupyter:
    """`work`: the folder that it shows."""
    program = _program(environment)
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    token = secrets.token_urlsafe(32)
    words = [str(program), f"--ServerApp.ip={LOOPBACK}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    words += [f"--ServerApp.root_dir={work}", "--ServerApp.allow_root=True", "--ServerApp.open_browser=False"]
    words += TERMINAL
    words += QUIET if program.name == "jupyter-lab" else ()
    # In the variable no other user of this machine sees it, as an argument everybody would.
    with log.open("ab") as said:
        process = spawn(words, {"JUPYTER_TOKEN": token}, said)
    jupyter = Jupyter(port, token, PROGRAMS[program.name], process)
    until = time.monotonic() + ANSWERS_SECONDS
    while not _answers(jupyter):
        if not jupyter.alive() or time.monotonic() >= until:
            process.kill()
            raise NoJupyter(f"{program} does not come up: {log} says why.")
        time.sleep(ASK_EVERY_SECONDS)
    return jupyter


def _program(environment: Path | None) -> Path:
    if environment is None:
        raise NoJupyter(
            "Nothing says whose Jupyter a notebook instance opens: set notebooks in [tool.embedded-aws] of "
            "pyproject.toml to a Python environment with jupyterlab, and start the embedded AWS again."
        )
    for name in PROGRAMS:
        if (environment / "bin" / name).is_file():
            return environment / "bin" / name
    raise NoJupyter(
        f"{environment}, which [tool.embedded-aws] of pyproject.toml names for notebooks, has no Jupyter: make that "
        "environment, with jupyterlab in it, then open the notebook again."
    )


def _answers(jupyter: Jupyter) -> bool:
    try:
        return jupyter.ask("/api")[0] == http.client.OK
    except OSError:
        return False
