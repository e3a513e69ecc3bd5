"""Where a push's requests go, and what a refusal without words becomes."""

import boto3
import pytest
from botocore.credentials import Credentials

from ops.data.wire import Wire


def base(region, bucket="bucket-x", endpoint=None):
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    s3 = boto3.client("s3", region_name=region, endpoint_url=endpoint, **keys)
    return Wire(s3, bucket, Credentials("a", "b"), connections=1)._base


@pytest.mark.parametrize("region", ["eu-central-1", "ap-south-2"])
def test_requests_go_to_the_buckets_own_region(region):
    """S3's global endpoint answers those about a new bucket with 307, and newer regions' with 400."""
    assert base(region) == f"https://bucket-x.s3.{region}.amazonaws.com"
    assert base(region, "dots.in.it") == f"https://s3.{region}.amazonaws.com/dots.in.it"


def test_an_endpoint_that_is_named_stays(monkeypatch):
    assert base("eu-central-1", endpoint="http://127.0.0.1:4000") == "http://127.0.0.1:4000/bucket-x"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.of.a.house:4000")
    assert base("eu-central-1") == "https://s3.of.a.house:4000/bucket-x"
