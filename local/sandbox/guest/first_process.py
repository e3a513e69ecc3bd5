"""The first process of an instance: python -m local.sandbox.guest.first_process [--clock N]. It ends with the instance.

It runs the user data at the first boot, starts the enabled units, lets timers elapse, and keeps /proc: the load and the
processes of this instance alone. What it says is the instance's console.
"""

import argparse
import math
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from local import process_group
from local.sandbox.guest.commands import POWER_OFF, REBOOT
from local.sandbox.guest.place import ROOT, Place, own_environment
from local.sandbox.guest.units import Unit, UnitError, Units

LOOK_AT_LOAD_SECONDS = 5.0
# The kernel's load is what ran, forgotten with this time constant.
LOAD_MINUTE_SECONDS = 60.0
LOG_LIMIT_BYTES = 8 * 1024 * 1024


class FirstProcess:
    """`clock` is how many seconds of a timer pass in one of this machine's."""

    def __init__(self, place: Place, clock: float) -> None:
        self._place, self._clock = place, clock
        self._units = Units(place)
        self._booted = time.time()
        self._due: dict[str, float] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._user_data: subprocess.Popen[bytes] | None = None
        self._load, self._next_look = 0.0, 0.0
        self._stopping = False
        self._wakeup, self._waker = os.pipe()

    def run(self) -> int:
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, self._told)
        self._place.first_process.write_text(str(os.getpid()))
        self._look()
        self._say(f"{self._place.instance} boots")
        self._start_enabled()
        self._begin_user_data()
        while not self._stopping and self._asked_to() is None:
            self._reap()
            waits = [self._next_look, *self._elapse().values()]
            select.select([self._wakeup], [], [], max(0.0, min(waits) - time.time()))
            with suppress(BlockingIOError):
                os.set_blocking(self._wakeup, False)
                os.read(self._wakeup, 4096)
            if time.time() >= self._next_look:
                self._look()
        self._say(f"{self._place.instance} goes down: {self._asked_to() or 'stopped from outside'}")
        return 0

    def _told(self, number: int, frame: object) -> None:
        self._stopping = self._stopping or number in (signal.SIGTERM, signal.SIGINT)

    def _asked_to(self) -> str | None:
        with suppress(OSError):
            asked = self._place.power.read_text()
            return asked if asked in (POWER_OFF, REBOOT) else None
        return None

    # --- user data ---------------------------------------------------------------------------------------------------

    def _begin_user_data(self) -> None:
        """Once in an instance's life; a boot that ended before it did begins it again."""
        if self._place.script_has_run.exists() or not self._place.script.exists():
            return
        with self._place.script_log.open("ab") as log:
            try:
                self._user_data = subprocess.Popen(
                    [str(self._place.script)],
                    cwd=self._place.root,
                    env=own_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            except OSError as error:
                log.write(f"cloud-init: the user data cannot be run: {error}\n".encode())

    def _reap(self) -> None:
        self._children = {name: child for name, child in self._children.items() if child.poll() is None}
        if self._user_data is None or self._user_data.poll() is None:
            return
        status, self._user_data = self._user_data.returncode, None
        words = "the user data has run" if status == 0 else f"the user data failed with exit status {status}"
        with self._place.script_log.open("a") as log:
            log.write(f"cloud-init: {words} after {time.time() - self._booted:.2f} seconds\n")
        self._place.script_has_run.parent.mkdir(parents=True, exist_ok=True)
        self._place.script_has_run.write_text(str(status))
        self._say(words)

    # --- units -------------------------------------------------------------------------------------------------------

    def _start_enabled(self) -> None:
        try:
            for unit in self._units.enabled():
                if unit.is_timer:
                    self._units.start(unit)
                else:
                    self._spawn(unit)
        except UnitError as error:
            self._say(str(error))

    def _elapse(self) -> dict[str, float]:
        """Start what is due; when each timer is due next."""
        due = {}
        for timer in self._timers():
            at = self._due.get(timer.name) or self._first(timer)
            if at is not None and time.time() >= at:
                self._begin(timer)
                repeat = timer.span("OnUnitActiveSec")
                at = time.time() + repeat / self._clock if repeat is not None else math.inf
            due[timer.name] = at if at is not None else math.inf
        self._due = due
        return due

    def _timers(self) -> list[Unit]:
        try:
            return [unit for unit in self._units.active() if unit.is_timer]
        except UnitError as error:
            self._say(str(error))
            return []

    def _first(self, timer: Unit) -> float | None:
        """Counted from the boot or from the timer's own start, whichever comes first; one that is past is due now."""
        started = float((self._place.active / timer.name).read_text())
        from_boot = [timer.span("OnBootSec"), timer.span("OnStartupSec")]
        times = [self._booted + span / self._clock for span in from_boot if span is not None]
        active = timer.span("OnActiveSec")
        times += [started + active / self._clock] if active is not None else []
        return min(times) if times else None

    def _begin(self, timer: Unit) -> None:
        if timer.service in self._children:
            return
        try:
            self._spawn(self._units.read(timer.service))
        except UnitError as error:
            self._say(str(error))

    def _spawn(self, unit: Unit) -> None:
        log = self._place.root / "var" / "log" / f"{unit.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.unlink()
        self._children[unit.name] = self._units.spawn(unit)

    # --- /proc -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """The instance's own processes, and the load that they make."""
        now = time.time()
        self._next_look = now + LOOK_AT_LOAD_SECONDS
        proc, mine = self._place.load.parent, process_group.holding(f"{ROOT}={self._place.root}")
        running = sum(_runs(pid) for pid in mine if pid != os.getpid())
        kept = math.exp(-LOOK_AT_LOAD_SECONDS / LOAD_MINUTE_SECONDS)
        self._load = self._load * kept + running * (1 - kept)
        # It counts like the timers do; who asks how long it has been up wants to know what they have waited for.
        self._place.uptime.write_text(f"{(now - self._booted) * self._clock:.2f} 0.00\n")
        staging = proc / ".loadavg"
        staging.write_text(f"{self._load:.2f} {self._load:.2f} {self._load:.2f} {running}/{len(mine)} 0\n")
        staging.replace(self._place.load)
        shown = {path.name: path for path in proc.glob("[0-9]*")}
        for name, path in shown.items():
            if int(name) not in mine:
                path.unlink(missing_ok=True)
        for pid in mine:
            if str(pid) not in shown:
                (proc / str(pid)).symlink_to(f"/proc/{pid}")

    @staticmethod
    def _say(sentence: str) -> None:
        sys.stdout.write(f"{sentence}\n")
        sys.stdout.flush()


def _runs(pid: int) -> int:
    """How many of its threads run, or wait for a disk."""
    count = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            count += stat.read_text(errors="replace").rpartition(")")[2].split()[0] in ("R", "D")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="first_process")
    parser.add_argument("--clock", type=float, default=1.0)
    return FirstProcess(Place(), parser.parse_args().clock).run()


if __name__ == "__main__":
    sys.exit(main())
