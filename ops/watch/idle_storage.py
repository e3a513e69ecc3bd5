"""What is kept and used by nobody: images, halves of uploads, replaced versions, what a destroyed stack left."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from ops.prices import HOURS_A_MONTH
from ops.spans import in_words
from ops.watch.idlers import Ground, Idler, is_worth_telling, stored

MONTH, DAY = timedelta(days=30), timedelta(days=1)
# A thousand objects each; a bucket with more is looked at so far and no further.
PAGES, UPLOADS = 100, 200
ROOMS = ("data", "image", "network", "training", "serving", "api", "operations", "workbench")


def images(ground: Ground) -> Iterator[Idler]:
    """Of the stage's own repository. ECR deletes by itself only what is beyond the newest twenty."""
    ecr = ground.stage.client("ecr")
    for repository in ground.stage.resources("image", "AWS::ECR::Repository"):
        served = _images_served(ground)
        pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository)
        old = [one for one in pages.search("imageDetails[]") if one and _is_unused(ground, one, served)]
        costs = stored(ground.prices.other("image GiB-month"), sum(one["imageSizeInBytes"] for one in old))
        if old and is_worth_telling(costs):
            yield Idler(
                f"{len(old)} images",
                repository,
                f"no pull for {in_words(MONTH)}",
                "lastRecordedPullTime, and no model of the endpoint names them",
                costs,
                f"aws ecr batch-delete-image --repository-name {repository} --image-ids imageDigest=...",
            )


def _is_unused(ground: Ground, image: dict[str, Any], served: set[str]) -> bool:
    last: datetime = image.get("lastRecordedPullTime") or image["imagePushedAt"]
    known = {image["imageDigest"], *image.get("imageTags", [])}
    return ground.now - last >= MONTH and not known & served


def _images_served(ground: Ground) -> set[str]:
    """Tags and digests that the endpoint's models name."""
    name = (ground.stage.find("serving") or {}).get("EndpointName")
    if name is None:
        return set()
    sagemaker = ground.stage.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    found = sagemaker.describe_endpoint_config(EndpointConfigName=config)
    variants = [*found["ProductionVariants"], *found.get("ShadowProductionVariants", [])]
    models = [sagemaker.describe_model(ModelName=one["ModelName"]) for one in variants]
    containers = [one for model in models for one in [model.get("PrimaryContainer"), *model.get("Containers", [])]]
    return {one["Image"].rpartition("@" if "@" in one["Image"] else ":")[2] for one in containers if one}


def unfinished_uploads(ground: Ground) -> Iterator[Idler]:
    """Parts of what never became an object; no listing of objects shows them."""
    bucket = (ground.stage.find("data") or {}).get("BucketName")
    if bucket is None:
        return
    s3 = ground.stage.client("s3")
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    begun = (one for one in pages.search("Uploads[]") if one and ground.now - one["Initiated"] >= DAY)
    old = list(islice(begun, UPLOADS))
    size = sum(_parts(s3, bucket, one) for one in old)
    costs = stored(ground.prices.other("S3 GiB-month"), size)
    if old and is_worth_telling(costs):
        yield Idler(
            f"{len(old)} unfinished uploads",
            bucket,
            f"begun {in_words(DAY)} ago or longer",
            "the bucket's multipart uploads, and the parts of each",
            costs,
            "the bucket's own rule after 7 days, or aws s3api abort-multipart-upload",
        )


def _parts(s3: Any, bucket: str, upload: dict[str, Any]) -> int:  # noqa: ANN401 - boto3's client
    pages = s3.get_paginator("list_parts").paginate(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return sum(size for size in pages.search("Parts[].Size") if size)


def replaced_versions(ground: Ground) -> Iterator[Idler]:
    """What was deleted or written over is kept, and billed, for data.noncurrent_days."""
    bucket = (ground.stage.find("data") or {}).get("BucketName")
    if bucket is None:
        return
    pages = ground.stage.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
    count = size = 0
    for page in islice(pages, PAGES):
        old = [one["Size"] for one in page.get("Versions", []) if not one["IsLatest"]]
        count, size = count + len(old), size + sum(old)
    costs = stored(ground.prices.other("S3 GiB-month"), size)
    if count and is_worth_telling(costs):
        yield Idler(
            f"{count} replaced versions, {size / 1e9:.1f} GB",
            bucket,
            "deleted or written over",
            f"the bucket's versions, the first {PAGES * 1000:,} of them",
            costs,
            f"they go {ground.stage.config.data.noncurrent_days} days after that; data.noncurrent_days says when",
        )


def left_behind(ground: Ground) -> Iterator[Idler]:
    """Keys, buckets and repositories with the stage's tags that none of its stacks holds: `destroy` keeps data."""
    pages = ground.stage.client("resourcegroupstaggingapi").get_paginator("get_resources")
    asked = [{"Key": key, "Values": [value]} for key, value in ground.tags.items()]
    found = pages.paginate(TagFilters=asked, ResourceTypeFilters=["kms:key", "s3", "ecr:repository"])
    arns = [arn for arn in found.search("ResourceTagMappingList[].ResourceARN") if arn]
    looks = {"kms": _key, "s3": _bucket, "ecr": _repository}
    held = {name for room in ROOMS for name in ground.stage.resources(room)} if arns else set()
    for arn in arns:
        name = arn.rsplit(":", 1)[-1].removeprefix("key/").removeprefix("repository/")
        if name not in held and (idler := looks[arn.split(":")[2]](ground, name)):
            yield idler


ITS_TAGS = "it has the tags of the stage"


def _key(ground: Ground, name: str) -> Idler | None:
    state = ground.stage.client("kms").describe_key(KeyId=name)["KeyMetadata"]["KeyState"]
    if state == "PendingDeletion":
        return None
    month = ground.prices.other("key month")
    return Idler(
        "key",
        name,
        "in none of the stage's stacks",
        ITS_TAGS,
        None if month is None else month / HOURS_A_MONTH,
        "if nothing that was encrypted with it is wanted: "
        f"aws kms schedule-key-deletion --key-id {name} --pending-window-in-days 30",
    )


def _bucket(ground: Ground, name: str) -> Idler | None:
    dimensions = {"BucketName": name, "StorageType": "StandardStorage"}
    daily = ground.readings("AWS/S3:BucketSizeBytes", dimensions, "Average", ground.now - 3 * DAY, 86_400)
    size = daily[max(daily)] if daily else None
    return Idler(
        "bucket" if size is None else f"bucket, {size / 1e9:.1f} GB",
        name,
        "in none of the stage's stacks",
        f"{ITS_TAGS}; BucketSizeBytes of AWS/S3",
        None if size is None else stored(ground.prices.other("S3 GiB-month"), size),
        f"if nothing in it is wanted: python -m ops destroy --stage {ground.stage.name} --also-data",
    )


def _repository(ground: Ground, name: str) -> Idler | None:
    pages = ground.stage.client("ecr").get_paginator("describe_images").paginate(repositoryName=name)
    size = sum(one for one in pages.search("imageDetails[].imageSizeInBytes") if one)
    return Idler(
        f"repository, {size / 1e9:.1f} GB",
        name,
        "in none of the stage's stacks",
        ITS_TAGS,
        stored(ground.prices.other("image GiB-month"), size),
        f"aws ecr delete-repository --force --repository-name {name}",
    )
