"""Containers that ask for isolation reach nothing, and are reached all the same."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import control, isolation, process_group
from local.home import Home
from local.isolation import CannotIsolate, Network
from tests.embedded import APP, ROOT, Embedded
from tests.local.jobs import ended, processing, training, unpacked

isolating = pytest.mark.skipif(
    isolation.why_not() is not None, reason=f"this machine makes no network for a container: {isolation.why_not()}"
)
ECHO = """
import socket, threading
listening = socket.create_server(("127.0.0.1", 8080))
def serve(one):
    while said := one.recv(100):
        one.sendall(said)
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""
# What a container may try: a file of its model says what came of it.
TRIES = """
import os, socket, sys, time
def tried(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return str(error)
    return "reached"
found = [tried(*one.rsplit(":", 1)) for one in sys.argv[2:]]
open(sys.argv[1], "w").write("\\n".join(found))
"""
# Of two instances the first listens, and the second comes to see it.
MEET = """
import json, os, socket, time
base = os.environ["SAGEMAKER_BASE_DIR"]
told = json.load(open(f"{base}/input/config/resourceconfig.json"))
first, second = told["hosts"]
if told["current_host"] == first:
    listening = socket.create_server((first, 7777))
    listening.settimeout(20)
    one, (caller, _) = listening.accept()
    open(f"{base}/model/caller", "w").write(caller)
else:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection((first, 7777), timeout=5, source_address=(second, 0)).close()
            break
        except OSError:
            time.sleep(0.05)
"""
# Runs a program without root's right to make networks, and one where nobody has it: of user namespaces Linux counts each.
WITHOUT_RIGHTS = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 21, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
WITHOUT_NETWORKS = """
import ctypes, os, sys
user = os.getuid()
assert ctypes.CDLL(None).unshare(0x10000000) == 0
open("/proc/self/uid_map", "w").write(f"0 {user} 1")
open("/proc/sys/user/max_net_namespaces", "w").write("0")
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


@pytest.fixture
def here():
    """An address of this machine where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def addresses(embedded):
    """Of the embedded AWS, by its name and by its number."""
    return [f"{host}:{embedded.running.facts.port}" for host in ("localhost", "127.0.0.1")]


def answering(network, port, seconds=10):
    until = time.monotonic() + seconds
    while True:
        try:
            return network.connect(port, 2)
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.fixture
def echo(network):
    """The network, and in it a program that says back what it hears at port 8080."""
    program = network.popen([sys.executable, "-c", ECHO])
    answering(network, 8080).close()
    yield program
    program.kill()
    program.wait()


@isolating
def test_program_of_another_network_reaches_no_address_of_this_machine(network, here, tmp_path):
    said = tmp_path / "said"
    assert network.popen([sys.executable, "-c", TRIES, str(said), here]).wait() == 0
    assert "refused" in said.read_text()
    assert subprocess.run([sys.executable, "-c", TRIES, str(said), here], check=True).returncode == 0
    assert said.read_text() == "reached"


@isolating
def test_what_listens_there_answers_many_at_once_and_nobody_without_the_network(network, echo):
    found = [network.connect(8080, 2) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found += pool.map(lambda _: network.connect(8080, 2), range(40))
    for number, one in enumerate(found):
        one.sendall(str(number).encode())
    # A body that follows its head would otherwise wait 40 ms for the head's receipt.
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in found)
    assert [one.recv(100) for one in found] == [str(number).encode() for number in range(80)]
    for one in found:
        one.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8080), timeout=2)


@isolating
def test_program_that_finds_the_listener_is_taken_for_nobody(network, echo):
    host, port = network._listener.getsockname()
    stranger = (
        f"import socket, time; one = socket.create_connection(('{host}', {port})); print(flush=True); one.recv(1)"
    )
    calling = network.popen([sys.executable, "-c", stranger], stdout=subprocess.PIPE)
    assert calling.stdout.readline() == b"\n"
    with network.connect(8080, 2) as one:
        one.sendall(b"who are you?")
        assert one.recv(100) == b"who are you?"
    assert calling.wait(5) == 0
    calling.stdout.close()


@isolating
def test_program_is_its_own_process_with_its_own_exit_status(network):
    asked = network.popen([sys.executable, "-c", "import os; print(os.getpid()); exit(3)"], stdout=subprocess.PIPE)
    assert asked.communicate()[0].decode().strip() == str(asked.pid)
    assert asked.returncode == 3
    sleeper = network.popen(["sleep", "60"])
    assert sleeper.pid in {one.pid for one in process_group.members(os.getpgrp())}
    sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(5) == -signal.SIGTERM


@isolating
def test_program_that_is_not_there_is_named(network):
    asked = network.popen(["no-such-program"], stderr=subprocess.PIPE)
    assert asked.communicate()[1] == b"no-such-program: No such file or directory\n"
    assert asked.returncode == 127


