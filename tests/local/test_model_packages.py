"""The model registry: versions of a group, their approval, and a group that keeps them."""

import pytest
from botocore.exceptions import ClientError

from tests.embedded import fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)
SPECIFICATION = {
    "Containers": [{"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}],
    "SupportedContentTypes": ["image/jpeg"],
    "SupportedResponseMIMETypes": ["application/json"],
}


@pytest.fixture
def group(embedded):
    name = fresh("group")
    embedded.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


def register(embedded, group, keys=None, **more):
    request = {"ModelPackageGroupName": group, "InferenceSpecification": SPECIFICATION, **more}
    return embedded.client("sagemaker", keys).create_model_package(**request)["ModelPackageArn"]


def test_versions_are_numbered_and_a_number_never_comes_back(embedded, group):
    sagemaker = embedded.client("sagemaker")
    first, second = register(embedded, group), register(embedded, group)
    assert (first[-len(group) - 2 :], second[-2:]) == (f"{group}/1", "/2")
    sagemaker.delete_model_package(ModelPackageName=second)
    assert register(embedded, group).endswith("/3")
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert [one["ModelPackageVersion"] for one in listed] == [1, 3]
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package(ModelPackageName=second)


def test_a_package_is_approved_with_a_reason_and_found_by_it(embedded, group):
    sagemaker = embedded.client("sagemaker")
    package = register(embedded, group, CustomerMetadataProperties={"data": "abc", "run": "1"})
    register(embedded, group)
    sagemaker.update_model_package(
        ModelPackageArn=package,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looked at it",
        CustomerMetadataProperties={"data": "def"},
        CustomerMetadataPropertiesToRemove=["run"],
    )
    found = sagemaker.describe_model_package(ModelPackageName=package)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Approved", "looked at it")
    assert found["CustomerMetadataProperties"] == {"data": "def"}
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert [one["ModelPackageArn"] for one in listed["ModelPackageSummaryList"]] == [package]


def test_a_group_that_holds_packages_is_not_deleted(embedded, group):
    sagemaker, package = embedded.client("sagemaker"), register(embedded, group)
    with pytest.raises(ClientError, match="contains 1 model package"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    sagemaker.delete_model_package(ModelPackageName=package)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)


def test_who_may_register_in_one_group_may_not_approve_or_register_elsewhere(embedded, group):
    here = "arn:aws:sagemaker:us-east-1:000000000000"
    own = [f"{here}:model-package-group/{group}", f"{here}:model-package/{group}/*"]
    keys = embedded.acting(statement("sagemaker:CreateModelPackage", own))
    package = register(embedded, group, keys)
    other = fresh("group")
    embedded.client("sagemaker").create_model_package_group(ModelPackageGroupName=other)
    with pytest.raises(ClientError, match="AccessDenied.*CreateModelPackage"):
        register(embedded, other, keys)
    with pytest.raises(ClientError, match="AccessDenied.*UpdateModelPackage"):
        embedded.client("sagemaker", keys).update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "has the group's tags"),
        ({"ModelPackageGroupName": "nobodys"}, "Could not find model package group"),
        ({"CertifyForMarketplace": True}, "CertifyForMarketplace is not available"),
    ],
)
def test_what_a_package_cannot_be_is_refused(embedded, group, more, sentence):
    with pytest.raises(ClientError, match=sentence):
        register(embedded, group, **more)
