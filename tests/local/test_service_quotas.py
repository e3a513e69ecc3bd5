"""What the machine's memory allows in jobs, as Service Quotas tells it; and images that the registry file names."""

import pytest
from botocore.exceptions import ClientError

from tests.embedded import AWS_IMAGE, statement


def names(embedded, listing):
    pages = embedded.client("service-quotas").get_paginator(listing).paginate(ServiceCode="sagemaker")
    return {one["QuotaName"]: one for one in pages.search("Quotas[]")}


def test_each_type_and_kind_of_job_has_the_machines_limit(embedded):
    found = names(embedded, "list_service_quotas")
    quota = found["ml.m5.xlarge for training job usage"]
    assert quota["Value"] >= 1
    assert found["ml.m5.xlarge for processing job usage"]["Value"] == quota["Value"]
    assert names(embedded, "list_aws_default_service_quotas").keys() == found.keys()
    one = embedded.client("service-quotas").get_service_quota(ServiceCode="sagemaker", QuotaCode=quota["QuotaCode"])
    assert one["Quota"]["QuotaName"] == "ml.m5.xlarge for training job usage"


def test_what_the_machine_does_not_bound_has_no_quota(embedded):
    assert "ml.m5.large for endpoint usage" not in names(embedded, "list_service_quotas")
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        embedded.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")


def test_quotas_are_read_by_who_may(embedded):
    keys = embedded.acting(statement("s3:ListBucket", "*"))
    with pytest.raises(ClientError, match="AccessDenied.*servicequotas:ListServiceQuotas"):
        embedded.client("service-quotas", keys).list_service_quotas(ServiceCode="sagemaker")


def place(uri):
    registry, _, rest = uri.partition(".")
    name, _, tag = rest.partition("/")[2].rpartition(":")
    return {"registryId": registry, "repositoryName": name, "imageIds": [{"imageTag": tag}]}


def test_an_image_of_the_registry_file_is_there_whosoever_registry_it_is(embedded):
    (found,) = embedded.client("ecr").describe_images(**place(AWS_IMAGE))["imageDetails"]
    assert found["imageTags"] == ["1"]


def test_any_other_image_is_not(embedded):
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        embedded.client("ecr").describe_images(**place(AWS_IMAGE.replace("sample", "other")))


def test_images_are_described_to_who_may(embedded):
    keys = embedded.acting(statement("s3:ListBucket", "*"))
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("ecr", keys).describe_images(**place(AWS_IMAGE))
