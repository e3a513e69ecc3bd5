"""Provisioned concurrency: the handler is imported before anybody calls."""

import io
import json
import time
import zipfile

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, fresh

pytestmark = pytest.mark.xdist_group(__name__)

HANDLER = """
import os, time
if {broken}:
    raise RuntimeError("no model here")
BEGUN, KIND = time.time(), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
def handle(event, context):
    time.sleep(event.get("seconds", 0))
    return {{"begun": BEGUN, "kind": KIND, "pid": os.getpid(), "version": {version!r}}}
"""


def archive(version, broken=False):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr("index.py", HANDLER.format(version=version, broken=broken))
    return buffer.getvalue()


@pytest.fixture
def lambdas(embedded):
    return embedded.client("lambda")


@pytest.fixture
def alias(embedded, lambdas):
    """Makes a function with an alias "live" of its first version; the answer is its name."""
    made = []

    def make(**more):
        name = fresh("function")
        lambdas.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="index.handle",
            Role=embedded.role(ALLOW_ALL, service="lambda"),
            Code={"ZipFile": archive("first", **more)},
            Timeout=20,
        )
        made.append(name)
        version = lambdas.publish_version(FunctionName=name)["Version"]
        lambdas.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        return name

    yield make
    for name in made:
        lambdas.delete_function(FunctionName=name)


def provision(lambdas, name, count):
    return lambdas.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=count
    )


def settled(lambdas, name):
    for _ in range(400):
        found = lambdas.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
        if found["Status"] != "IN_PROGRESS":
            return found
        time.sleep(0.03)
    raise AssertionError(found)


def ask(lambdas, name, **event):
    answer = lambdas.invoke(FunctionName=name, Qualifier="live", Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def test_first_call_finds_an_environment_that_has_begun(lambdas, alias):
    name = alias()
    assert provision(lambdas, name, 1)["Status"] == "IN_PROGRESS"
    found = settled(lambdas, name)
    assert (found["Status"], found["AvailableProvisionedConcurrentExecutions"]) == ("READY", 1)
    called = time.time()
    answer = ask(lambdas, name)
    assert answer["kind"] == "provisioned-concurrency"
    assert answer["begun"] < called


def test_without_it_the_first_call_begins_one(lambdas, alias):
    name, called = alias(), time.time()
    answer = ask(lambdas, name)
    assert answer["kind"] == "on-demand"
    assert answer["begun"] > called


def test_new_version_of_the_alias_is_provisioned_too(lambdas, alias):
    name = alias()
    provision(lambdas, name, 1)
    settled(lambdas, name)
    lambdas.update_function_code(FunctionName=name, ZipFile=archive("second"))
    version = lambdas.publish_version(FunctionName=name)["Version"]
    lambdas.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    assert settled(lambdas, name)["Status"] == "READY"
    called, answer = time.time(), ask(lambdas, name)
    assert answer["version"] == "second"
    assert (answer["kind"], answer["begun"] < called) == ("provisioned-concurrency", True)


def test_failing_initialisation_fails_it_with_the_reason(lambdas, alias):
    name = alias(broken=True)
    provision(lambdas, name, 1)
    found = settled(lambdas, name)
    assert (found["Status"], found["AllocatedProvisionedConcurrentExecutions"]) == ("FAILED", 0)
    assert "no model here" in found["StatusReason"]


def test_more_than_is_reserved_is_refused(lambdas, alias):
    name = alias()
    lambdas.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with pytest.raises(ClientError, match="greater than the reservedConcurrentExecution"):
        provision(lambdas, name, 2)


def test_unpublished_version_is_refused(lambdas, alias):
    name = alias()
    lambdas.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    with pytest.raises(ClientError, match="unpublished"):
        provision(lambdas, name, 1)


@pytest.mark.slow
def test_environment_that_ends_is_replaced(lambdas, alias):
    name = alias()
    lambdas.update_function_configuration(FunctionName=name, Timeout=1)
    version = lambdas.publish_version(FunctionName=name)["Version"]
    lambdas.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    provision(lambdas, name, 1)
    settled(lambdas, name)
    first = ask(lambdas, name)
    assert "timed out" in json.dumps(ask(lambdas, name, seconds=3))
    time.sleep(3)
    called, second = time.time(), ask(lambdas, name)
    assert second["pid"] != first["pid"]
    assert (second["kind"], second["begun"] < called) == ("provisioned-concurrency", True)


def test_use_of_it_is_published_and_scaled_on(embedded, lambdas, alias):
    name = alias()
    provision(lambdas, name, 2)
    settled(lambdas, name)
    ask(lambdas, name)
    found = embedded.client("cloudwatch").list_metrics(
        Namespace="AWS/Lambda", Dimensions=[{"Name": "Resource", "Value": f"{name}:live"}]
    )["Metrics"]
    assert "ProvisionedConcurrencyUtilization" in {one["MetricName"] for one in found}
    scaling = embedded.client("application-autoscaling")
    target = {
        "ServiceNamespace": "lambda",
        "ResourceId": f"function:{name}:live",
        "ScalableDimension": "lambda:function:ProvisionedConcurrency",
    }
    scaling.register_scalable_target(MinCapacity=3, MaxCapacity=4, **target)
    found = settled(lambdas, name)
    assert (found["RequestedProvisionedConcurrentExecutions"], found["Status"]) == (3, "READY")
    activity = scaling.describe_scaling_activities(**target)["ScalingActivities"][0]
    assert activity["Description"] == "Setting desired concurrency to 3."
    scaling.deregister_scalable_target(**target)
