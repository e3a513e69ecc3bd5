"""A stage whose endpoint is asynchronous and whose function moves by a canary, beside the other in one account."""

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from ops import cdk
from tests.operating import operate
from tests.system.deployed import Deployed, Session
from tests.system.permissions.calls import Call, allow, get_object, object_arn, put_log, put_object
from tests.system.test_permissions import test_role_may_not_until_exactly_that_is_granted as deny_until_granted

pytestmark = pytest.mark.xdist_group("deployed")
PROJECT = "whippet-later"
DATA, SERVING, API = (f"{PROJECT}-local-{room}" for room in ("data", "serving", "api"))
CHANGES = {
    "stage__project": PROJECT,
    "serving__mode": "async",
    "serving__async": {"target_backlog": 5.0, "max_concurrent_per_instance": 1, "notify": False},
    "serving__batch": False,
    "api__concurrency__provisioned_min": 0,
    "api__concurrency__provisioned_max": 0,
    "api__canary": {"percent": 10, "minutes": 5},
}
RESULT_SECONDS = 20
PREDICT, CANARY = "PredictFunctionPartsRole", "CanaryRole"


class Later(Deployed):
    @cached_property
    def bucket(self) -> str:
        return self.outputs(DATA)["BucketName"]

    @cached_property
    def key(self) -> str:
        return self.arn("kms", f"key/{self.resources(DATA)['Key']}")

    @cached_property
    def endpoint(self) -> str:
        return self.outputs(SERVING)["EndpointName"]

    @cached_property
    def function(self) -> str:
        return self.outputs(API)["PredictFunctionName"]

    @cached_property
    def function_log(self) -> str:
        return self.resources(API)["PredictFunctionPartsLog"]


@pytest.fixture(scope="module")
def later(deployed):
    assembly = deployed.changed(**CHANGES)
    which = (DATA, SERVING, API, "--exclusively")
    deployed.run_cdk("deploy", *which, "--require-approval", "never", assembly=assembly)
    return Later(deployed.running, deployed.logs, rooms=(DATA, SERVING, API), api=API)


def test_a_picture_is_taken_in_and_its_result_fetched_by_an_id(later):
    taken = later.call("POST", "/predict", later.sample.read_bytes())
    assert taken.status == 202
    place = taken.headers["location"]
    until = time.monotonic() + RESULT_SECONDS
    while (found := later.call("GET", place)).status == 202 and time.monotonic() < until:
        time.sleep(0.1)
    assert found.status == 200, found.body
    assert found.json()["predictions"][0]["label"] == later.sample.stem


def test_a_result_that_nobody_asked_for_is_not_there(later):
    assert later.call("GET", f"/results/{'x' * 32}").status == 404


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage file of this deployment."""
    text = (cdk.ROOT / "config" / "local.toml").read_text()
    for old, new in {
        'project = "whippet"': f'project = "{PROJECT}"',
        'mode = "realtime"': 'mode = "async"',
        "[serving.scaling]\n": "[serving.async]\ntarget_backlog = 5.0\nmax_concurrent_per_instance = 1\nnotify = false\n\n[serving.scaling]\n",
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    folder = tmp_path_factory.mktemp("later")
    (folder / "local.toml").write_text(text)
    return folder


@pytest.mark.parametrize("via", ["api", "lambda", "endpoint"])
def test_the_operator_waits_for_a_result_on_every_way(later: Later, stages: Path, via: str) -> None:
    words = ("predict", str(later.sample), "--via", via, "--stage", "local", "--stages", str(stages), "--json")
    said = operate(later.environment, *words)
    assert said.status == 0, said.err
    (one,) = said.json()["answers"]
    assert one["predictions"][0]["label"] == later.sample.stem


def ask(session: Session, deployed: Deployed) -> None:
    session.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName=deployed.endpoint, InputLocation=f"s3://{deployed.bucket}/async/input/matrix"
    )


def alias(session: Session, deployed: Deployed) -> dict[str, Any]:
    return dict(session.client("lambda").get_alias(FunctionName=deployed.function, Name="live"))


def move_alias(session: Session, deployed: Deployed) -> None:
    version = alias(deployed.root, deployed)["FunctionVersion"]
    session.client("lambda").update_alias(FunctionName=deployed.function, Name="live", FunctionVersion=version)


SUCCEEDS = [
    Call(PREDICT, "leaves an image", lambda s, d: put_object(s, d, "async/input/matrix")),
    Call(PREDICT, "asks its endpoint", ask),
    Call(PREDICT, "leaves a ticket", lambda s, d: put_object(s, d, "async/tickets/matrix")),
    Call(PREDICT, "fetches a ticket", lambda s, d: get_object(s, d.bucket, "async/tickets/matrix")),
    Call(PREDICT, "writes its log", lambda s, d: put_log(s, d.function_log)),
    Call(CANARY, "reads the alias", alias),
    Call(CANARY, "moves the alias", move_alias),
]
DENIALS = [
    Call(
        PREDICT,
        "reads an image that waits",
        lambda s, d: get_object(s, d.bucket, "async/input/matrix"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "async/input/matrix"))],
    ),
    Call(
        PREDICT,
        "writes a result",
        lambda s, d: put_object(s, d, "async/output/matrix"),
        lambda d: [allow("s3:PutObject", object_arn(d.bucket, "async/output/matrix"))],
    ),
    Call(
        PREDICT,
        "looks who else asked",
        lambda s, d: s.client("s3").list_objects_v2(Bucket=d.bucket, Prefix="async/tickets/"),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    Call(
        CANARY,
        "makes another alias",
        lambda s, d: s.client("lambda").create_alias(
            FunctionName=d.function, Name=d.fresh_name(), FunctionVersion=alias(d.root, d)["FunctionVersion"]
        ),
        lambda d: [allow("lambda:CreateAlias", d.arn("lambda", f"function:{d.function}"))],
    ),
    Call(
        CANARY,
        "calls the function",
        lambda s, d: s.client("lambda").invoke(FunctionName=f"{d.function}:live", Payload=b"{}"),
        lambda d: [allow("lambda:InvokeFunction", d.arn("lambda", f"function:{d.function}:live"))],
    ),
    Call(
        CANARY,
        "changes the code",
        lambda s, d: s.client("lambda").publish_version(FunctionName=d.function),
        lambda d: [allow("lambda:PublishVersion", d.arn("lambda", f"function:{d.function}"))],
    ),
]


@pytest.mark.parametrize("call", SUCCEEDS, ids=str)
def test_role_may(call, later):
    call.make(later.session_as(call.role), later)


@pytest.mark.parametrize("call", DENIALS, ids=str)
def test_role_may_not_until_exactly_that_is_granted(call, later):
    deny_until_granted(call, later)
