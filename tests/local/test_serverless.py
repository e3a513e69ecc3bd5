"""Serverless endpoints: a process when a request needs one, as many requests at once as was said, and then a lull."""

import json
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from local import joints_cloudwatch, process_group
from local.clock import Clock
from local.json_service import AwsError
from local.records import Scope
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.metrics import Invocation, InvocationMetrics
from local.sagemaker.serverless import LULL_SECONDS, Environments, Throttled
from tests.embedded import AWS_IMAGE, artefact, fresh
from tests.local.test_endpoints import gone

pytestmark = pytest.mark.xdist_group(__name__)
SIZE = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}


def variant(model, name="main", **serverless):
    return {"VariantName": name, "ModelName": model, "ServerlessConfig": {**SIZE, **serverless}}


def config(embedded, **serverless):
    return embedded.config(variants=[variant(embedded.model(name="sleeper"), **serverless)])


def serving(embedded, **serverless):
    name = embedded.endpoint(config(embedded, **serverless))
    found = embedded.settled(name)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return name


def processes(embedded, endpoint):
    """Those of the endpoint that live."""
    places = (embedded.running.home.instances / endpoint).glob("*/instance.json")
    return [json.loads(path.read_text())["pid"] for path in places]


@pytest.fixture(scope="module")
def endpoint(embedded):
    return serving(embedded)


def test_first_request_starts_the_process_that_the_next_one_finds(embedded, endpoint):
    assert processes(embedded, endpoint) == []
    first = embedded.ask(endpoint)
    assert processes(embedded, endpoint) == [first["pid"]]
    assert embedded.ask(endpoint)["pid"] == first["pid"]


def test_requests_at_once_have_a_process_each_and_the_next_one_is_throttled(embedded, endpoint):
    """They take longer than the client, which asks once more, waits before that."""
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(embedded.ask, endpoint, {"sleep": 1.2}) for _ in range(3)]
    (refused,) = [one.exception().response for one in asked if one.exception()]
    assert (refused["Error"]["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("ThrottlingException", 429)
    assert len({one.result()["pid"] for one in asked if not one.exception()}) == 2


def test_description_counts_no_instances(embedded, endpoint):
    (found,) = embedded.settled(endpoint)["ProductionVariants"]
    assert (found["CurrentServerlessConfig"], found["CurrentInstanceCount"]) == (SIZE, 0)
    assert not {"DesiredInstanceCount", "DesiredServerlessConfig"} & found.keys()


def test_request_may_have_four_mebibytes(embedded, endpoint):
    with pytest.raises(ClientError) as caught:
        embedded.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=bytes(4 * 2**20 + 1))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_dead_process_costs_the_next_request_a_cold_start_alone(embedded, endpoint):
    before = embedded.ask(endpoint)["pid"]
    os.kill(before, signal.SIGKILL)
    assert gone(before)
    assert embedded.ask(endpoint)["pid"] != before


def test_model_that_cannot_be_stood_up_fails_its_endpoint(embedded):
    broken = embedded.config(variants=[variant(embedded.model(exit=True))])
    found = embedded.settled(embedded.endpoint(broken))
    assert found["EndpointStatus"] == "Failed"
    assert "this model cannot be loaded" in found["FailureReason"]


def test_provisioned_concurrency_is_warm_and_follows_its_update_and_goes_with_the_endpoint(embedded):
    name, client = serving(embedded, ProvisionedConcurrency=1), embedded.client("sagemaker")
    (warm,) = processes(embedded, name)
    assert embedded.ask(name)["pid"] == warm
    more = {"VariantName": "main", "ServerlessUpdateConfig": {"ProvisionedConcurrency": 2, "MaxConcurrency": 3}}
    client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[more])
    (found,) = embedded.settled(name)["ProductionVariants"]
    assert found["CurrentServerlessConfig"] == {**SIZE, **more["ServerlessUpdateConfig"]}
    both = processes(embedded, name)
    assert warm in both
    assert len(both) == 2
    client.delete_endpoint(EndpointName=name)
    assert all(gone(pid) for pid in both)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"DesiredInstanceCount": 2}, "has no instances"),
        ({"ServerlessUpdateConfig": {"ProvisionedConcurrency": 3}}, "above its MaxConcurrency 2"),
    ],
)
def test_capacity_that_it_cannot_have_is_refused(embedded, endpoint, change, said):
    with pytest.raises(ClientError, match=said):
        embedded.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "main", **change}]
        )


