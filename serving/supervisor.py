"""The first process: prepares the network, starts the worker that serves, replaces it when something kills it.

A thread that dies by a signal takes its process along, be it the kernel's for want of memory or a decoder's fault. The
worker is therefore a process of its own; the port belongs to this one, so that connections wait for the next worker
rather than being refused. A worker that ends by itself had a reason, and its exit status becomes this process's.
Nothing large is imported here: what this process takes, it takes on top.
"""

import contextlib
import fcntl
import logging
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import StartError
from serving.settings import Settings

log = logging.getLogger("serving")

# More deaths than this in this time are no accident.
MAX_DEATHS, DEATHS_SECONDS = 3, 60.0
# An event loop that has not turned for this long does not answer /ping either.
SILENCE_SECONDS = 30.0
# After the worker's own time for draining.
KILL_AFTER_SECONDS = 3.0
# By the preparer: the network is there; by the worker: it answers.
WRITTEN, READY = b"w", b"r"
# To the worker: load the network, which is written; serve, since it was found to be right.
LOAD, SERVE = b"l", b"s"


@dataclass
class Child:
    """A forked process and the two pipes between it and this one."""

    pid: int
    says: int
    """What it says can be read here: one byte a sign of life."""
    lifeline: int
    """It ends when this is closed, be it by this process's death."""
    ready: bool = False
    killed: bool = False
    heard: float = field(default_factory=time.monotonic)

    def tell(self, word: bytes) -> None:
        """A child that has ended hears nothing, and whoever waits for it will see why."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.lifeline, word)

    def say(self, word: bytes) -> None:
        """In the child."""
        os.write(self.says, word)

    def is_told(self, word: bytes) -> bool:
        """In the child, which waits for it."""
        return os.read(self.lifeline, 1) == word

    def kill(self) -> None:
        self.killed = True
        os.kill(self.pid, signal.SIGKILL)


class Supervisor:
    """One server's life as its operator sees it."""

    def __init__(self, model: Path, settings: Settings, host: str) -> None:
        self._model, self._settings = model, settings
        self._listening = bind(host, settings.port)
        self._signals, self._signalled = os.pipe()
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS + 1)
        self._replaced = 0
        self._ending: float | None = None
        """When the worker is killed if it has not ended until then; set once a signal has asked for the end."""

    def run(self) -> int:
        raise_file_limit()
        with self._listening, tempfile.TemporaryDirectory(prefix="whippet-") as own:
            self._catch_signals()
            preparer = self._fork(lambda child: prepare(child, self._model, Path(own), self._settings.precision))
            # The worker loads its modules while the network is prepared, and warms up while it is checked.
            worker = self._fork_worker(Path(own))
            status = self._prepared(preparer, worker)
            if status != 0 or self._ending is not None:
                end(worker)
                return status
            return self._supervise(worker, Path(own))

    def _supervise(self, worker: Child, own: Path) -> int:
        while True:
            worker.tell(SERVE)
            status = self._watch(worker)
            if self._ending is not None:
                return 0 if status in {0, -signal.SIGTERM} else max(1, status)
            if status >= 0:
                return status
            died_by = signal.Signals(-status).name
            if not worker.ready:
                log.critical("died_at_start", extra={"facts": {"signal": died_by}})
                return 1
            self._deaths.append(time.monotonic())
            if len(self._deaths) > MAX_DEATHS and self._deaths[-1] - self._deaths[0] < DEATHS_SECONDS:
                log.critical("dies_again_and_again", extra={"facts": {"signal": died_by, "times": len(self._deaths)}})
                return 1
            self._replaced += 1
            log.error("worker_replaced", extra={"facts": {"signal": died_by, "replaced": self._replaced}})
            worker = self._fork_worker(own)
            worker.tell(LOAD)

    def _fork_worker(self, own: Path) -> Child:
        return self._fork(lambda child: work(child, self._listening, own, self._settings, self._replaced))

    def _prepared(self, preparer: Child, worker: Child) -> int:
        """The preparer's exit status; a signal meanwhile ends it."""
        status = self._watch(preparer, lambda: worker.tell(LOAD))
        if status < 0 and self._ending is None:
            sys.stderr.write(f"serving: preparing the network died of {signal.Signals(-status).name}\n")
        return 0 if self._ending is not None else (1 if status < 0 else status)

    def _watch(self, child: Child, when_written: Callable[[], None] = lambda: None) -> int:
        """Until a child has ended: its exit status, or the negative signal that killed it."""
        open_ends = [self._signals, child.says]
        while True:
            # What a child said before it died counts: its end is looked at first, its words after that.
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            readable, _, _ = select.select(open_ends, [], [], 0 if pid else 1.0)
            if child.says in readable:
                said = os.read(child.says, 1024)
                if said:
                    child.ready, child.heard = child.ready or READY in said, time.monotonic()
                    if WRITTEN in said:
                        when_written()
                else:
                    open_ends = [self._signals]
            if self._signals in readable:
                self._forward(os.read(self._signals, 64), child)
            if pid:
                os.close(child.says)
                os.close(child.lifeline)
                return os.waitstatus_to_exitcode(status)
            self._check_life(child)

    def _forward(self, numbers: bytes, child: Child) -> None:
        """Ask the worker to drain; a signal that only tells of a child's end is no such wish."""
        if self._ending is None and {signal.SIGTERM, signal.SIGINT} & set(numbers):
            self._ending = time.monotonic() + self._settings.drain_seconds + KILL_AFTER_SECONDS
            # The worker's own copy of the port stays open for as long as it wants it.
            self._listening.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)

    def _check_life(self, child: Child) -> None:
        now = time.monotonic()
        if child.killed:
            return
        if self._ending is not None and now > self._ending:
            log.error("killed", extra={"facts": {"reason": "the worker had not drained when the time was over"}})
            child.kill()
        elif child.ready and self._ending is None and now - child.heard > SILENCE_SECONDS:
            log.critical("wedged", extra={"facts": {"reason": f"no sign of life for {SILENCE_SECONDS:g} s"}})
            # Not replaced: what stopped it is not known to be over.
            self._ending = now
            child.kill()

    def _fork(self, job: Callable[[Child], int]) -> Child:
        """A process of its own for a job, which ends with the job's exit status."""
        says, to_say = os.pipe()
        to_hear, lifeline = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            os.close(to_say)
            os.close(to_hear)
            return Child(pid, says, lifeline)
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for end_of_parent in (says, lifeline, self._signals, self._signalled):
                os.close(end_of_parent)
            status = job(Child(os.getpid(), to_say, to_hear))
        except StartError as error:
            sys.stderr.write(f"serving: {error}\n")
        except KeyboardInterrupt:
            status = 0
        except BaseException:
            log.exception("defect")
        finally:
            with contextlib.suppress(Exception):
                logging.shutdown()
                sys.stdout.flush()
                sys.stderr.flush()
            # The parent's clean-up is the parent's.
            os._exit(status)

    def _catch_signals(self) -> None:
        """Signals arrive as bytes in a pipe, so that one place waits for everything."""
        for end_of_pipe in (self._signals, self._signalled):
            fcntl.fcntl(end_of_pipe, fcntl.F_SETFL, fcntl.fcntl(end_of_pipe, fcntl.F_GETFL) | os.O_NONBLOCK)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._signalled)


