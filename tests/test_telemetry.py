"""Nothing that we run reports to anyone."""

import os
import subprocess
import sys

import pytest

from tests.synth import ROOT

STARTER = ROOT / "training" / "starter" / "model.tar.gz"
# What each room does first with ONNX Runtime, which writes an identity of the machine where its telemetry is on.
USES = {
    "serving": f"import tarfile, serving.engine, onnxruntime as o; o.InferenceSession("
    f"tarfile.open({str(STARTER)!r}).extractfile('model.onnx').read())",
    "training": f"import tarfile, training, onnxruntime as o; o.InferenceSession("
    f"tarfile.open({str(STARTER)!r}).extractfile('model.onnx').read())",
}


@pytest.mark.parametrize("room", USES)
def test_onnx_runtime_leaves_nothing_behind(room, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", USES[room]], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_the_cdk_command_line_is_silent():
    wrapper = (ROOT / ".venv" / "bin" / "cdk").read_text()
    assert "CDK_DISABLE_CLI_TELEMETRY" in wrapper
    assert (ROOT / "cdk.json").read_text().count('"versionReporting": false') == 1
