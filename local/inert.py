"""What is accepted without effect: the whole list, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inert:
    """One thing that a template or a caller may ask for, and why nothing comes of it."""

    what: str
    reason: str
    # "TYPE.Property" of a template, where it is one of its own.
    properties: tuple[str, ...] = ()


ACCEPTED_WITHOUT_EFFECT = (
    Inert(
        "InstanceType of an endpoint's variant, a job, an EC2 or a notebook instance; memory of a function or of a "
        "serverless variant",
        "every process has this machine",
        (
            "AWS::EC2::Instance.InstanceType",
            "AWS::Lambda::Function.MemorySize",
            "AWS::SageMaker::NotebookInstance.InstanceType",
        ),
    ),
    Inert(
        "Runtime and Architectures of a function",
        "its code runs with this project's Python (or this machine's Node) on this machine's processor",
        ("AWS::Lambda::Function.Architectures", "AWS::Lambda::Function.Runtime"),
    ),
    Inert(
        "The AMI of an EC2 instance, PlatformIdentifier of a notebook instance",
        "their programs are this machine's and this project's",
        ("AWS::SageMaker::NotebookInstance.PlatformIdentifier",),
    ),
    Inert("InstanceTenancy of a VPC", "this machine has the one tenant", ("AWS::EC2::VPC.InstanceTenancy",)),
    Inert(
        "VolumeSizeInGB of a job, an endpoint config or a notebook instance; size, type and tags of EC2's volumes",
        "files lie on this machine's disk, which has the room that it has; they are described as asked for",
        (
            "AWS::EC2::Instance.PropagateTagsToVolumeOnCreation",
            "AWS::SageMaker::NotebookInstance.VolumeSizeInGB",
        ),
    ),
    Inert(
        "What a volume's KMS key encrypts",
        "its use is asked for as on AWS, and what it may not encrypt is not made; files on this machine's disk are as "
        "safe as its user's own",
        ("AWS::SageMaker::EndpointConfig.KmsKeyId", "AWS::SageMaker::NotebookInstance.KmsKeyId"),
    ),
    Inert(
        "What a topic's KMS key encrypts, a queue's own encryption",
        "the use of a topic's key is asked of whoever publishes, and policies say who may publish, send and receive, "
        "but messages lie in this process's memory and state unencrypted",
        ("AWS::SQS::Queue.SqsManagedSseEnabled",),
    ),
    Inert("X-Ray tracing of functions", "there is no X-Ray here", ("AWS::Lambda::Function.TracingConfig",)),
    Inert("ModelDataDownloadTimeoutInSeconds", "the model is on this machine already"),
    Inert(
        "CodeBuild projects",
        "kept and described; a build needs Docker, so images come from the registry file",
        (
            "AWS::CodeBuild::Project.Artifacts",
            "AWS::CodeBuild::Project.Environment",
            "AWS::CodeBuild::Project.LogsConfig",
            "AWS::CodeBuild::Project.QueuedTimeoutInMinutes",
            "AWS::CodeBuild::Project.Source",
            "AWS::CodeBuild::Project.TimeoutInMinutes",
        ),
    ),
    Inert(
        "Scans and lifecycle policies of an image repository",
        "no image is stored here: each is a command of the registry file",
        ("AWS::ECR::Repository.ImageScanningConfiguration", "AWS::ECR::Repository.LifecyclePolicy"),
    ),
    Inert(
        "MaximumBatchingWindowInSeconds of an event source mapping",
        "a function is called with what is there, as soon as anything is",
        ("AWS::Lambda::EventSourceMapping.MaximumBatchingWindowInSeconds",),
    ),
    Inert(
        "HttpPutResponseHopLimit of an EC2 instance", "its metadata service is on loopback, from which no packet hops"
    ),
    Inert("SpotPrice and MaxPrice of EC2", "nothing is billed here, and no price takes an instance's capacity away"),
    Inert(
        "KMS key rotation, the end of a deletion window",
        "what a key has encrypted is readable after a rotation; one to be deleted is of no use from the request on",
        ("AWS::KMS::Key.EnableKeyRotation",),
    ),
    Inert(
        "Tags for cost allocation, budgets",
        "nothing is billed here",
        (
            "AWS::Budgets::Budget.Budget",
            "AWS::Budgets::Budget.NotificationsWithSubscribers",
            "AWS::Budgets::Budget.ResourceTags",
            "AWS::Lambda::EventSourceMapping.Tags",
        ),
    ),
    Inert(
        "CloudWatch dashboards",
        "kept and described; nothing here draws them",
        ("AWS::CloudWatch::Dashboard.DashboardBody",),
    ),
)
