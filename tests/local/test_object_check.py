"""Objects whose files a disk or a person has damaged: no wrong byte with status 200, and a sentence that names a remedy."""

import os

import pytest
from botocore.exceptions import ClientError

from local import control, damaged
from local.home import Home
from local.status import sentences, status
from local.stored_object import Stored, described_at, description, md5
from tests.embedded import Embedded

PART = 5 * 2**20
SAID = r"InternalError.*s3://{}/{} is damaged: {}.*Put it again, or delete it"


def flip(path):
    """One bit, with the time of the file as it was."""
    body, times = bytearray(path.read_bytes()), path.stat()
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


HARMS = {
    "its bytes are not those that were put": flip,
    "it has 3 of the 14 bytes that were put": lambda path: path.write_bytes(b"thr"),
    "it has 0 of the 14 bytes that were put": lambda path: path.unlink(),
    "its description is lost": lambda path: described_at(path).unlink(),
}


def file_of(embedded, bucket, key):
    return next(embedded.running.home.objects.glob(f"[0-9]*/{bucket}/{key}"))


def stored(embedded, **bucket):
    """A bucket with one object, read once."""
    name = embedded.bucket(**bucket)
    embedded.put(name, "pictures/dog", b"fourteen bytes")
    assert read(embedded, name) == b"fourteen bytes"
    return name


def read(embedded, bucket, key="pictures/dog", **more):
    return embedded.client("s3").get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def told(embedded):
    return [one.object for one in damaged.read(embedded.running.home)]


@pytest.mark.parametrize("why", HARMS)
def test_a_damaged_object_is_an_error_until_it_is_put_again_or_deleted(embedded, why):
    bucket = stored(embedded)
    HARMS[why](file_of(embedded, bucket, "pictures/dog"))
    for more in ({}, {"Range": "bytes=0-1"}):
        with pytest.raises(ClientError, match=SAID.format(bucket, "pictures/dog", why)) as refused:
            read(embedded, bucket, **more)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    with pytest.raises(ClientError, match="is damaged"):
        embedded.client("s3").copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/pictures/dog")
    assert told(embedded).count(f"s3://{bucket}/pictures/dog") == 1
    embedded.put(bucket, "pictures/dog", b"another")
    assert read(embedded, bucket) == b"another"
    assert f"s3://{bucket}/pictures/dog" not in told(embedded)


def test_a_damaged_object_can_be_deleted(embedded):
    bucket = stored(embedded)
    flip(file_of(embedded, bucket, "pictures/dog"))
    with pytest.raises(ClientError, match="is damaged"):
        read(embedded, bucket)
    embedded.client("s3").delete_object(Bucket=bucket, Key="pictures/dog")
    assert f"s3://{bucket}/pictures/dog" not in told(embedded)
    with pytest.raises(ClientError, match="NoSuchKey"):
        read(embedded, bucket)


def test_a_damaged_object_can_be_replaced_where_the_one_before_is_kept(embedded):
    bucket, s3 = stored(embedded), embedded.client("s3")
    flip(file_of(embedded, bucket, "pictures/dog"))
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    answer = s3.put_object(Bucket=bucket, Key="pictures/dog", Body=b"another")
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
    assert read(embedded, bucket) == b"another"


def put_in_parts(embedded, bucket, key):
    s3 = embedded.client("s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in ((1, bytes(PART)), (2, b"end"))
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


def test_one_that_was_put_in_parts_is_held_by_a_digest_of_its_own_even_after_a_new_description(embedded):
    bucket, s3 = embedded.bucket(), embedded.client("s3")
    put_in_parts(embedded, bucket, "large")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/large")
    s3.put_object_tagging(Bucket=bucket, Key="large", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    for key in ("large", "copy"):
        assert len(read(embedded, bucket, key)) == PART + 3
        flip(file_of(embedded, bucket, key))
        with pytest.raises(ClientError, match=SAID.format(bucket, key, "its bytes are not")):
            read(embedded, bucket, key)
        s3.delete_object(Bucket=bucket, Key=key)


def test_what_lies_there_is_compared_with_its_description(tmp_path):
    path = tmp_path / "object"
    path.write_bytes(b"body")
    whole = {"etag": f'"{md5(b"body")}"', "size": 4}
    assert Stored("", path, whole).fault(deep=True) is None
    assert Stored("", path, {**whole, "size": 5}).fault(deep=False) == "it has 4 of the 5 bytes that were put"
    assert Stored("", path, {"etag": '"0-2"', "digest": md5(b"other"), "size": 4}).fault(deep=True)
    assert Stored("", tmp_path / "none", whole).fault(deep=False) == "its bytes are lost"
    assert description(path) is None
    for damaged_text in ("", "{", "[]", "{}", "7"):
        described_at(path).write_text(damaged_text)
        assert description(path) is None


@pytest.mark.slow
@pytest.mark.xdist_group("tests.local.test_faults")
def test_a_start_finds_what_was_damaged_meanwhile_and_status_names_it(tmp_path):
    folder = tmp_path / "aws"
    try:
        first = Embedded(control.start(state=folder, port=0))
        bucket = first.bucket()
        for key in ("whole", "flipped", "short", "gone", "nameless"):
            first.put(bucket, key, b"fourteen bytes", ContentType="image/jpeg")
        put_in_parts(first, bucket, "large")
        s3, versions = first.client("s3"), first.bucket()
        s3.put_bucket_versioning(Bucket=versions, VersioningConfiguration={"Status": "Enabled"})
        older, newer = (s3.put_object(Bucket=versions, Key="key", Body=body)["VersionId"] for body in (b"one", b"two"))
        control.stop(folder)
        flip(next(Home(folder).objects.glob(f".versions/*/{versions}/{older}/key")))
        place = next(Home(folder).objects.glob(f"[0-9]*/{bucket}"))
        flip(place / "flipped")
        (place / "short").write_bytes(b"fourteen")
        (place / "gone").unlink()
        described_at(place / "nameless").write_text("{")
        second = Embedded(control.start(state=folder, port=0))
        named = {f"s3://{bucket}/{key}" for key in ("flipped", "short", "gone", "nameless")}
        named.add(f"s3://{versions}/key?versionId={older}")
        # Bytes are read in the background.
        for _ in range(100):
            if set(told(second)) == named:
                break
            control.time.sleep(0.05)
        assert set(told(second)) == named
        said = [line for line in sentences(status(second.running)) if line.startswith("  damaged ")]
        assert len(said) == len(named)
        assert read(second, bucket, "whole") == b"fourteen bytes"
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        second.client("s3").put_object_tagging(Bucket=bucket, Key="large", Tagging=tags)
        flip(place / "large")
        for key in ("flipped", "short", "nameless", "large"):
            with pytest.raises(ClientError, match="is damaged"):
                read(second, bucket, key)
        with pytest.raises(ClientError, match="is damaged"):
            read(second, versions, "key", VersionId=older)
        assert read(second, versions, "key", VersionId=newer) == b"two"
        with pytest.raises(ClientError, match="NoSuchKey"):
            read(second, bucket, "gone")
        for key in ("flipped", "short", "gone", "nameless", "large"):
            second.put(bucket, key, b"again")
        second.client("s3").delete_object(Bucket=versions, Key="key", VersionId=older)
        assert told(second) == []
    finally:
        control.stop(folder)
