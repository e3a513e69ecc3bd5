"""Taking everything away again. Runs last in its group, since it takes the others' deployment with it."""

import contextlib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ops import cdk
from tests.system.deployed import API, DATA, IMAGE, SERVING, Deployed

pytestmark = pytest.mark.xdist_group("deployed")


def empty(deployed: Deployed, name: str) -> None:
    bucket = deployed.root.client("s3").get_paginator("list_object_versions").paginate(Bucket=name)
    for found in bucket.search("[Versions[], DeleteMarkers[]][]"):
        if found:
            deployed.root.client("s3").delete_object(Bucket=name, Key=found["Key"], VersionId=found["VersionId"])


def empty_both(deployed: Deployed) -> None:
    """The access log too, once nothing is delivered to it any more: emptying the data is itself logged."""
    s3 = deployed.root.client("s3")
    log = s3.get_bucket_logging(Bucket=deployed.bucket)["LoggingEnabled"]["TargetBucket"]
    s3.put_bucket_logging(Bucket=deployed.bucket, BucketLoggingStatus={})
    s3.delete_bucket_policy(Bucket=log)
    empty(deployed, deployed.bucket)
    empty(deployed, log)


def endpoint_processes() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if " serving " in command]


def test_destroy_refuses_a_bucket_that_holds_objects_and_takes_an_empty_one(deployed):
    instances = str(deployed.running.home.instances / deployed.endpoint)
    assert any(instances in command for command in endpoint_processes())
    bucket = deployed.bucket

    with pytest.raises(cdk.CdkError):
        deployed.run_cdk("destroy", "--all", "--force")
    assert deployed.stack_status(DATA) == "DELETE_FAILED"
    for gone in (API, SERVING):
        with pytest.raises(ClientError, match="does not exist"):
            deployed.stack_status(gone)
    assert not any(instances in command for command in endpoint_processes())

    # In the app of stage local there is no such stack: it takes its image as given.
    deployed.root.client("cloudformation").delete_stack(StackName=IMAGE)
    empty_both(deployed)
    deployed.run_cdk("destroy", "--all", "--force")
    with pytest.raises(ClientError, match="does not exist"):
        deployed.stack_status(DATA)
    with pytest.raises(ClientError):
        deployed.root.client("s3").head_bucket(Bucket=bucket)
