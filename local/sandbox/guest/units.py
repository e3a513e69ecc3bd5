"""Systemd, as far as a start-up script needs it: services, and timers that count from boot or from their last run."""

import configparser
import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.sandbox.guest.place import Place, own_environment

KNOWN = {
    "Unit": {"Description", "Documentation", "After", "Before", "Wants", "Requires"},
    "Service": {"Type", "ExecStart", "WorkingDirectory", "Environment", "User", "Group"},
    "Timer": {"OnBootSec", "OnStartupSec", "OnActiveSec", "OnUnitActiveSec", "Unit", "AccuracySec"},
    "Install": {"WantedBy"},
}
TYPES = ("simple", "exec", "oneshot")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_SECONDS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    "ms": 0.001,
}


class UnitError(Exception):
    """A sentence, as systemctl says it."""


@dataclass(frozen=True)
class Unit:
    """One file below /etc/systemd/system."""

    name: str
    settings: dict[str, dict[str, str]]

    def get(self, section: str, key: str, otherwise: str = "") -> str:
        return self.settings.get(section, {}).get(key, otherwise)

    @property
    def is_timer(self) -> bool:
        return self.name.endswith(".timer")

    @property
    def service(self) -> str:
        """What a timer starts."""
        return self.get("Timer", "Unit") or f"{self.name.removesuffix('.timer')}.service"

    def span(self, key: str) -> float | None:
        value = self.get("Timer", key)
        return seconds(value) if value else None


class Units:
    """Those of one instance."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def read(self, name: str) -> Unit:
        name = name if "." in name else f"{name}.service"
        path = self._place.units / name
        if not path.is_file():
            raise UnitError(f"Unit {name} not found.")
        parser = configparser.RawConfigParser(strict=False, interpolation=None)
        # Keys are written as systemd does, where configparser would make them small.
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string(path.read_text())
        except configparser.Error as error:
            raise UnitError(f"{name} cannot be read: {error}") from error
        unit = Unit(name, {section: dict(parser[section]) for section in parser.sections()})
        _refuse_unknown(unit)
        return unit

    def enable(self, unit: Unit) -> None:
        for target in unit.get("Install", "WantedBy").split():
            wants = self._place.units / f"{target}.wants"
            wants.mkdir(exist_ok=True)
            (wants / unit.name).touch()

    def disable(self, unit: Unit) -> None:
        for path in self._place.units.glob(f"*.wants/{unit.name}"):
            path.unlink()

    def enabled(self) -> list[Unit]:
        return [self.read(name) for name in sorted({path.name for path in self._place.units.glob("*.wants/*")})]

    def active(self) -> list[Unit]:
        return [self.read(path.name) for path in sorted(self._place.active.glob("*")) if self.is_active(path.name)]

    def is_active(self, name: str) -> bool:
        path = self._mark(name)
        if name.endswith(".timer"):
            return path.exists()
        try:
            os.kill(int(path.read_text()), 0)
        except (OSError, ValueError):
            return False
        return True

    def start(self, unit: Unit) -> int:
        """A service of type oneshot has ended when this returns, as with systemctl; its exit status."""
        self._place.active.mkdir(parents=True, exist_ok=True)
        if unit.is_timer:
            self.read(unit.service)
            if not self.is_active(unit.name):
                self._mark(unit.name).write_text(str(time.time()))
            self._place.wake_first_process()
            return 0
        process = self.spawn(unit)
        return process.wait() if unit.get("Service", "Type", "simple") == "oneshot" else 0

    def spawn(self, unit: Unit) -> "subprocess.Popen[bytes]":
        self._place.active.mkdir(parents=True, exist_ok=True)
        words = shlex.split(unit.get("Service", "ExecStart"))
        environment = own_environment()
        for assignment in shlex.split(unit.get("Service", "Environment")):
            name, _, value = assignment.partition("=")
            environment[name] = value
        log = self._place.root / "var" / "log" / f"{unit.name}.log"
        with log.open("ab") as said:
            try:
                process = subprocess.Popen(
                    words,
                    cwd=unit.get("Service", "WorkingDirectory") or self._place.root,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                )
            except OSError as error:
                raise UnitError(f"{unit.name} cannot start: {error}") from error
        self._mark(unit.name).write_text(str(process.pid))
        return process

    def stop(self, unit: Unit) -> None:
        if not unit.is_timer:
            with suppress(OSError, ValueError):
                os.kill(int(self._mark(unit.name).read_text()), signal.SIGTERM)
        self._mark(unit.name).unlink(missing_ok=True)

    def _mark(self, name: str) -> Path:
        return self._place.active / name


def seconds(span: str) -> float:
    """A length of time as systemd writes it: 5min, 1h 30m, 90."""
    found = _SPAN.findall(span)
    if not found or _SPAN.sub("", span).strip() or any(unit not in _SECONDS for _, unit in found):
        raise UnitError(f"{span!r} is no length of time.")
    return sum(float(number) * _SECONDS[unit] for number, unit in found)


def _refuse_unknown(unit: Unit) -> None:
    """A setting that would be passed over is worse than a unit that does not start."""
    for section, settings in unit.settings.items():
        unknown = sorted(set(settings) - KNOWN.get(section, set()))
        if unknown or section not in KNOWN:
            raise UnitError(f"{unit.name}: {', '.join(unknown) or section} is not available in the embedded AWS.")
    kind = unit.get("Service", "Type", "simple")
    if unit.name.endswith(".service") and (kind not in TYPES or not unit.get("Service", "ExecStart")):
        raise UnitError(f"{unit.name}: a service has an ExecStart and one of the types {', '.join(TYPES)} here.")
    if not unit.name.endswith((".service", ".timer")):
        raise UnitError(f"{unit.name}: only services and timers are available in the embedded AWS.")
