"""What a box and a notebook can be, and what they need around them."""

from collections.abc import Iterator

from config.instances import ARM_FAMILY, GPU_FAMILIES, NOTEBOOK_SIZES, PRE_TURING_FAMILIES, family
from config.rules.table import Finding, rule
from config.sections.network import Network
from config.sections.workbench import Workbench

# The AMIs fill 50 to 75 GB.
SMALLEST_VOLUME_GB = 100
SPOT_ROLE = "role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"


@rule("workbench")
def disk_holds_the_ami(workbench: Workbench) -> Iterator[Finding]:
    size = workbench.box.volume_gb
    if size < SMALLEST_VOLUME_GB:
        message = f"leaves no room beside a Deep Learning AMI; give {SMALLEST_VOLUME_GB} or more"
        yield Finding("workbench.box.volume_gb", size, message)


@rule("workbench")
def ami_and_instance_fit(workbench: Workbench) -> Iterator[Finding]:
    box = workbench.box
    kind = family(box.instance_type)
    if ARM_FAMILY.fullmatch(kind):
        message = "is an Arm type, and the AMI is for x86-64; choose m5.xlarge"
        yield Finding("workbench.box.instance_type", box.instance_type, message)
    if kind in PRE_TURING_FAMILIES:
        message = (
            "has a GPU that CUDA 13 and NVIDIA's open driver left behind, and with them today's Deep Learning AMIs; "
            "choose g4dn.xlarge or newer"
        )
        yield Finding("workbench.box.instance_type", box.instance_type, message)
    elif kind in GPU_FAMILIES and "gpu" not in box.ami_type:
        message = (
            f"has no driver for the GPU of workbench.box.instance_type = {box.instance_type}; choose a type with -gpu-"
        )
        yield Finding("workbench.box.ami_type", box.ami_type, message)


@rule("workbench")
def spot_needs_leave_to_use_the_key(workbench: Workbench) -> Iterator[Finding]:
    if workbench.box.enabled and workbench.box.market == "spot":
        message = (
            "starts only once EC2's spot role may use this stage's key: aws kms create-grant --key-id KEY "
            f"--grantee-principal arn:aws:iam::ACCOUNT:{SPOT_ROLE} --operations Decrypt Encrypt GenerateDataKey "
            "GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo CreateGrant DescribeKey; and cancel its spot "
            "request before destroying it, or AWS launches another"
        )
        yield Finding("workbench.box.market", "spot", message, refused=False)


@rule("workbench")
def notebooks_come_in_some_types_only(workbench: Workbench) -> Iterator[Finding]:
    chosen = workbench.notebook.instance_type
    sizes = NOTEBOOK_SIZES.get(family(chosen))
    if sizes is None:
        message = f"is no type for notebook instances; choose ml.t3.medium, or one of {', '.join(NOTEBOOK_SIZES)}"
        yield Finding("workbench.notebook.instance_type", chosen, message)
    elif chosen.rsplit(".", 1)[1] not in sizes.split():
        message = f"is no type for notebook instances, which come in these sizes of {family(chosen)}: {sizes}"
        yield Finding("workbench.notebook.instance_type", chosen, message)


@rule("network", "workbench")
def isolated_workbench_is_reachable(network: Network, workbench: Workbench) -> Iterator[Finding]:
    if not network.isolated:
        return
    needed = {
        "workbench.box.enabled": (
            workbench.box.enabled,
            ["ssm", "ssmmessages"],
            "nobody could open a shell on the box",
        ),
        "workbench.notebook.enabled": (
            workbench.notebook.enabled,
            ["sagemaker.api"],
            "the notebook could start no job",
        ),
    }
    for key, (enabled, services, consequence) in needed.items():
        missing = [service for service in services if service not in network.interface_endpoints]
        if enabled and missing:
            message = (
                f"while network.isolated = true, {consequence} without the endpoint {' and '.join(missing)}; add it to "
                "network.interface_endpoints"
            )
            yield Finding(key, True, message)
