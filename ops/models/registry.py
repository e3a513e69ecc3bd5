"""Versions of the stage's model group, as SageMaker's registry tells them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from ops.errors import OperatorError

APPROVED, REJECTED, PENDING = "Approved", "Rejected", "PendingManualApproval"
BY, AT = "approved_by", "approved_at"
LONGEST_METADATA = 256
AT_ONCE = 8


@dataclass(frozen=True)
class Version:
    number: int
    arn: str
    status: str
    url: str
    """Of its artefact."""
    registered: str
    reason: str
    approved_by: str
    approved_at: str
    evaluation_url: str
    image: str

    @property
    def artifact(self) -> str:
        """As the stage file names it: the key in the stage's bucket."""
        return urlsplit(self.url).path.lstrip("/")

    @property
    def run_url(self) -> str:
        """The folder of the pipeline's run that made it; empty where none did."""
        folder, found, _ = self.evaluation_url.partition("/evaluation/")
        return folder if found else ""

    @property
    def run(self) -> str:
        return self.run_url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Registry:
    """`sagemaker` is a client of boto3's."""

    sagemaker: Any
    group: str

    def versions(self) -> list[Version]:
        """The youngest first."""
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=self.group)
        arns = [arn for arn in pages.search("ModelPackageSummaryList[].ModelPackageArn") if arn]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(self._described, arns))
        return sorted(found, key=lambda one: one.number, reverse=True)

    def find(self, number: str | None) -> Version:
        """One by its number; without it the youngest that nobody has rejected."""
        found = self.versions()
        if number is None:
            chosen = next((one for one in found if one.status != REJECTED), None)
            if chosen is None:
                raise OperatorError(
                    f"{self.group} holds no version that was not rejected: run the pipeline first, "
                    "`python -m ops pipeline run`."
                )
            return chosen
        chosen = next((one for one in found if str(one.number) == number.removeprefix("v")), None)
        if chosen is None:
            known = ", ".join(str(one.number) for one in reversed(found)) or "none"
            raise OperatorError(f"{self.group} has no version {number}; it has {known}.")
        return chosen

    def approve(self, version: Version, *, reason: str, by: str, at: str, anew: bool = False) -> None:
        """The registry says from now on who wants it served, when and why; said once, it stays, unless `anew`."""
        if anew or version.status != APPROVED:
            self._decide(version.arn, APPROVED, reason, {BY: by[:LONGEST_METADATA], AT: at})

    def reject(self, version: Version, *, reason: str, by: str, at: str) -> None:
        self._decide(version.arn, REJECTED, reason, {"rejected_by": by[:LONGEST_METADATA], "rejected_at": at})

    def _decide(self, arn: str, status: str, reason: str, metadata: dict[str, str]) -> None:
        self.sagemaker.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus=status,
            ApprovalDescription=reason[:1024],
            CustomerMetadataProperties=metadata,
        )

    def _described(self, arn: str) -> Version:
        return version_of(self.sagemaker.describe_model_package(ModelPackageName=arn))


def version_of(found: dict[str, Any]) -> Version:
    container = found["InferenceSpecification"]["Containers"][0]
    metadata = found.get("CustomerMetadataProperties", {})
    evaluation = found.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    return Version(
        number=int(found["ModelPackageVersion"]),
        arn=found["ModelPackageArn"],
        status=found["ModelApprovalStatus"],
        url=container["ModelDataUrl"],
        registered=found["CreationTime"].astimezone().isoformat(timespec="seconds"),
        reason=found.get("ApprovalDescription", ""),
        approved_by=metadata.get(BY, ""),
        approved_at=metadata.get(AT, ""),
        evaluation_url=evaluation.get("S3Uri", ""),
        image=container.get("Image", ""),
    )


def registered(sagemaker: Any, arn: str) -> Version:  # noqa: ANN401 - boto3 makes its clients at run time
    """The version that this ARN names."""
    try:
        return version_of(sagemaker.describe_model_package(ModelPackageName=arn))
    except ClientError as error:
        if "does not exist" in str(error):
            raise OperatorError(f"The registry has no {arn}.") from None
        raise
