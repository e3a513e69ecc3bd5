"""The Lambda's entry: its environment, what it answers and what it logs."""

import io
import json
import shutil
import subprocess
import sys

import botocore.response
import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from lambda_src.intake.settings import Settings, SettingsError
from tests.lambda_src.intake.account import BUCKET, KEY, MANIFEST, PIPELINE, RUN, arrival
from tests.synth import ROOT

FOLDER = ROOT / "lambda_src" / "intake"


def test_environment_must_name_bucket_and_pipeline():
    assert Settings.from_environment({"BUCKET": BUCKET, "PIPELINE_NAME": PIPELINE}).pipeline_name == PIPELINE
    with pytest.raises(SettingsError, match="BUCKET is None.*PIPELINE_NAME is 'a b'"):
        Settings.from_environment({"PIPELINE_NAME": "a b"})


def test_handler_answers_and_logs_what_it_started(monkeypatch, capsys):
    monkeypatch.setenv("BUCKET", BUCKET)
    monkeypatch.setenv("PIPELINE_NAME", PIPELINE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    from lambda_src.intake import handler  # noqa: PLC0415 - reads its environment when imported

    objects, runs = handler._INTAKE._datasets._client, handler._INTAKE._pipeline._client
    with Stubber(objects) as s3, Stubber(runs) as sagemaker:
        body = botocore.response.StreamingBody(io.BytesIO(json.dumps(MANIFEST).encode()), None)
        s3.add_response("get_object", {"Body": body}, {"Bucket": BUCKET, "Key": KEY, "VersionId": ANY})
        s3.add_response("list_objects_v2", {"KeyCount": 3}, {"Bucket": BUCKET, "Prefix": "dataset/dogs/"})
        expected = dict.fromkeys(
            ("PipelineName", "PipelineExecutionDisplayName", "PipelineParameters", "ClientRequestToken"), ANY
        )
        sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": f"{RUN}0"}, expected)
        answer = handler.handle(arrival(), None)
    assert [json.loads(capsys.readouterr().out)] == answer["taken"]
    assert answer["taken"][0]["run"] == f"{RUN}0"


def test_starts_from_its_folder_alone(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "intake", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "BUCKET": BUCKET, "PIPELINE_NAME": PIPELINE}
    script = "import intake.handler; print(callable(intake.handler.handle))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr
