"""Processes of the embedded AWS end with it, however it ends."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from local import cli, control, process_group, server
from local.home import Home, LocalError
from local.images import Image
from local.sagemaker.instance import Instance, LaunchFailed
from local.sagemaker.launches import Launches
from tests.embedded import APP, ROOT, Embedded

pytestmark = pytest.mark.xdist_group(__name__)
LEADER = "import subprocess, time; subprocess.Popen(['sleep', '60']); print(flush=True); time.sleep(60)"


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "aws"
    control.stop(tmp_path / "aws")


def start(folder, **more):
    return control.start(state=folder, **{"port": 0, "images": APP / "images.toml", **more})


def pids(group):
    return {one.pid for one in process_group.members(group)}


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextlib.contextmanager
def group_of_two(*arguments):
    """A leader, whose command line ends in `arguments`, and its child."""
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER, *arguments], start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert leader.stdout.read(1) == b"\n"
        yield leader
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
        leader.stdout.close()


def last_server(folder, pid):
    home = Home(folder)
    home.create()
    home.last.write_text(json.dumps({"pid": pid}))
    return home


def launching(running):
    """An endpoint whose instance runs and never gets healthy."""
    name = running.endpoint(running.config(running.model(unhealthy=True)))
    until(lambda: len(pids(running.running.facts.pid)) == 2)
    return name


def test_server_that_stops_ends_an_instance_still_launching(folder):
    running = Embedded(start(folder))
    launching(running)
    pid = running.running.facts.pid
    # Not by `stop`, which looks after the group itself.
    os.kill(pid, signal.SIGTERM)
    assert control._children[pid].wait(20) == 0
    assert pids(pid) == set()


def test_stop_during_a_launch_does_not_fail_the_endpoint(folder):
    before = Embedded(start(folder))
    name = launching(before)
    control.stop(folder)
    after = Embedded(start(folder))
    found = after.client("sagemaker").describe_endpoint(EndpointName=name)
    assert found["EndpointStatus"] == "Creating"
    assert "FailureReason" not in found


@pytest.mark.slow
def test_stop_right_after_start_leaves_no_process(folder):
    Embedded(start(folder)).serving()
    control.stop(folder)
    for delay in (0.0, 0.3):
        pid = start(folder).facts.pid
        time.sleep(delay)
        control.stop(folder)
        assert pids(pid) == set()


def test_nothing_launches_once_launches_are_closed(tmp_path):
    launches = Launches()
    assert launches.close() == []
    instance = Instance("i-1", "variant", Image("sample", ("true",), tmp_path), tmp_path, {}, sys.executable)
    with pytest.raises(LaunchFailed, match="is stopping"):
        launches.start(instance)
    assert instance.process is None


@pytest.mark.slow
def test_killed_server_that_is_a_zombie_leaves_nothing_after_stop(folder):
    running = Embedded(start(folder))
    running.serving()
    pid = running.running.facts.pid
    # Nobody asks how it ended, so it stays as a zombie, once the last of its threads, which hold its lock, has gone.
    zombie = control._children.pop(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert len(pids(pid)) == 1
    os.kill(pid, 0)
    assert control.stop(folder) is False
    assert pids(pid) == set()
    assert not Home(folder).last.exists()
    zombie.wait()


def test_members_are_found_where_there_is_no_ps(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (own,) = [one for one in process_group.members(os.getpgrp()) if one.pid == os.getpid()]
    assert "python" in own.command
    assert own.memory_kib > 1024


@pytest.mark.skipif(not shutil.which("ps"), reason="this machine has no ps to compare with")
def test_proc_and_ps_tell_of_the_same_processes():
    mine = os.getpgrp()
    by_proc, by_ps = process_group._by_proc(mine), process_group._by_ps(mine)
    (one,) = [each for each in by_proc if each.pid == os.getpid()]
    (other,) = [each for each in by_ps if each.pid == os.getpid()]
    assert abs(one.memory_kib - other.memory_kib) < 8192


def test_group_whose_leader_is_a_zombie_is_ended(folder):
    with group_of_two("local.server") as leader:
        home = last_server(folder, leader.pid)
        leader.kill()
        until(lambda: leader.pid not in pids(leader.pid))
        assert len(pids(leader.pid)) == 1
        control.stop(folder)
        assert pids(leader.pid) == set()
        assert not home.last.exists()


def test_group_of_another_program_under_the_same_number_is_left_alone(folder):
    with group_of_two("something-else") as leader:
        last_server(folder, leader.pid)
        control.stop(folder)
        assert len(pids(leader.pid)) == 2


def test_what_survives_a_kill_is_named_and_remembered(folder, monkeypatch):
    home = last_server(folder, 4242)
    with monkeypatch.context() as patched:
        patched.setattr(process_group, "end", lambda group: [process_group.Member(4243, "python", 0)])
        with pytest.raises(LocalError, match="do not end: 4243"):
            control.stop(folder)
    assert home.last.exists()
    home.last.unlink()


def stray(folder, endpoint):
    place = Home(folder).instances / endpoint / "variant-0-stray"
    place.mkdir(parents=True)
    facts = {"variant": "variant-0", "name": "i-stray", "pid": os.getpid(), "port": 1, "log": "log.txt"}
    (place / "instance.json").write_text(json.dumps(facts))
    return place


def test_status_lists_no_instance_of_another_server(folder, capsys):
    running = Embedded(start(folder))
    endpoint = running.serving()
    stray(folder, endpoint)
    assert cli.main(["status", "--json", "--state", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)["endpoints"][0]["instances"]
    assert [one["pid"] for one in found] == [running.ask(endpoint)["pid"]]


def test_start_removes_what_a_kill_left_of_instances_and_keeps_what_a_failed_one_said(folder):
    left, failed = stray(folder, "gone"), stray(folder, "failed").parent / "variant-0-failed.log"
    failed.write_text("why")
    start(folder)
    assert not left.parent.exists()
    assert list(failed.parent.iterdir()) == [failed]


def test_both_ports_answer_once_start_returns(folder):
    facts = start(folder).facts
    connection = http.client.HTTPConnection("127.0.0.1", facts.http_port, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().status == 403
    connection.close()
    Embedded(control.running(Home(folder))).client("sts").get_caller_identity()


def test_ports_listen_from_the_first_moment():
    for listener in server._listeners(0):
        with listener, socket.create_connection(listener.getsockname(), timeout=5):
            pass


def test_port_in_use_names_the_ways_out():
    ways_out = r"choose another with --port N, or start it first .* uses the running one"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LocalError, match=ways_out):
        server._listeners(taken.getsockname()[1])


def test_start_prints_where_plain_http_is(folder):
    command = [sys.executable, "-m", "local", "start", "--port", "0", "--state", str(folder)]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    facts = control.running(Home(folder)).facts
    assert f"started at {facts.url}, its HTTP APIs also at {facts.http_url}" in shown


def test_foreground_prints_where_it_is_and_ends_by_ctrl_c(folder):
    # A suite that runs in a shell's background inherits an ignored Ctrl-C, which a terminal's user does not.
    heed = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    local = [sys.executable, "-m", "local", "start", "--port", "0", "--foreground", "--state", str(folder)]
    command = [sys.executable, "-c", heed, *local]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        assert "started at https://localhost:" in process.stdout.readline()
        pid = control.running(Home(folder)).facts.pid
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert pids(pid) == set()


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("status", "server.lock"),
        ("env", "server.lock"),
        ("start", "start.lock"),
        ("stop", "start.lock"),
        ("reset", "start.lock"),
        ("logs", "server.log"),
    ],
)
def test_folder_of_another_user_is_a_sentence(tmp_path, monkeypatch, capsys, command, closed):
    home = Home(tmp_path / "aws")
    home.create()
    home.log.touch()
    original = type(home.log).open

    def refused(path, *arguments, **more):
        if path.name == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(type(home.log), "open", refused)
        assert cli.main([command, "--state", str(home.folder)]) == 2
    said = capsys.readouterr().err
    assert f"{home.folder / closed} is closed to this user (Permission denied)" in said
    assert f"{home.folder} belongs to {home.folder.owner()}" in said
    assert said.count("\n") == 1


def test_reset_says_what_there_was(folder, capsys):
    def said():
        assert cli.main(["reset", "--state", str(folder)]) == 0
        return capsys.readouterr().out

    assert "did not run, and nothing of it is in" in said()
    start(folder)
    control.stop(folder)
    assert "did not run; what it kept is forgotten" in said()
    assert "did not run, and nothing of it is in" in said()
    start(folder)
    assert "stopped and forgot everything" in said()


def test_instances_home_and_cache_are_in_its_own_folder(folder):
    running = Embedded(start(folder))
    seen = running.ask(running.serving(), {"environment": True})["environment"]
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
        assert seen[name].startswith(str(Home(folder).instances)), name
