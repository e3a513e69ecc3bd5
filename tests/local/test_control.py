"""Starting, stopping and what can go wrong with either."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import control, interrupted, process_group
from local.home import Home, LocalError
from tests.embedded import APP, ROOT, Embedded
from tests.local.listening import addresses

pytestmark = pytest.mark.xdist_group(__name__)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "aws"
    control.stop(tmp_path / "aws")


def start(folder, **more):
    return control.start(state=folder, **{"port": 0, "images": APP / "images.toml", **more})


def group(pid):
    return [str(one.pid) for one in process_group.members(pid)]


def test_first_answer_comes_within_four_seconds(folder):
    before = time.monotonic()
    Embedded(start(folder)).client("sts").get_caller_identity()
    assert time.monotonic() - before < 4


def test_starting_again_changes_nothing(folder):
    first, second = start(folder), start(folder)
    assert (second.facts, second.started_now) == (first.facts, False)


def test_two_starts_at_once_make_one(folder):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: cli("start", "--port", "0", "--json", state=folder), range(2)))
    facts = [json.loads(one.stdout) for one in found]
    assert len({one["pid"] for one in facts}) == 1
    assert sorted(one["started_now"] for one in facts) == [False, True]


def cli(*arguments, state):
    command = [sys.executable, "-m", "local", *arguments, "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)


def test_stop_leaves_no_process(folder):
    running = Embedded(start(folder))
    endpoint = running.serving()
    running.ask(endpoint)
    assert len(group(running.running.facts.pid)) == 2
    control.stop(folder)
    assert group(running.running.facts.pid) == []


def test_stopping_what_does_not_run_says_so(folder):
    assert control.stop(folder) is False


def test_state_survives_stop_and_start(folder):
    before = Embedded(start(folder))
    endpoint = before.serving(name="kept")
    url = before.put(before.bucket(), "key", b"kept")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/variant-0",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    before.client("application-autoscaling").register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    control.stop(folder)
    after = Embedded(start(folder))
    bucket = url.split("/")[2]
    assert after.client("s3").get_object(Bucket=bucket, Key="key")["Body"].read() == b"kept"
    assert after.ask(endpoint)["model"] == "kept"
    found = after.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert found["ScalableTargets"][0]["MaxCapacity"] == 2


def test_kill_is_survived_and_leaves_nothing_running(folder):
    before = Embedded(start(folder))
    before.ask(before.serving())
    pid = before.running.facts.pid
    os.kill(pid, signal.SIGKILL)
    control._reap(pid)
    assert group(pid)
    after = start(folder)
    assert after.started_now
    assert group(pid) == []


def test_reset_forgets_everything(folder):
    Embedded(start(folder)).bucket()
    control.reset(folder)
    assert Embedded(start(folder)).client("s3").list_buckets()["Buckets"] == []


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_nothing_listens_beyond_loopback(folder):
    running = Embedded(start(folder))
    running.serving()
    assert {address for address, _ in addresses(running.running.facts.pid)} == {"127.0.0.1"}


def test_port_in_use_is_a_sentence(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} on 127.0.0.1 is in use"):
            start(folder, port=port)
    assert start(folder).started_now


def test_impossible_port_is_a_sentence(folder):
    with pytest.raises(LocalError, match="Port 70000 is not a port"):
        start(folder, port=70000)


def test_damaged_state_is_a_sentence_that_names_the_file(folder):
    home = Home(folder)
    home.create()
    (home.state / "s3.json").write_text('{"half')
    with pytest.raises(LocalError, match=r"s3.json is damaged .*python -m local reset"):
        start(folder)


def test_full_disk_is_a_sentence(folder, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1024**2))
    with pytest.raises(LocalError, match="has 1 MiB free and 200 MiB are needed"):
        start(folder)


def test_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="cannot be made"):
        start(tmp_path / "file" / "aws")


def test_mistake_on_the_command_line_is_a_sentence_and_no_trace(folder):
    done = cli("env", state=folder)
    assert done.returncode == 2
    assert done.stderr == "error: The embedded AWS does not run: `python -m local start` first.\n"


def test_environment_names_everything_a_client_needs(folder):
    start(folder)
    shown = cli("env", state=folder).stdout
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_REGION"):
        assert f"export {name}=" in shown
    assert "unset AWS_PROFILE" in shown


def test_status_lists_what_exists_and_what_has_no_effect(folder):
    running = Embedded(start(folder))
    endpoint = running.serving()
    found = json.loads(cli("status", "--json", state=folder).stdout)
    assert found["endpoints"][0]["name"] == endpoint
    assert found["endpoints"][0]["instances"][0]["pid"] == running.ask(endpoint)["pid"]
    assert found["accepted_without_effect"][0]["reason"]
    assert found["memory_mb"] < 600


def test_interrupted_stack_says_that_it_failed():
    stacks = {"a": {"StackStatus": "CREATE_IN_PROGRESS"}, "b": {"StackStatus": "CREATE_COMPLETE"}}
    interrupted.end(stacks)
    assert (stacks["a"]["StackStatus"], stacks["b"]["StackStatus"]) == ("ROLLBACK_FAILED", "CREATE_COMPLETE")