def prepare(child: Child, model: Path, own: Path, precision: str) -> int:
    """In the preparing process: unpack, check, optimise."""
    from serving.preparing import prepare_model  # noqa: PLC0415 (large, and this process alone needs it)

    prepare_model(model, own, precision, written=lambda: child.say(WRITTEN))
    return 0


def work(child: Child, listening: socket.socket, own: Path, settings: Settings, replaced: int) -> int:
    """In the worker process: wait for the network, warm up, serve."""
    from serving.preparing import Prepared  # noqa: PLC0415 (as above)
    from serving.preprocess import warm_up_codecs  # noqa: PLC0415 (as above)
    from serving.server import end_with, serve  # noqa: PLC0415 (as above)

    warm_up_codecs()
    if not child.is_told(LOAD):
        return 1
    said_ready = False

    def may_serve() -> bool:
        told = child.is_told(SERVE)
        end_with(child.lifeline)
        return told

    def beat() -> None:
        nonlocal said_ready
        child.say(b"." if said_ready else READY)
        said_ready = True

    return serve(Prepared.read(own), settings, listening, replaced=replaced, may_serve=may_serve, beat=beat)


def end(child: Child) -> None:
    """A worker that has not begun."""
    child.kill()
    os.waitpid(child.pid, 0)


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything slow happens; nobody can connect until the worker listens."""
    # naming the protocol lets asyncio switch Nagle's algorithm off, which costs a kept-alive client 40 ms an answer
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StartError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); choose another"
        ) from error
    return listening


def raise_file_limit() -> None:
    """A connection takes a file; the usual limit of 1,024 is meant for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
