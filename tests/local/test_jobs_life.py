"""What jobs become when the embedded AWS ends and starts again."""

import time

import pytest

from local import control, process_group
from local.status import sentences, status
from tests.embedded import ALLOW_ALL, APP, Embedded
from tests.local.jobs import ended, in_training, training
from tests.local.runs import over, processing, run

pytestmark = pytest.mark.xdist_group(__name__)
SLEEP_WITH_CHILD = "import subprocess, time; subprocess.Popen(['sleep', '61.5']); time.sleep(61.5)"


def sleepers():
    return [one for one in process_group.PROC.glob("[0-9]*/cmdline") if b"61.5" in _read(one)]


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_status_lists_what_runs(embedded):
    job = training(embedded, "import time; time.sleep(60)")
    in_training(embedded, job)
    assert {"name": job, "kind": "Training", "status": "InProgress"}.items() <= listed(embedded, job).items()
    assert f"  job       {job} (Training): InProgress" in sentences(status(embedded.running))
    embedded.client("sagemaker").stop_training_job(TrainingJobName=job)
    ended(embedded, job)
    assert listed(embedded, job) is None


def listed(embedded, job):
    return next((one for one in status(embedded.running)["jobs"] if one["name"] == job), None)


@pytest.mark.slow
def test_a_stop_ends_jobs_and_the_next_start_says_so(tmp_path):
    state = {"state": tmp_path / "aws", "port": 0, "images": APP / "images.toml"}
    embedded = Embedded(control.start(**state))
    try:
        arn = run(embedded, processing("Wait", "import time; time.sleep(60)", embedded.role(ALLOW_ALL)))
        job = training(embedded, SLEEP_WITH_CHILD)
        in_training(embedded, job)
        deadline = time.monotonic() + 10
        while len(sleepers()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        control.stop(tmp_path / "aws")
        assert not sleepers()
        embedded = Embedded(control.start(**state))
        found, (stopped, steps) = ended(embedded, job), over(embedded, arn)
    finally:
        control.stop(tmp_path / "aws")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Failed", "Failed")
    assert found["FailureReason"].startswith("InternalServerError: The embedded AWS ended while the job ran")
    assert (stopped["PipelineExecutionStatus"], steps["Wait"]["StepStatus"]) == ("Failed", "Failed")
    assert stopped["FailureReason"].startswith("The embedded AWS ended while the run was on its way")


def test_what_a_job_started_ends_with_it(embedded):
    program = "import subprocess, time; subprocess.Popen(['sleep', '62.5']); time.sleep(0.2)"
    job = training(embedded, program)
    assert ended(embedded, job)["TrainingJobStatus"] == "Completed"
    assert not [one for one in process_group.PROC.glob("[0-9]*/cmdline") if b"62.5" in _read(one)]
