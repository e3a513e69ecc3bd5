"""A SageMaker notebook instance that stops itself when nobody works in it."""

import json

from aws_cdk import Aws, Fn, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from config.names import Names
from config.sections.training import Training
from config.sections.workbench import Notebook as Config
from stacks.constructs import source_folders
from stacks.constructs.findings import acknowledge
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.notebook_files import NotebookFiles
from stacks.constructs.notebook_role import NotebookRole
from stacks.constructs.notebook_work import NotebookWork
from stacks.constructs.placement import Placement

PLATFORM = "notebook-al2023-v1"


class Notebook(Construct):
    """Without root, with IMDSv2, and under a key of its own, so that its disk opens no data set."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        jobs: Training,
        training_role: iam.IRole,
        tuning_role: iam.IRole,
        endpoint: ModelEndpoint,
        names: Names,
        retain: bool,
        placement: Placement | None,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        removal = RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY
        own_key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=removal)
        files = NotebookFiles(self, "Files") if config.rights == "all" else None
        work = (
            NotebookWork(
                self,
                names=names,
                jobs=jobs,
                tuning_role=tuning_role,
                endpoint=endpoint,
                files=files,
                placement=placement,
                bucket=bucket,
                key=key,
            )
            if files
            else None
        )
        role = NotebookRole(
            self,
            "Role",
            names=names,
            jobs=jobs,
            training_role=training_role,
            placement=placement,
            bucket=bucket,
            key=key,
            work=work,
        )
        lifecycle = sagemaker.CfnNotebookInstanceLifecycleConfig(
            self,
            "Lifecycle",
            on_start=[
                sagemaker.CfnNotebookInstanceLifecycleConfig.NotebookInstanceLifecycleHookProperty(
                    content=Fn.base64(on_start(config.idle_minutes, names, files))
                )
            ],
        )
        notebook = sagemaker.CfnNotebookInstance(
            self,
            "Instance",
            instance_type=config.instance_type,
            role_arn=role.role_arn,
            platform_identifier=PLATFORM,
            volume_size_in_gb=config.volume_gb,
            kms_key_id=own_key.key_arn,
            root_access="Disabled",
            direct_internet_access="Disabled" if placement else "Enabled",
            subnet_id=placement.subnet_ids[0] if placement else None,
            security_group_ids=[self._group(placement)] if placement else None,
            instance_metadata_service_configuration=(
                sagemaker.CfnNotebookInstance.InstanceMetadataServiceConfigurationProperty(
                    minimum_instance_metadata_service_version="2"
                )
            ),
            lifecycle_config_name=lifecycle.attr_notebook_instance_lifecycle_config_name,
        )
        if placement is None:
            for finding in ("AwsSolutions-SM1", "AwsSolutions-SM3"):
                acknowledge(
                    notebook, finding, "Installs packages; network.isolated = true puts it inside, without the internet"
                )
        self.name = notebook.attr_notebook_instance_name

    def _group(self, placement: Placement) -> str:
        group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=placement.vpc,
            description="Admits nobody; may call https",
            allow_all_outbound=False,
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.HTTPS, "The endpoints of AWS's services")
        return group.security_group_id


def on_start(idle_minutes: int, names: Names, files: NotebookFiles | None) -> str:
    """The script of every start; without `files` it brings none."""
    script = (source_folders.WORKBENCH / "notebook_start.sh").read_text()
    program = (source_folders.WORKBENCH / "notebook_idle.py").read_text()
    gaps = {
        "PROGRAM": program,
        "IDLE_MINUTES": str(idle_minutes),
        "NOTEBOOKS": files.s3_uri if files else "",
        "REGION": Aws.REGION,
        "STAGE": json.dumps({"project": names.project, "stage": names.stage}),
    }
    for gap, text in gaps.items():
        script = script.replace(f"@{gap}@", text)
    return script
