"""Where people try things: a training box on EC2, and a notebook instance."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import InstanceType, LogDays, Section

Ec2Type = Annotated[str, Field(pattern=r"^[a-z0-9-]+\.(nano|micro|small|medium|large|xlarge|[0-9]+xlarge)$")]
AmiType = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]+$")]
AmiId = Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8}([0-9a-f]{9})?$")]
IdleMinutes = Annotated[int, Field(ge=10, le=1440)]


class Box(Section):
    enabled: bool
    """Whether there is an EC2 instance to train on by hand."""
    instance_type: Ec2Type
    """Its type; another one restarts it and keeps its disk."""
    ami_type: AmiType
    """Which Deep Learning AMI, as named in /aws/service/deeplearning/ami/x86_64/; looked up when a box is launched."""
    ami_id: AmiId | None = None
    """One AMI for good, instead of the newest of its type."""
    volume_gb: Annotated[int, Field(le=16_384)]
    """Size of its disk, which also holds the AMI."""
    market: Literal["on-demand", "spot"]
    """How it is paid: "spot" may be stopped by AWS at two minutes' notice, and starts again by itself."""
    log_days: LogDays
    """Days for which what commands on it said is kept."""
    idle_minutes: IdleMinutes
    """Minutes without load, login or command after which it stops itself."""


class Notebook(Section):
    enabled: bool
    """Whether there is a notebook instance."""
    instance_type: InstanceType
    """Its type; it only has to launch jobs."""
    volume_gb: Annotated[int, Field(ge=5, le=16_384)]
    """Size of its disk."""
    rights: Literal["train", "all"]
    """What its role may do: bring data and start training jobs, or all that notebooks/operationalize.ipynb does."""
    idle_minutes: IdleMinutes
    """Minutes without a busy kernel or terminal after which it stops itself."""


class Workbench(Section):
    box: Box
    notebook: Notebook
