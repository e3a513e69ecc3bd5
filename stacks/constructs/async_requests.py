"""Where an asynchronous endpoint's requests and results lie, and what a function needs to leave and fetch them."""

from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.statements import objects

# As in lambda_src/predict/waiting.py; a test holds the two together.
WRITTEN = ("async/input", "async/tickets")
READ = ("async/tickets", "async/output", "async/failure")


@dataclass(frozen=True)
class AsyncRequests:
    bucket: s3.IBucket

    def statements(self) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(sid="LeaveRequests", actions=["s3:PutObject"], resources=self._arns(WRITTEN)),
            iam.PolicyStatement(sid="FetchResults", actions=["s3:GetObject"], resources=self._arns(READ)),
        ]

    def acknowledge(self, place: IConstruct) -> None:
        for prefix in sorted({*WRITTEN, *READ}):
            acknowledge_wildcard(
                place,
                objects(self.bucket, prefix),
                "Each request has an id that nobody can guess; the prefix is theirs alone",
            )

    def _arns(self, prefixes: tuple[str, ...]) -> list[str]:
        return [self.bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes]
