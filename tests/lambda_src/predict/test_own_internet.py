"""The packaged function is called with links into an internet of its own, where nothing means well.

Once with nothing of it replaced, in a network namespace, which some machines deny; once led there by its seams.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambda_src.predict.refusals import STATUS_OF_CODE
from tests.lambda_src.predict.own_internet import CASES, FETCH_SECONDS, METADATA, PUBLIC, SECRET

# One worker makes each internet once.
pytestmark = pytest.mark.xdist_group(__name__)
ROOT = Path(__file__).parents[3]
FUNCTION = ROOT / "lambda_src" / "predict"
WAYS = ("namespace", "seams")


def may_make_namespaces() -> bool:
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode == 0


def in_a_namespace(folder: Path, command: list[str]) -> list[str]:
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = (
        f"ip link set lo up && ip addr add {PUBLIC}/32 dev lo && ip addr add {METADATA}/32 dev lo && "
        f'mount --bind {resolver} "$(readlink -f /etc/resolv.conf)" && exec "$@"'
    )
    return ["unshare", "-rmn", "bash", "-c", script, "bash", *command]


@pytest.fixture(scope="module", params=WAYS)
def internet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param == "namespace" and not may_make_namespaces():
        pytest.skip("This machine lets nobody make a network of his own.")
    folder = tmp_path_factory.mktemp("internet")
    shutil.copytree(FUNCTION, folder / "predict", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "tests.lambda_src.predict.own_internet", str(folder), request.param]
    done = subprocess.run(
        in_a_namespace(folder, command) if request.param == "namespace" else command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_a_link_is_answered_as_it_deserves(internet: Any, name: str) -> None:
    found, case = internet["cases"][name], CASES[name]
    body = json.loads(found["body"])
    if case.code == "ok":
        assert (found["status"], body["model_version"]) == (200, "7")
    else:
        assert (found["status"], body["error"]["code"]) == (STATUS_OF_CODE[case.code], case.code)
        assert SECRET.decode() not in found["body"]
    assert (found["questions"], found["connections"]) == (case.questions, case.connections)


def test_no_link_takes_longer_than_it_may(internet: Any) -> None:
    assert max(one["seconds"] for one in internet["cases"].values()) < FETCH_SECONDS * 3


def test_nobody_came_where_nobody_may(internet: Any) -> None:
    assert internet["visitors"] == 0
    assert set(internet["connected_to"]) <= {f"{PUBLIC}:443"}


def test_the_model_is_asked_about_good_images_alone(internet: Any) -> None:
    assert internet["endpoint_asked"] == sum(case.code == "ok" for case in CASES.values())


def test_the_log_holds_one_line_for_each_and_nothing_that_was_secret(internet: Any) -> None:
    lines = internet["log"]
    assert sorted(json.loads(line)["url_host"] for line in lines) == sorted(f"{name}.example.com" for name in CASES)
    for line in lines:
        assert "hush" not in line
        assert SECRET.decode() not in line
