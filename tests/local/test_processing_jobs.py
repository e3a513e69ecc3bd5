"""Processing jobs as processes: inputs and outputs at the paths that the request names."""

import re

import pytest
from botocore.exceptions import ClientError

from tests.embedded import statement
from tests.local.jobs import ended, processing

pytestmark = pytest.mark.xdist_group(__name__)


def test_inputs_come_and_outputs_go_where_the_request_says(embedded):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a/1.txt", b"one")
    program = """
import os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
text = (base / "processing/in/a/1.txt").read_text()
target = base / "processing/out/below"
target.mkdir()
(target / "result.txt").write_text(text.upper() + " ".join(sys.argv[1:]))
(base / "output/message").write_text("one file")
"""
    job = processing(
        embedded,
        program,
        inputs={f"s3://{bucket}/in/": "/opt/ml/processing/in"},
        outputs={f"s3://{bucket}/out": "/opt/ml/processing/out"},
        application={"ContainerArguments": ["--to", "/var/tmp", "/opt/ml/x", "s3://bucket/tmp/x"]},
    )
    found = ended(embedded, job, "processing")
    assert (found["ProcessingJobStatus"], found["ExitMessage"]) == ("Completed", "one file"), found
    body = embedded.client("s3").get_object(Bucket=bucket, Key="out/below/result.txt")["Body"].read()
    assert re.fullmatch(rb"ONE--to /var/tmp /\S+/ml/x s3://bucket/tmp/x", body)


def test_a_job_that_fails_says_why(embedded):
    program = "open('/opt/ml/output/message', 'w').write('2 of 3 pictures cannot be read'); exit(1)"
    found = ended(embedded, processing(embedded, program), "processing")
    assert found["ProcessingJobStatus"] == "Failed"
    assert found["FailureReason"] == "AlgorithmError: 2 of 3 pictures cannot be read, exit code: 1"


def test_a_role_that_may_not_write_fails_its_job(embedded):
    bucket = embedded.bucket()
    role = embedded.role(statement(["ecr:*", "logs:*"], "*"))
    program = "open('/opt/ml/processing/out/x', 'w').write('x')"
    job = processing(embedded, program, role=role, outputs={f"s3://{bucket}/out": "/opt/ml/processing/out"})
    assert "could not write s3://" in ended(embedded, job, "processing")["FailureReason"]


@pytest.mark.parametrize(
    ("path", "status"), [("/opt/ml/processing/../../../x", "Failed"), ("/etc/x", "Failed"), ("/opt/ml/x", "Completed")]
)
def test_a_path_outside_of_the_jobs_folder_is_no_place(embedded, path, status):
    job = processing(embedded, "", outputs={"s3://bucket/out": path})
    assert ended(embedded, job, "processing")["ProcessingJobStatus"] == status


def test_a_job_is_stopped(embedded):
    job = processing(embedded, "import time; time.sleep(60)")
    embedded.client("sagemaker").stop_processing_job(ProcessingJobName=job)
    assert ended(embedded, job, "processing")["ProcessingJobStatus"] == "Stopped"


def test_an_image_runs_nothing_without_an_entrypoint(embedded):
    request = {"AppSpecification": {"ImageUri": "x"}}
    with pytest.raises(ClientError, match="ContainerEntrypoint.*not available"):
        processing(embedded, "", **request)