def test_update_to_instances_is_taken_and_back_is_refused(embedded):
    name, client = serving(embedded), embedded.client("sagemaker")
    before = embedded.ask(name)["pid"]
    client.update_endpoint(EndpointName=name, EndpointConfigName=config(embedded, MaxConcurrency=1))
    (found,) = embedded.settled(name)["ProductionVariants"]
    assert found["CurrentServerlessConfig"]["MaxConcurrency"] == 1
    assert embedded.ask(name)["pid"] != before
    assert gone(before)
    client.update_endpoint(EndpointName=name, EndpointConfigName=embedded.config(embedded.model(name="awake")))
    assert embedded.settled(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert embedded.ask(name)["model"] == "awake"
    with pytest.raises(ClientError, match="cannot become serverless"):
        client.update_endpoint(EndpointName=name, EndpointConfigName=config(embedded))
    more = [{"VariantName": "variant-0", "ServerlessUpdateConfig": {"MaxConcurrency": 2}}]
    with pytest.raises(ClientError, match="ServerlessUpdateConfig is not for it"):
        client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=more)


def rolling(kind):
    return {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": kind, "Value": 50}, "WaitIntervalInSeconds": 0}}


def canary(kind):
    size = {"Type": "CANARY", "CanarySize": {"Type": kind, "Value": 1}, "WaitIntervalInSeconds": 0}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": size}}


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (rolling("CAPACITY_PERCENT"), "rolling update is not supported for a serverless"),
        (canary("INSTANCE_COUNT"), "no instances to count"),
    ],
)
def test_update_by_instances_is_refused(embedded, endpoint, deployment, said):
    with pytest.raises(ClientError, match=said):
        embedded.client("sagemaker").update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config(embedded), DeploymentConfig=deployment
        )


@pytest.fixture(scope="module")
def model(embedded):
    return embedded.model()


CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 1,
    "DestinationS3Uri": "s3://bucket/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}


@pytest.mark.parametrize(
    ("of_variant", "more", "said"),
    [
        ({"InstanceType": "ml.m5.large"}, {}, "InstanceType"),
        ({"InitialInstanceCount": 1}, {}, "InitialInstanceCount"),
        ({}, {"DataCaptureConfig": CAPTURE}, "DataCaptureConfig"),
        ({}, {"AsyncInferenceConfig": ASYNC}, "AsyncInferenceConfig"),
        ({"ServerlessConfig": {**SIZE, "MemorySizeInMB": 1500}}, {}, "steps of 1024"),
        ({"ServerlessConfig": {**SIZE, "ProvisionedConcurrency": 3}}, {}, "above its MaxConcurrency 2"),
    ],
)
def test_what_aws_does_not_do_without_instances_is_refused_by_name(embedded, model, of_variant, more, said):
    with pytest.raises(ClientError, match=said):
        embedded.config(variants=[{**variant(model), **of_variant}], **more)


def test_second_variant_is_refused(embedded, model):
    with pytest.raises(ClientError, match="several production variants"):
        embedded.config(variants=[variant(model), variant(model, "other")])


