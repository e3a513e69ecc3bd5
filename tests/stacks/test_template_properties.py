"""The table of properties that the embedded AWS's CloudFormation goes by is CloudFormation's own."""

import subprocess
import sys

from local.template_properties import TABLE, known
from tests import synth


def test_committed_table_is_that_of_the_schemas():
    # In a process of its own: an assembled embedded AWS has added types to MiniStack's.
    script = [sys.executable, "scripts/template_properties.py"]
    done = subprocess.run(script, capture_output=True, text=True, check=True, cwd=synth.ROOT)
    assert done.stdout == TABLE.read_text(), "MiniStack or cfn-lint has changed: `make template-properties`"


def test_table_has_the_usual_types_and_none_whose_properties_are_a_functions_own():
    assert {"BucketName", "BucketEncryption"} <= known()["AWS::S3::Bucket"]
    assert "Arn" not in known()["AWS::S3::Bucket"]
    assert "AWS::CloudFormation::CustomResource" not in known()
    assert len(known()) > 150
