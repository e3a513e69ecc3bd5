"""How many instances the machine's memory allows: jobs and endpoints count together, and nothing is launched beyond it."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from local.json_service import AwsError
from local.sagemaker.capacity import ENDPOINT_BYTES, JOB_BYTES, Capacity, machine_bytes
from local.sagemaker.endpoints import _second_fleet
from local.sagemaker.jobs import JobFailed
from local.sagemaker.rollout import plan_of
from local.sagemaker.tuning import Tuning, TuningJobs
from tests.embedded import fresh
from tests.local.jobs import training_request

pytestmark = pytest.mark.xdist_group("test_endpoints")
BEYOND = "ResourceLimitExceeded.*for endpoints is [0-9]+ instances.*request delta of {} instances"


def test_jobs_and_endpoints_share_the_memory():
    capacity, held = Capacity(4 * JOB_BYTES), [3 * JOB_BYTES]
    capacity.add(lambda: sum(held))
    capacity.refuse_beyond(1, JOB_BYTES, "jobs")
    held.append(ENDPOINT_BYTES)
    with pytest.raises(AwsError, match="limit .* for jobs is 4 instances, with current utilization of 4"):
        capacity.refuse_beyond(1, JOB_BYTES, "jobs")
    capacity.refuse_beyond(9, ENDPOINT_BYTES, "endpoints")
    with pytest.raises(AwsError, match="request delta of 10 instances"):
        capacity.refuse_beyond(10, ENDPOINT_BYTES, "endpoints")


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("0::/ci/job", "ci/job/memory.max"),
        ("0::/ci/job", "ci/memory.max"),
        ("0::/host/only", "memory.max"),
        ("4:memory:/ci", "memory/ci/memory.limit_in_bytes"),
        ("4:cpu,memory:/host", "memory/memory.limit_in_bytes"),
    ],
)
def test_a_containers_limit_counts_where_it_is_less_than_the_machines(tmp_path, line, file):
    groups = tmp_path / "cgroup"
    groups.write_text(f"7:cpuset:/\n{line}\n")
    physical = machine_bytes(groups, tmp_path)
    limit = tmp_path / file
    limit.parent.mkdir(parents=True, exist_ok=True)
    limit.write_text("max\n")
    assert machine_bytes(groups, tmp_path) == physical
    limit.write_text(f"{2**27}\n")
    assert machine_bytes(groups, tmp_path) == 2**27
    assert machine_bytes(tmp_path / "none", tmp_path) == physical


def test_an_endpoint_beyond_the_limit_is_not_made(embedded):
    config = embedded.config(embedded.model(), count=5000)
    name = fresh("endpoint")
    with pytest.raises(ClientError, match=BEYOND.format(5000)):
        embedded.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        embedded.client("sagemaker").describe_endpoint(EndpointName=name)


def test_an_endpoint_does_not_grow_beyond_the_limit(embedded):
    sagemaker, endpoint = embedded.client("sagemaker"), embedded.serving()
    with pytest.raises(ClientError, match=BEYOND.format(5000)):
        config = embedded.config(embedded.model(), count=5000)
        sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    with pytest.raises(ClientError, match=BEYOND.format(4999)):
        wanted = [{"VariantName": "variant-0", "DesiredInstanceCount": 5000}]
        sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=wanted)
    found = sagemaker.describe_endpoint(EndpointName=endpoint)
    assert (found["EndpointStatus"], found["ProductionVariants"][0]["CurrentInstanceCount"]) == ("InService", 1)


def test_an_update_holds_what_runs_beside_the_old_fleet():
    running, wanted = deployment(4), deployment(6)
    assert _second_fleet(plan_of(None, wanted), running, wanted) == 6
    batch = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 2}, "WaitIntervalInSeconds": 0}
    assert _second_fleet(plan_of({"RollingUpdatePolicy": batch}, wanted), running, wanted) == 4


def deployment(count):
    return {"Variants": [{"VariantName": "variant-0", "InitialInstanceCount": count}]}


@pytest.mark.parametrize(("parallel", "instances"), [(1, 5000), (50, 100)])
def test_a_tuning_job_beyond_the_limit_is_refused(embedded, parallel, instances):
    with pytest.raises(ClientError, match="ResourceLimitExceeded.*for jobs.*request delta of 5000 instances"):
        tune(embedded, parallel, instances)


def tune(embedded, parallel, instances):
    metrics = [{"Name": "score", "Regex": "score=([0-9.]+)"}]
    embedded.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=fresh("tune"),
        HyperParameterTuningJobConfig=tuning_config(parallel, 50),
        TrainingJobDefinition=training_request(
            embedded,
            None,
            bucket=embedded.bucket(),
            resources={"InstanceCount": instances},
            algorithm={"MetricDefinitions": metrics},
        ),
    )


def tuning_config(parallel, most):
    return {
        "Strategy": "Random",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel},
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
        "ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.4"}],
        },
    }


def test_a_trial_that_cannot_begin_fails_its_tuning_job():
    class Refusing:
        """Jobs that take none."""

        begun = 0

        def begin(self, *_):
            self.begun += 1
            raise AwsError("ResourceInUse", "the name is taken")

    request = {
        "HyperParameterTuningJobConfig": tuning_config(1, 9),
        "TrainingJobDefinition": {"ResourceConfig": {"InstanceCount": 1}},
    }
    job = SimpleNamespace(
        name="tune", arn="arn", scope=None, document=lambda: request, stopping=SimpleNamespace(is_set=lambda: False)
    )
    jobs = Refusing()
    with pytest.raises(JobFailed, match="could not be run: .*the name is taken"):
        Tuning(TuningJobs(jobs, SimpleNamespace(beginning=lambda params: {})), job).run()
    assert jobs.begun == 1
