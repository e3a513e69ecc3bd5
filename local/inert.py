"""What is accepted without effect: the whole list, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inert:
    """One thing that a template or a caller may ask for, and why nothing comes of it."""

    what: str
    reason: str


ACCEPTED_WITHOUT_EFFECT = (
    Inert(
        "InstanceType of an endpoint's variant, a job, an EC2 or a notebook instance; memory of a function or of a "
        "serverless variant",
        "every process has this machine",
    ),
    Inert(
        "VolumeSizeInGB of a job, an endpoint config or a notebook instance; size and type of EC2's volumes",
        "files lie on this machine's disk, which has the room that it has; they are described as asked for",
    ),
    Inert("ModelDataDownloadTimeoutInSeconds", "the model is on this machine already"),
    Inert("CodeBuild projects", "kept and described; a build needs Docker, so images come from the registry file"),
    Inert(
        "HttpPutResponseHopLimit of an EC2 instance", "its metadata service is on loopback, from which no packet hops"
    ),
    Inert("SpotPrice and MaxPrice of EC2", "nothing is billed here, and no price takes an instance's capacity away"),
    Inert(
        "KMS key rotation, the end of a deletion window",
        "what a key has encrypted is readable after a rotation; one to be deleted is of no use from the request on",
    ),
    Inert("Tags for cost allocation, budgets", "nothing is billed here"),
    Inert("CloudWatch dashboards", "kept and described; nothing here draws them"),
)
