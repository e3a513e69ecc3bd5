"""Commands of an instance: python -m local.sandbox.guest.commands NAME [WORD...]; in its folder is a program of each.

They are what an AMI has and does to the whole machine, done to the instance alone.
"""

import os
import sys
from collections.abc import Callable, Sequence

from local.sandbox.guest.place import NO_ROOT, Place, own_environment
from local.sandbox.guest.units import UnitError, Units

POWER_OFF, REBOOT = "poweroff", "reboot"
INACTIVE, NOT_FOUND = 3, 4


def main(words: Sequence[str]) -> int:
    name, rest = words[0], list(words[1:])
    run = _RUN.get(name)
    if run is None:
        return _say(f"{name}: nothing can be installed in the embedded AWS; an instance has this machine's programs.")
    if os.environ.get(NO_ROOT) and not _harmless(name, rest):
        return _say(f"{name}: ec2-user has no root access on this instance.")
    return run(rest)


def _harmless(name: str, rest: list[str]) -> bool:
    """What a user may do who is not root."""
    verb = next((word for word in rest if not word.startswith("-")), "status")
    return name in ("aws", "who") or (name == "systemctl" and verb in ("is-active", "status"))


def sudo(words: list[str]) -> int:
    """Everything is the instance's root already. Options end where the command begins."""
    user, login, shell = "root", False, False
    while words and (words[0].startswith("-") or "=" in words[0]):
        option = words.pop(0)
        login, shell = login or option in ("-i", "--login"), shell or option in ("-s", "--shell")
        if option in ("-u", "-g", "-U", "-C", "-h", "-p"):
            user = words[0] if option == "-u" and words else user
            words[:1] = []
        if option == "--":
            break
    environment = own_environment()
    if login:
        place = Place()
        home = place.root / "root" if user == "root" else place.root / "home" / user
        if not home.is_dir():
            return _say(f"sudo: unknown user {user}")
        os.chdir(home)
        environment |= {"HOME": str(home), "USER": user}
    if not words and (login or shell):
        words = ["bash"]
    if not words:
        return _say("usage: sudo COMMAND [WORD...]")
    try:
        os.execvpe(words[0], words, environment)  # noqa: S606 - what sudo does
    except OSError:
        return _say(f"sudo: {words[0]}: command not found")


def shutdown(words: list[str]) -> int:
    times = [word for word in words if not word.startswith("-")]
    if times and times[0] not in ("now", "+0"):
        return _say(f"shutdown: {times[0]}: only `now` is available in the embedded AWS.")
    if "-c" in words:
        return 0
    return _power(REBOOT if {"-r", "--reboot"} & set(words) else POWER_OFF)


def systemctl(words: list[str]) -> int:
    flags = {word for word in words if word.startswith("-")}
    verb, *names = [word for word in words if not word.startswith("-")] or ["status"]
    if verb in (POWER_OFF, REBOOT, "halt"):
        return _power(REBOOT if verb == REBOOT else POWER_OFF)
    if verb == "daemon-reload":
        return 0
    units = Units(Place())
    if verb in ("is-active", "status"):
        active = [units.is_active(name if "." in name else f"{name}.service") for name in names]
        for found in active:
            sys.stdout.write("active\n" if found else "inactive\n")
        return 0 if all(active) else INACTIVE
    if verb not in _VERBS:
        return _say(f"systemctl: {verb} is not available in the embedded AWS.")
    try:
        return max((_VERBS[verb](units, name, "--now" in flags) for name in names), default=0)
    except UnitError as error:
        _say(f"Failed to {verb}: {error}")
        return NOT_FOUND


def _enable(units: Units, name: str, now: bool) -> int:
    unit = units.read(name)
    units.enable(unit)
    return units.start(unit) if now else 0


def _disable(units: Units, name: str, now: bool) -> int:
    unit = units.read(name)
    units.disable(unit)
    if now:
        units.stop(unit)
    return 0


def _start(units: Units, name: str, now: bool) -> int:
    return units.start(units.read(name))


def _stop(units: Units, name: str, now: bool) -> int:
    units.stop(units.read(name))
    return 0


def _restart(units: Units, name: str, now: bool) -> int:
    _stop(units, name, now)
    return _start(units, name, now)


def _power(what: str) -> int:
    place = Place()
    place.power.write_text(what)
    place.wake_first_process()
    return 0


def _nobody(words: list[str]) -> int:
    """Nobody is logged in to an instance here."""
    return 0


def _aws(words: list[str]) -> int:
    from local.sandbox.guest import aws_cli  # noqa: PLC0415 - botocore is slow to import

    return aws_cli.main(words)


def _say(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


_VERBS: dict[str, Callable[[Units, str, bool], int]] = {
    "disable": _disable,
    "enable": _enable,
    "restart": _restart,
    "start": _start,
    "stop": _stop,
}
_RUN: dict[str, Callable[[list[str]], int]] = {
    "aws": _aws,
    "halt": lambda words: _power(POWER_OFF),
    "poweroff": lambda words: _power(POWER_OFF),
    "reboot": lambda words: _power(REBOOT),
    "shutdown": shutdown,
    "sudo": sudo,
    "systemctl": systemctl,
    "who": _nobody,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
