"""Jobs of several instances at once: each job's meet at an address of their own, and nowhere beyond loopback."""

import ipaddress
import time
from pathlib import Path

import pytest

from tests.local.jobs import archive, channel, ended, training
from tests.local.listening import addresses

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]
PORT = 7777
SCRIPT = """
import os, time, torch
import torch.distributed as dist
dist.init_process_group("gloo")
total = torch.ones(1)
dist.all_reduce(total)
# Long enough to be looked at.
time.sleep(3)
dist.barrier()
open(f"{os.environ['SM_MODEL_DIR']}/{dist.get_rank()}", "w").write(str(total.item()))
dist.destroy_process_group()
"""
TOLD = {
    "sagemaker_program": "it.py",
    "sagemaker_submit_directory": "/opt/ml/input/data/code/source.tar.gz",
    "sagemaker_torch_distributed_enabled": "true",
}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_two_jobs_of_two_instances_meet_at_one_port_of_their_own_addresses(embedded):
    bucket = embedded.bucket()
    embedded.put(bucket, "code/source.tar.gz", archive(**{"it.py": SCRIPT}))
    more = {
        "resources": {"InstanceCount": 2},
        "HyperParameters": TOLD,
        "Environment": {"GLOO_SOCKET_IFNAME": "lo"},
        "InputDataConfig": [channel("code", f"s3://{bucket}/code/source.tar.gz")],
    }
    jobs = [training(embedded, bucket=bucket, **more) for _ in range(2)]
    seen = set()
    deadline = time.monotonic() + 60
    while len([one for one in seen if one[1] == PORT]) < 2:
        assert time.monotonic() < deadline, seen
        seen |= addresses(embedded.running.facts.pid)
    for job in jobs:
        found = ended(embedded, job)
        assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]
    assert all(ipaddress.ip_address(address).is_loopback for address, _ in seen), seen