@pytest.mark.parametrize(
    ("isolation", "container", "said"),
    [
        ({"EnableNetworkIsolation": True}, {}, "EnableNetworkIsolation of its model"),
        ({"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, {}, "VpcConfig of its model"),
        ({}, {"CompressionType": "Gzip", "S3DataType": "S3Object"}, "ModelDataSource of its model"),
    ],
)
def test_model_that_needs_instances_is_refused(embedded, isolation, container, said):
    name, url = fresh("model"), embedded.put(embedded.bucket(), "model.tar.gz", artefact())
    source = {"ModelDataSource": {"S3DataSource": {"S3Uri": url, **container}}} if container else {"ModelDataUrl": url}
    embedded.client("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=embedded.role(),
        PrimaryContainer={"Image": AWS_IMAGE, **source},
        **isolation,
    )
    with pytest.raises(ClientError, match=said):
        embedded.config(variants=[variant(name)])


# --- one variant's environments, on a clock that a test moves


class Moved(Clock):
    def __init__(self):
        self.moment = 1_000_000.0
        super().__init__(machine=lambda: self.moment)


class Process:
    """An instance as its fleet sees it."""

    def __init__(self, name):
        self.name, self.stopped = name, False

    def alive(self):
        return not self.stopped

    def drain(self, limit_seconds):
        pass

    def stop(self):
        self.stopped = True


@pytest.fixture
def environments():
    launched = []

    def launch():
        launched.append(Process(f"environment-{len(launched)}"))
        return launched[-1]

    return Environments("main", launch, 1.0, config={**SIZE, "MaxConcurrency": 3}, clock=Moved())


def use(environments, at_once=1):
    """So many requests one within the other, and which environments had them."""
    with environments.lease(set(), Invocation()) as instance:
        inner = use(environments, at_once - 1) if at_once > 1 else []
        return [instance.name, *inner]


def test_environment_ends_after_a_lull_of_the_clock_and_the_one_in_use_goes_on(environments):
    use(environments, 2)
    environments.clock.moment += LULL_SECONDS - 1
    (kept,) = use(environments)
    environments.clock.moment += 1
    assert use(environments) == [kept]
    environments.tend()
    assert [one.name for one in environments.instances] == [kept]
    environments.clock.moment += LULL_SECONDS
    with environments.lease(set(), Invocation()):
        environments.tend()
        assert len(environments.instances) == 1
    environments.clock.moment += LULL_SECONDS
    environments.tend()
    assert environments.instances == []


def test_lull_leaves_what_is_provisioned(environments):
    environments.stand_up(1)
    assert use(environments, 2) == ["environment-0", "environment-1"]
    environments.clock.moment += LULL_SECONDS
    environments.tend()
    assert len(environments.instances) == 1


def test_request_beyond_the_limit_is_throttled_and_leaves_no_trace(environments):
    for _ in range(2):
        with pytest.raises(Throttled):
            use(environments, 4)
    assert len(use(environments, 3)) == 3


def test_cold_start_that_fails_is_told_and_gives_its_place_back(environments):
    launch = environments.launch

    def fail():
        raise LaunchFailed("no such image")

    environments.launch = fail
    for _ in range(4):
        with pytest.raises(AwsError, match=r"ServiceUnavailable: no such image"):
            use(environments)
    environments.launch = launch
    assert len(use(environments, 3)) == 3


def test_closed_one_has_nothing_for_a_request(environments):
    use(environments)
    (left,) = environments.close(0)
    assert left.name == "environment-0"
    with environments.lease(set(), Invocation()) as instance:
        assert instance is None


def test_environment_that_starts_after_the_end_is_not_left_running(environments):
    launch, late = environments.launch, []

    def end_meanwhile():
        late.append(launch())
        assert environments.close(0) == []
        return late[0]

    environments.launch = end_meanwhile
    with pytest.raises(AwsError, match="ended during the start"):
        use(environments)
    assert late[0].stopped


def test_close_waits_for_a_request_in_its_cold_start(environments):
    with ThreadPoolExecutor(1) as pool:
        with environments.lease(set(), Invocation()):
            closing = pool.submit(environments.close, 5)
            while not environments._closed:
                pass
            assert not closing.done()
        assert len(closing.result()) == 1


def test_metrics_are_those_that_aws_has_of_serverless_endpoints(monkeypatch):
    clock, told = Moved(), {}

    def publish(scope, namespace, metric, unit, dimensions, at, values, keep):
        told[metric] = (unit, values)

    monkeypatch.setattr(joints_cloudwatch, "publish", publish)
    metrics = InvocationMetrics(clock)
    seen = Invocation("main", 1, 200, 0.5, share_of_concurrency=0.25, setup_seconds=2.0)
    metrics.observe(Scope("000000000000", "us-east-1"), "endpoint", seen, 3.0)
    clock.moment += 60
    metrics.publish([])
    assert told == {
        "Invocations": ("None", Counter({1.0: 1})),
        "Invocation4XXErrors": ("None", Counter({0.0: 1})),
        "Invocation5XXErrors": ("None", Counter({0.0: 1})),
        "ModelLatency": ("Microseconds", Counter({500_000.0: 1})),
        "OverheadLatency": ("Microseconds", Counter({2_500_000.0: 1})),
        "ModelSetupTime": ("Microseconds", Counter({2_000_000.0: 1})),
        "ServerlessConcurrentExecutionsUtilization": ("None", Counter({0.25: 1})),
    }


def test_metrics_of_provisioned_concurrency_tell_what_spills_over(monkeypatch):
    clock, told = Moved(), {}
    monkeypatch.setattr(joints_cloudwatch, "publish", lambda *point: told.update({point[2]: (point[3], point[6])}))
    metrics = InvocationMetrics(clock)
    for working in (1, 3):
        seen = Invocation("main", 1, 200, 0.5, share_of_concurrency=0.1, at_once=working, provisioned=2)
        metrics.observe(Scope("000000000000", "us-east-1"), "endpoint", seen, 1.0)
    clock.moment += 60
    metrics.publish([])
    found = {name: told[name] for name in told if name.startswith("ServerlessProvisioned")}
    assert found == {
        "ServerlessProvisionedConcurrencyExecutions": ("Count", Counter({1.0: 1, 3.0: 1})),
        "ServerlessProvisionedConcurrencyUtilization": ("None", Counter({0.5: 1, 1.5: 1})),
        "ServerlessProvisionedConcurrencyInvocations": ("Count", Counter({1.0: 1, 0.0: 1})),
        "ServerlessProvisionedConcurrencySpilloverInvocations": ("Count", Counter({0.0: 1, 1.0: 1})),
    }


def test_memory_is_told_once_a_minute_in_percent_of_what_was_asked_for(monkeypatch):
    clock, told = Moved(), []
    monkeypatch.setattr(joints_cloudwatch, "publish", lambda *point: told.append(point))
    metrics, key = InvocationMetrics(clock), (Scope("000000000000", "us-east-1"), "endpoint", "main")
    assert metrics.wants_memory(key)
    metrics.memory(key, [12.5])
    assert not metrics.wants_memory(key)
    assert told[0][1:4] == ("/aws/sagemaker/Endpoints", "MemoryUtilization", "Percent")
    assert told[0][6] == Counter({12.5: 1})
    clock.moment += 60
    assert metrics.wants_memory(key)


def test_an_environment_knows_how_full_it_is(embedded):
    endpoint = serving(embedded, ProvisionedConcurrency=1)
    used = process_group.tree_memory_kib(processes(embedded, endpoint)[0])
    assert 1_000 < used < SIZE["MemorySizeInMB"] * 1024
    assert process_group.tree_memory_kib(2**22 + 1) == 0


@pytest.mark.xdist_group("scaling")
def test_provisioned_concurrency_is_scaled_by_its_use(fast):
    endpoint, scaling = serving(fast, ProvisionedConcurrency=1), fast.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
    }
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **target)
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    tracking = {"TargetValue": 0.5, "PredefinedMetricSpecification": metric}
    scaling.put_scaling_policy(
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
        **target,
    )

    def provisioned():
        (found,) = fast.client("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        return found["CurrentServerlessConfig"]["ProvisionedConcurrency"]

    for _ in range(600):
        if provisioned() == 2:
            break
        fast.ask(endpoint)
    assert provisioned() == 2
    scaling.deregister_scalable_target(**target)
    with pytest.raises(ClientError, match="has no endpoint"):
        scaling.register_scalable_target(
            MinCapacity=1, MaxCapacity=2, **{**target, "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
        )


def test_a_dimension_that_nothing_here_has_is_refused_by_name(embedded):
    with pytest.raises(ClientError, match="The scalable dimension sagemaker:inference-component:DesiredCopyCount"):
        embedded.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId="inference-component/one",
            ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
            MinCapacity=1,
            MaxCapacity=2,
        )
