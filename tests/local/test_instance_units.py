"""Systemd's part on an instance: units that are understood, and those that are refused by name."""

import subprocess
import sys

import pytest

from local.sandbox.guest import commands
from local.sandbox.guest.place import INSTANCE, NO_ROOT, ROOT, Place
from local.sandbox.guest.units import UnitError, Units, seconds


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT, str(tmp_path))
    monkeypatch.setenv(INSTANCE, "i-1")
    found = Place()
    found.units.mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "var" / "log").mkdir(parents=True)
    return found


def service(place, *, type="oneshot", command="/bin/true", more=""):
    text = f"[Service]\nType={type}\nExecStart={command}\n{more}\n[Install]\nWantedBy=multi-user.target\n"
    (place.units / "app.service").write_text(text)


@pytest.mark.parametrize(
    ("span", "length"), [("5min", 300), ("1h 30m", 5400), ("90", 90), ("500ms", 0.5), ("2d", 172800)]
)
def test_lengths_of_time(span, length):
    assert seconds(span) == length


@pytest.mark.parametrize("span", ["", "soon", "5 fortnights", "5min or so"])
def test_what_is_no_length_of_time(span):
    with pytest.raises(UnitError, match="no length of time"):
        seconds(span)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[Service]\nExecStart=/bin/true\nRestart=always\n", "app.service: Restart is not available"),
        ("[Service]\nType=forking\nExecStart=/bin/true\n", "one of the types"),
        ("[Service]\nType=simple\n", "has an ExecStart"),
        ("[Socket]\nListenStream=80\n", "app.service: ListenStream is not available"),
        ("ExecStart=/bin/true\n", "cannot be read"),
    ],
)
def test_a_unit_that_would_not_do_as_it_says_is_refused(place, text, said):
    (place.units / "app.service").write_text(text)
    with pytest.raises(UnitError, match=said):
        Units(place).read("app.service")


def test_calendars_are_refused(place):
    (place.units / "app.timer").write_text("[Timer]\nOnCalendar=daily\n")
    with pytest.raises(UnitError, match="OnCalendar is not available"):
        Units(place).read("app.timer")


def test_systemctl_starts_enables_and_tells(place, capfd):
    service(place, type="simple", command="/bin/sleep 60")
    # In a process of its own, which the service outlives.
    systemctl = [sys.executable, "-m", "local.sandbox.guest.commands", "systemctl"]
    subprocess.run([*systemctl, "enable", "--now", "app"], check=True)
    assert [unit.name for unit in Units(place).enabled()] == ["app.service"]
    assert commands.main(["systemctl", "is-active", "app"]) == 0
    assert commands.main(["systemctl", "disable", "--now", "app.service"]) == 0
    assert Units(place).enabled() == []
    assert commands.main(["systemctl", "is-active", "app"]) == commands.INACTIVE
    assert capfd.readouterr().out == "active\ninactive\n"


def test_a_oneshot_service_has_ended_with_its_status(place):
    service(place, command="/bin/sh -c 'exit 3'")
    assert commands.main(["systemctl", "start", "app"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["systemctl", "start", "none"], "Unit none.service not found"),
        (["systemctl", "mask", "app"], "mask is not available in the embedded AWS"),
        (["apt-get", "install", "x"], "nothing can be installed in the embedded AWS"),
        (["shutdown", "+5"], "only `now` is available"),
        (["sudo"], "usage: sudo"),
        (["aws"], "usage: aws"),
        (["aws", "s3", "mv", "a", "b"], "s3 mv is not available"),
        (["aws", "nothing", "x"], "there is no service nothing"),
    ],
)
def test_what_is_not_there_is_a_sentence(place, capsys, words, said):
    assert commands.main(words) != 0
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["shutdown", "-h", "now"], "poweroff"),
        (["shutdown", "-r", "now"], "reboot"),
        (["reboot"], "reboot"),
        (["systemctl", "poweroff"], "poweroff"),
    ],
)
def test_the_first_process_is_asked_to_end(place, words, asked):
    assert commands.main(words) == 0
    assert place.power.read_text() == asked


@pytest.mark.parametrize("words", [["shutdown", "now"], ["systemctl", "stop", "app"], ["systemctl", "poweroff"]])
def test_who_may_not_be_root_changes_nothing_of_the_instance(place, monkeypatch, capsys, words):
    monkeypatch.setenv(NO_ROOT, "1")
    assert commands.main(words) == 1
    assert "ec2-user has no root access" in capsys.readouterr().err
    assert not place.power.exists()
    assert commands.main(["systemctl", "is-active", "app"]) == commands.INACTIVE


def test_who_may_not_be_root_has_no_sudo(place, monkeypatch):
    """In a process of its own, which `sudo` would become the command."""
    monkeypatch.setenv(NO_ROOT, "1")
    sudo = [sys.executable, "-m", "local.sandbox.guest.commands", "sudo", "echo", "root"]
    done = subprocess.run(sudo, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_sudo_logs_in_as_a_user_and_reads_what_to_do(place):
    home = place.root / "home" / "ec2-user"
    home.mkdir(parents=True)
    sudo = [sys.executable, "-m", "local.sandbox.guest.commands", "sudo", "-u", "ec2-user", "-i"]
    done = subprocess.run(sudo, input="echo $HOME; pwd", capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(home), str(home)]
    unknown = subprocess.run([*sudo[:-2], "nobody-here", "-i"], capture_output=True, text=True, check=False)
    assert (unknown.returncode, unknown.stderr) == (1, "sudo: unknown user nobody-here\n")
