"""What is accepted and has no effect: the whole list, each with its reason. None of it concerns permissions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inert:
    """One thing that a template or a caller may ask for, and why nothing comes of it."""

    what: str
    reason: str


ACCEPTED_WITHOUT_EFFECT = (
    Inert("InstanceType of an endpoint's variant, memory size of a function", "every process has this machine"),
    Inert("VolumeSizeInGB, KmsKeyId of an endpoint config", "no volume is attached, so there is none to encrypt"),
    Inert("EnableNetworkIsolation of a model", "a container is a process here and shares this machine's network"),
    Inert("ModelDataDownloadTimeoutInSeconds", "the model is on this machine already"),
    Inert("CodeBuild projects", "kept and described; a build needs Docker, so images come from the registry file"),
    Inert("S3 lifecycle transitions", "kept and described; there is one kind of storage here, at one price"),
    Inert(
        "VPCs, subnets, routes, security groups, VPC endpoints and their policies, flow logs",
        "kept and described; every process here is on this machine's loopback, so no packet crosses them",
    ),
    Inert("KMS key rotation, deletion windows", "kept and described; no time passes that would matter"),
    Inert("Tags for cost allocation, budgets, log retention", "nothing is billed here"),
)
