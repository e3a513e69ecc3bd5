"""Where images lie that are too large for a request, and what a function needs to let them in and read them."""

from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from stacks.constructs.buckets import UPLOADS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.statements import objects


@dataclass(frozen=True)
class Uploads:
    bucket: s3.IBucket

    def statements(self) -> list[iam.PolicyStatement]:
        """Who holds a signed URL puts with the rights of the function that signed it, for one key, type and size."""
        place = [self.bucket.arn_for_objects(f"{UPLOADS_PREFIX}/*")]
        return [
            iam.PolicyStatement(sid="LetUploadsIn", actions=["s3:PutObject"], resources=place),
            iam.PolicyStatement(sid="ReadUploads", actions=["s3:GetObject"], resources=place),
        ]

    def acknowledge(self, place: IConstruct) -> None:
        reason = "Each upload has a key that nobody can guess; the prefix is theirs alone"
        acknowledge_wildcard(place, objects(self.bucket, UPLOADS_PREFIX), reason)
