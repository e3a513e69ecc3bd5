"""Jobs that ignore SIGTERM are killed once their 120 seconds are over, here on a clock that runs ahead."""

import os
import time

import pytest

from tests.local.jobs import ended, processing, training, written

pytestmark = pytest.mark.xdist_group("scaling")

STUBBORN = (
    "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'output/pid').write_text(str(os.getpid())); time.sleep(60)"
)


@pytest.mark.parametrize(("kind", "start"), [("training", training), ("processing", processing)])
def test_a_job_that_ignores_its_stop_is_killed(fast, kind, start):
    job = start(fast, STUBBORN)
    written(fast, job, "output/pid", kind)
    pid = int((fast.running.home.jobs / job / "algo-1/ml/output/pid").read_text())
    getattr(fast.client("sagemaker"), f"stop_{kind}_job")(**{f"{kind.title()}JobName": job})
    assert ended(fast, job, kind)[f"{kind.title()}JobStatus"] == "Stopped"
    deadline = time.monotonic() + 5
    while runs(pid):
        assert time.monotonic() < deadline, "its process is left"
        time.sleep(0.05)


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
