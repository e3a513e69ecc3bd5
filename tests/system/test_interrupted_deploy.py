"""Ctrl-C, and a kill of the embedded AWS, at several moments of a first deploy: the next deploy ends what was begun."""

import os
import signal
import subprocess
import time

import pytest

from local import control
from ops import cdk
from tests.system.deployed import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("interrupted")]
# Seconds into a deploy, which takes about eleven: synthesis, assets, the first stacks, the endpoint.
MOMENTS = (2.0, 5.0, 8.0)


@pytest.fixture
def system(tmp_path):
    running = control.start(state=tmp_path / "aws", port=0)
    try:
        made = Deployed(running, tmp_path)
        made.bootstrap()
        yield made
    finally:
        control.stop(tmp_path / "aws")


def interrupted(system, moment, number):
    """A deploy that gets the signal, as from a terminal: its whole group does."""
    command = [str(cdk.CDK), "deploy", "--all", "--require-approval", "never", "-c", "stage=local"]
    process = subprocess.Popen(
        [*command, "--output", str(system.output_of(cdk.ROOT))],
        cwd=cdk.ROOT,
        env=system.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    os.killpg(process.pid, number)
    process.wait(60)


def predicts(system):
    answer = system.call("POST", "/predict", system.sample.read_bytes())
    assert answer.status == 200, answer.body


def test_a_deploy_goes_on_after_ctrl_c_at_any_moment(system):
    for moment in MOMENTS:
        interrupted(system, moment, signal.SIGINT)
    settled(system)
    system.deploy(project=cdk.ROOT)
    predicts(system)


def settled(system):
    """CloudFormation goes on with what it was given, whoever has stopped looking."""
    deadline = time.monotonic() + 60
    while moving := [name for name in system.stacks() if system.stack_status(name).endswith("_IN_PROGRESS")]:
        assert time.monotonic() < deadline, moving
        time.sleep(0.2)


def test_a_kill_of_the_embedded_aws_in_a_deploy_is_survived(system, tmp_path):
    interrupted(system, 7.0, signal.SIGINT)
    os.kill(system.running.facts.pid, signal.SIGKILL)
    control._reap(system.running.facts.pid)
    again = Deployed(control.start(state=tmp_path / "aws", port=0), tmp_path)
    again.deploy(project=cdk.ROOT)
    predicts(again)