@isolating
@pytest.mark.skipif(os.getuid() != 0, reason="only root could go back")
def test_root_cannot_go_back(network):
    here = f"os.open('/proc/{os.getpid()}/ns/net', os.O_RDONLY)"
    back = f"import ctypes, os; exit(3 if ctypes.CDLL(None).setns({here}, 0) == 0 else 4)"
    asked = network.popen([sys.executable, "-c", back], stderr=subprocess.PIPE)
    assert b"PermissionError" in asked.communicate()[1]
    assert asked.returncode == 1


@isolating
def test_closed_network_leaves_no_descriptor():
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    Network().close()
    assert descriptors() == before


@isolating
def test_user_without_roots_rights_gets_a_network_too(here):
    tried = (
        "import subprocess, sys; from local.isolation import Network; n = Network(); "
        "p = n.popen([sys.executable, '-c', sys.argv[1], '/dev/stdout', sys.argv[2]], stdout=subprocess.PIPE); "
        "print(p.communicate()[0].decode()); n._socket().close()"
    )
    words = [sys.executable, "-c", WITHOUT_RIGHTS, sys.executable, "-c", tried, TRIES, here]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "refused" in done.stdout, done.stderr


@isolating
def test_isolated_endpoint_answers_and_reaches_neither_this_machine_nor_the_embedded_aws(embedded, here):
    name = embedded.serving(isolated=True)
    seen = embedded.ask(name, {"reach": [here, *addresses(embedded)], "environment": True})
    assert all("refused" in why for why in seen["reached"].values()), seen["reached"]
    assert "AWS_ACCESS_KEY_ID" not in seen["environment"] and "AWS_ENDPOINT_URL" not in seen["environment"]
    assert seen["environment"]["SAGEMAKER_BIND_TO_PORT"] == "8080"


def test_endpoint_without_isolation_reaches_both(embedded, here):
    seen = embedded.ask(embedded.serving(), {"reach": [here, *addresses(embedded)]})
    assert set(seen["reached"].values()) == {""}


@isolating
def test_killed_container_of_an_isolated_endpoint_is_replaced(embedded):
    name = embedded.serving(isolated=True)
    first = embedded.ask(name)["pid"]
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 20
    while True:
        try:
            second = embedded.ask(name)["pid"]
            break
        except embedded.client("sagemaker-runtime").exceptions.ClientError:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert second != first


@pytest.mark.parametrize("isolated", [pytest.param(True, marks=isolating), False], ids=["isolated", "not isolated"])
def test_training_job_reaches_others_only_without_isolation(embedded, here, isolated):
    words = ["/opt/ml/model/said", here, *addresses(embedded)]
    job = training(embedded, TRIES, EnableNetworkIsolation=isolated, algorithm={"ContainerArguments": words})
    found = ended(embedded, job)
    said = unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"])["said"].splitlines()
    assert len(said) == 3
    assert [one == "reached" for one in said] == [not isolated] * 3, said


@isolating
def test_isolated_processing_job_reaches_nothing(embedded, here):
    bucket = embedded.bucket()
    name = processing(
        embedded,
        TRIES,
        outputs={f"s3://{bucket}/out": "/opt/ml/processing/out"},
        application={"ContainerArguments": ["/opt/ml/processing/out/said", here]},
        NetworkConfig={"EnableNetworkIsolation": True},
    )
    ended(embedded, name, "processing")
    body = embedded.client("s3").get_object(Bucket=bucket, Key="out/said")["Body"].read()
    assert b"refused" in body


@isolating
def test_instances_of_an_isolated_job_meet(embedded):
    job = training(embedded, MEET, EnableNetworkIsolation=True, resources={"InstanceCount": 2})
    found = ended(embedded, job)
    caller = unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"])["caller"]
    assert caller.startswith("127.") and caller.endswith(".2")


def test_container_without_isolation_has_this_machines_network():
    assert isolation.network(False) is None


def test_machine_that_could_and_fails_does_not_pass_over_it(monkeypatch):
    monkeypatch.setattr(isolation, "why_not", lambda: None)
    monkeypatch.setattr(isolation, "PROGRAM", ROOT / "no-such-program.py")
    with pytest.raises(CannotIsolate):
        isolation.network(True)


@isolating
def test_machine_that_makes_no_network_says_so_and_serves_all_the_same(tmp_path):
    folder = tmp_path / "aws"

    def local(*words):
        command = [
            sys.executable,
            "-c",
            WITHOUT_NETWORKS,
            sys.executable,
            "-m",
            "local",
            *words,
            "--state",
            str(folder),
        ]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    said = "EnableNetworkIsolation is not enforced on this machine, which makes no network for a container ("
    try:
        assert said in local("start", "--port", "0", "--images", str(APP / "images.toml"))
        running = Embedded(control.running(Home(folder)))
        name = running.serving(isolated=True)
        seen = running.ask(name, {"reach": addresses(running), "environment": True})
        assert "" in seen["reached"].values()
        assert "AWS_ACCESS_KEY_ID" not in seen["environment"]
        assert said in local("status")
    finally:
        control.stop(folder)


def test_another_system_says_that_it_has_none(monkeypatch):
    monkeypatch.setattr(isolation.sys, "platform", "darwin")
    with pytest.raises(CannotIsolate, match="darwin has no network namespaces"):
        Network()
