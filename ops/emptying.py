"""What CloudFormation refuses to delete while something is in it: buckets and model package groups."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError

# Clients are made at run time.
Client = Any
BATCH = 1000  # what one DeleteObjects takes
Progress = Callable[[int], None]


def close_log(s3: Client, bucket: str) -> str:
    """Emptying is itself logged: without this the bucket of the log, which is named, would never be empty."""
    log = s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled", {}).get("TargetBucket", "")
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    return str(log)


def stop_deliveries(s3: Client, bucket: str) -> None:
    """S3 delivers late; without the policy that lets it, it cannot any more."""
    s3.delete_bucket_policy(Bucket=bucket)


def bucket_exists(s3: Client, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def empty_bucket(s3: Client, bucket: str, progress: Progress) -> int:
    """Every object, version, delete marker and unfinished upload; how many there were."""
    count = 0
    for batch in _batches(_versions(s3, bucket)):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise OperatorError(f"s3://{bucket}/{first['Key']} could not be deleted: {first['Message']}")
        count += len(batch)
        progress(count)
    for upload in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket).search("Uploads[]"):
        if upload:
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            count += 1
            progress(count)
    return count


def _versions(s3: Client, bucket: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for found in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": found["Key"], "VersionId": found["VersionId"]}


def _batches(objects: Iterator[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    for found in objects:
        batch.append(found)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def delete_packages(sagemaker: Client, group: str) -> int:
    """Every registered model of the group; how many there were."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    arns = list(pages.search("ModelPackageSummaryList[].ModelPackageArn"))
    for arn in arns:
        sagemaker.delete_model_package(ModelPackageName=arn)
    return len(arns)


def delete_log_group(logs: Client, name: str) -> bool:
    """False where there is none."""
    try:
        logs.delete_log_group(logGroupName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    return True
