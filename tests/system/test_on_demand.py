"""A stage with `serving.mode = "serverless"`, beside the other in one account: no process until a picture comes."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from ops import cdk
from tests.operating import operate
from tests.system.deployed import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deployed")]
PROJECT = "whippet-demand"
DATA, SERVING, API = (f"{PROJECT}-local-{room}" for room in ("data", "serving", "api"))
CHANGES = {
    "stage__project": PROJECT,
    "serving__mode": "serverless",
    "serving__serverless": {"memory_mb": 2048, "max_concurrency": 1},
    "serving__capture_percent": 0,
    "serving__encrypt_volume": False,
    "serving__scaling__enabled": False,
    "serving__batch": False,
    "api__concurrency__provisioned_min": 0,
    "api__concurrency__provisioned_max": 0,
}
STAGE_FILE = {
    'project = "whippet"': f'project = "{PROJECT}"',
    'mode = "realtime"': 'mode = "serverless"',
    "capture_percent = 100": "capture_percent = 0",
    "encrypt_volume = true           # the instances'": "encrypt_volume = false          # the instances'",
    "[serving.scaling]\nenabled = true": (
        "[serving.serverless]\nmemory_mb = 2048\nmax_concurrency = 1\n\n[serving.scaling]\nenabled = false"
    ),
}


@pytest.fixture(scope="module")
def on_demand(deployed):
    which = (DATA, SERVING, API, "--exclusively")
    deployed.run_cdk("deploy", *which, "--require-approval", "never", assembly=deployed.changed(**CHANGES))
    return Deployed(deployed.running, deployed.logs, rooms=(DATA, SERVING, API), api=API)


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """The stage file of this deployment."""
    text = (cdk.ROOT / "config" / "local.toml").read_text()
    for old, new in STAGE_FILE.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    folder = tmp_path_factory.mktemp("on-demand")
    (folder / "local.toml").write_text(text)
    return folder


def processes(on_demand):
    endpoint = on_demand.outputs(SERVING)["EndpointName"]
    return list((on_demand.running.home.instances / endpoint).glob("*/instance.json"))


def test_picture_wakes_the_model_and_the_next_one_finds_it_awake(on_demand):
    assert processes(on_demand) == []
    pids = []
    for _ in range(2):
        answer = on_demand.call("POST", "/predict", on_demand.sample.read_bytes())
        assert answer.status == 200, answer.body
        assert answer.json()["predictions"][0]["label"] == on_demand.sample.stem
        pids += [json.loads(path.read_text())["pid"] for path in processes(on_demand)]
    assert len(pids) == 2
    assert len(set(pids)) == 1


def test_pictures_beyond_its_concurrency_are_told_to_come_back(on_demand):
    picture = on_demand.sample.read_bytes()
    # Fewer than the function may have calls at once: none of these is throttled before it reaches the endpoint.
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: on_demand.call("POST", "/predict", picture), range(24)))
    assert {one.status for one in found} == {200, 429}
    assert {one.json()["error"]["code"] for one in found if one.status != 200} == {"overloaded"}
    assert len(processes(on_demand)) == 1


@pytest.mark.parametrize("via", ["api", "lambda", "endpoint"])
def test_the_operator_asks_it_on_every_way(on_demand, stages, via):
    words = ("predict", str(on_demand.sample), "--via", via, "--stage", "local", "--stages", str(stages), "--json")
    said = operate(on_demand.environment, *words)
    assert said.status == 0, said.err
    assert said.json()["answers"][0]["predictions"][0]["label"] == on_demand.sample.stem


def test_status_says_that_it_is_serverless(on_demand, stages):
    said = operate(on_demand.environment, "status", "--stage", "local", "--stages", str(stages))
    assert said.status == 0, said.err
    assert "primary: serverless" in said.out
