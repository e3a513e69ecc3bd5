"""What becomes of a server whose worker dies, hangs or will not end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.serving.processes import MODEL, ROOT, STARTER, ServerProcess, wait_until
from tests.serving.test_life import running

PICTURE = (STARTER / "samples" / "star.jpg").read_bytes()

SUPERVISED = """
import os, signal, sys, time
from serving import supervisor
from serving.__main__ import main

def work(child, listening, own, settings, replaced):
    os.read(child.lifeline, 1)
{worker}
    return 0

supervisor.prepare = lambda *_: {prepared}
supervisor.work = work
supervisor.SILENCE_SECONDS = supervisor.KILL_AFTER_SECONDS = 0.3
sys.exit(main(["--model", ".", "--port", "0"]))
"""


def supervised(*worker: str, prepared: str = "0") -> "subprocess.Popen[str]":
    """A supervisor whose worker does what the lines say."""
    code = SUPERVISED.format(worker="".join(f"    {line}\n" for line in worker), prepared=prepared)
    environment = {"PATH": os.environ["PATH"], "WHIPPET_SERVING_DRAIN_SECONDS": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: "subprocess.Popen[str]") -> tuple[int, list[str], str]:
    """Exit status, events, and what was said on stderr."""
    out, told = process.communicate(timeout=30)
    return process.returncode, [json.loads(line)["event"] for line in out.splitlines()], told


def test_exit_status_of_the_worker_is_the_servers() -> None:
    assert outcome(supervised("return 3")) == (3, [], "")


def test_worker_that_dies_before_it_is_ready_is_not_tried_again() -> None:
    status, events, _ = outcome(supervised("os.kill(os.getpid(), signal.SIGKILL)"))
    assert (status, events) == (1, ["died_at_start"])


def test_worker_that_dies_again_and_again_ends_the_server() -> None:
    status, events, _ = outcome(supervised("os.write(child.says, b'r')", "os.kill(os.getpid(), signal.SIGKILL)"))
    assert (status, events) == (1, ["worker_replaced"] * 3 + ["dies_again_and_again"])


def test_event_loop_that_no_longer_turns_ends_the_server() -> None:
    status, events, _ = outcome(supervised("os.write(child.says, b'r')", "time.sleep(60)"))
    assert (status, events) == (1, ["wedged"])


def test_worker_that_does_not_drain_is_killed() -> None:
    process = supervised("signal.signal(15, signal.SIG_IGN)", 'os.write(1, b\'{"event": "up"}\\n\')', "time.sleep(60)")
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    status, events, _ = outcome(process)
    assert (status, events) == (1, ["killed"])


def test_signal_while_the_network_is_prepared_ends_quietly() -> None:
    process = supervised(prepared="(os.write(1, b'preparing\\n'), time.sleep(60))")
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    assert outcome(process) == (0, [], "")


def test_preparing_may_take_its_time_once_the_network_is_written() -> None:
    """Only a worker has to show that it lives."""
    prepared = "(os.write(_[0].says, b'w'), time.sleep(1.5), 0)[-1]"
    assert outcome(supervised("return 3", prepared=prepared)) == (3, [], "")


def test_preparing_that_is_killed_is_told() -> None:
    status, _, told = outcome(supervised(prepared="os.kill(os.getpid(), signal.SIGKILL)"))
    assert (status, told) == (1, "serving: preparing the network died of SIGKILL\n")


def test_killed_worker_is_replaced_and_ping_tells_of_it() -> None:
    with running() as process:
        os.kill(process.worker_pid, signal.SIGKILL)
        process.wait_for("worker_replaced")
        # A connection waits for the next worker; none is refused.
        assert process.ask("GET", "/ping").document == {"status": "healthy", "workers_replaced": 1}
        assert process.invoke(PICTURE).document["predictions"][0]["label"] == "star"
        assert process.wait_for("worker_replaced")["signal"] == "SIGKILL"
        assert process.stop() == 0


def test_worker_does_not_outlive_its_supervisor() -> None:
    process = ServerProcess()
    process.process.kill()
    process.wait()
    wait_until(lambda: not alive(process.worker_pid))


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


WEDGED = f"""
import sys, time
from serving import engine
from serving.__main__ import main
from serving.preparing import known_picture

infer = engine.OnnxEngine._run

def wedge(self, session, batch):
    if not (batch == known_picture(self._artifact.preprocessing)).all():  # warming up and probing take that one
        time.sleep(60)
    return infer(self, session, batch)

engine.OnnxEngine._run = wedge
sys.exit(main(["--model", {str(MODEL)!r}, "--port", "0"]))
"""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_wedged_engine_turns_ping_red_and_the_process_ends() -> None:
    with running(program=("-c", WEDGED), WHIPPET_SERVING_WEDGED_SECONDS="1") as process:
        client = threading.Thread(target=lambda: suppressed(process), daemon=True)
        client.start()
        statuses = []
        with suppress(OSError):
            while not statuses or statuses[-1] == 200:
                statuses.append(process.ask("GET", "/ping").status)
                time.sleep(0.02)
        assert (statuses[0], statuses[-1]) == (200, 503)
        assert process.wait() == 3
        assert process.wait_for("wedged")["reason"].startswith("one image has been in the engine for")


def suppressed(process: ServerProcess) -> None:
    """Ask, and expect no answer."""
    with suppress(Exception):
        process.invoke(PICTURE)
