import base64
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lambda_src.predict.settings import Settings
from tests.lambda_src.predict.aws_server import KEYS, aws_server
from tests.lambda_src.predict.samples import ENVIRONMENT, JPEG, PREDICTIONS

FUNCTION = Path(__file__).parents[3] / "lambda_src" / "predict"
HEAVY = ("boto3", "botocore.session", "botocore.client", "botocore.loaders", "jmespath", "requests", "PIL", "numpy")
EVENT = {"version": "2.0", "routeKey": "GET /healthz", "requestContext": {"http": {"method": "GET"}}}
SCRIPT = f"""
from predict.handler import handle
class Context:
    aws_request_id = "request-1"
print(handle({EVENT!r}, Context())["body"])
"""


def run_packaged(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as Lambda would: the folder zipped alone, its name kept, nothing else of ours to import."""
    package = folder / "function.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for path in FUNCTION.iterdir():
            if path.is_file():
                archive.write(path, f"predict/{path.name}")
    (folder / "unpacked").mkdir()
    zipfile.ZipFile(package).extractall(folder / "unpacked")
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder / "unpacked",
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_packaged_folder_answers_alone_and_logs_one_json_line(tmp_path: Path) -> None:
    done = run_packaged(tmp_path, SCRIPT, **ENVIRONMENT)
    log, body = done.stdout.splitlines()
    assert json.loads(body) == {"status": "ok", "request_id": "request-1"}
    assert json.loads(log)["route"] == "GET /healthz"


def test_a_prediction_loads_no_client_of_aws_and_no_model_of_its_services(tmp_path: Path) -> None:
    image = base64.b64encode(JPEG).decode()
    script = f"""
import sys
from predict.handler import handle
class Context:
    aws_request_id = "request-1"
handle({{"image": {image!r}}}, Context())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    with aws_server() as server:
        server.body = json.dumps({"predictions": PREDICTIONS, "model_version": "7"}).encode()
        environment = {**ENVIRONMENT, **KEYS, "AWS_ENDPOINT_URL": server.url}
        log, loaded = run_packaged(tmp_path, script, **environment).stdout.splitlines()
        assert len(server.asked) == 1
    assert json.loads(log)["outcome"] == "ok"
    assert loaded == "[]"


def test_a_wrong_environment_stops_the_function_at_init_by_name(tmp_path: Path) -> None:
    done = run_packaged(tmp_path, "import predict.handler", **{**ENVIRONMENT, "TOP_K": "many"})
    assert done.returncode != 0
    assert "The environment variable TOP_K is 'many'; set it to a whole number from 1 to 1,000" in done.stderr


def test_the_package_stays_small(tmp_path: Path) -> None:
    run_packaged(tmp_path, "pass")
    assert (tmp_path / "function.zip").stat().st_size < 200_000


def test_no_other_variable_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    class Watched(dict[str, str]):
        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
            read.append(key)
            return super().get(key, default)

    Settings.from_environment(Watched(ENVIRONMENT))
    assert set(read) == set(Settings.VARIABLES)
