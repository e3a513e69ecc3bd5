"""Which AMI a launch means: an id, or a Systems Manager parameter that is looked up when it is launched."""

import hashlib

from local import joints, joints_ec2
from local.json_service import Authority, AwsError

RESOLVED = "resolve:ssm:"
DEEP_LEARNING = "/aws/service/deeplearning/ami/x86_64/{}/latest/ami-id"
# AWS publishes these; a launch by another type fails here as there.
DEEP_LEARNING_TYPES = (
    "base-oss-nvidia-driver-gpu-amazon-linux-2023",
    "oss-nvidia-driver-gpu-pytorch-2.10-amazon-linux-2023",
    "oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04",
)


def publish() -> None:
    """Parameters that every account can read and none can write."""
    for kind in DEEP_LEARNING_TYPES:
        name = DEEP_LEARNING.format(kind)
        joints_ec2.publish_image(name, f"ami-{hashlib.sha256(name.encode()).hexdigest()[:17]}")


def resolve(authority: Authority, image: str) -> str:
    if not image.startswith(RESOLVED):
        return image
    name = image.removeprefix(RESOLVED)
    owner = "" if name.startswith("/aws/") else joints.account()
    authority.require("ssm:GetParameters", f"arn:aws:ssm:{joints.current_region()}:{owner}:parameter/{name.strip('/')}")
    found = joints_ec2.parameter(name)
    if found is None:
        raise AwsError("InvalidParameterValue", f"The parameter {name} of {image} does not exist.")
    return found
