"""An EC2 instance from a Deep Learning AMI: a shell through Session Manager, and a command that trains."""

from aws_cdk import Aws, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from config.sections.workbench import Box
from stacks.constructs import source_folders
from stacks.constructs.box_role import BoxRole
from stacks.constructs.findings import acknowledge
from stacks.constructs.logs import ExpiringLog
from stacks.constructs.training_code import TrainingCode

PARAMETERS = "/aws/service/deeplearning/ami/x86_64"
# The program that the user data installs, on the path of a shell and of the agent.
TRAIN_COMMAND = "whippet-train"


class TrainingBox(Construct):
    """What may change without another box stands on the instance (its type) or in a parameter (the code's address);
    the launch template holds the rest, and another version of it launches another box."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Box,
        vpc: ec2.IVpc,
        subnet_id: str,
        public: bool,
        weights: str | None,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        code = TrainingCode(self, "Code")
        address = ssm.CfnParameter(
            self,
            "CodeAddress",
            type="String",
            value=code.s3_uri,
            description="Where the box finds the training code of the last deploy",
        )
        log = ExpiringLog(self, "Log", keep_days=config.log_days)
        role = BoxRole(
            self,
            "Role",
            code=code,
            address=address,
            log_group=log.log_group_name,
            weights=weights,
            bucket=bucket,
            key=key,
        )
        profile = iam.CfnInstanceProfile(self, "Profile", roles=[role.role_name])
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Admits nobody; may call https", allow_all_outbound=False
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.HTTPS, "AWS's services, and packages where there is a way")
        template = ec2.CfnLaunchTemplate(
            self,
            "Launch",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                image_id=config.ami_id or f"resolve:ssm:{PARAMETERS}/{config.ami_type}/latest/ami-id",
                iam_instance_profile=ec2.CfnLaunchTemplate.IamInstanceProfileProperty(arn=profile.attr_arn),
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
                ),
                block_device_mappings=[_disk(config, key)],
                network_interfaces=[
                    ec2.CfnLaunchTemplate.NetworkInterfaceProperty(
                        device_index=0,
                        subnet_id=subnet_id,
                        groups=[group.security_group_id],
                        # Without a way out through a public address the public subnet leads nowhere.
                        associate_public_ip_address=public,
                        delete_on_termination=True,
                    )
                ],
                instance_initiated_shutdown_behavior="stop",
                instance_market_options=_spot() if config.market == "spot" else None,
                user_data=Fn.base64(self._user_data(config, bucket, address)),
            ),
        )
        instance = ec2.CfnInstance(
            self,
            "Instance",
            instance_type=config.instance_type,
            launch_template=ec2.CfnInstance.LaunchTemplateSpecificationProperty(
                launch_template_id=template.ref, version=template.attr_latest_version_number
            ),
            propagate_tags_to_volume_on_creation=True,
        )
        acknowledge(instance, "AwsSolutions-EC28", "A box that stops itself has no minutes worth 2 a month to watch")
        acknowledge(instance, "AwsSolutions-EC29", "What it makes goes to the bucket; losing the box loses nothing")
        self.instance_id = instance.ref
        self.log_group = log.log_group_name

    def _user_data(self, config: Box, bucket: s3.IBucket, address: ssm.CfnParameter) -> str:
        settings = Stack.of(self).to_json_string(
            {
                "bucket": bucket.bucket_name,
                "region": Aws.REGION,
                "code_parameter": address.ref,
                "folder": "/opt/whippet/work",
                "idle_minutes": config.idle_minutes,
            }
        )
        script = (source_folders.WORKBENCH / "user_data.sh").read_text()
        program = (source_folders.WORKBENCH / "box.py").read_text()
        return script.replace("@PROGRAM@", program).replace("@SETTINGS@", settings)


def _disk(config: Box, key: kms.IKey) -> ec2.CfnLaunchTemplate.BlockDeviceMappingProperty:
    return ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
        # The root device is called after the system's habits.
        device_name="/dev/sda1" if "ubuntu" in config.ami_type else "/dev/xvda",
        ebs=ec2.CfnLaunchTemplate.EbsProperty(
            volume_type="gp3",
            volume_size=config.volume_gb,
            encrypted=True,
            kms_key_id=key.key_arn,
            delete_on_termination=True,
        ),
    )


def _spot() -> ec2.CfnLaunchTemplate.InstanceMarketOptionsProperty:
    """Only a persistent request can be stopped, by AWS or by the box itself, and be started again."""
    return ec2.CfnLaunchTemplate.InstanceMarketOptionsProperty(
        market_type="spot",
        spot_options=ec2.CfnLaunchTemplate.SpotOptionsProperty(
            spot_instance_type="persistent", instance_interruption_behavior="stop"
        ),
    )
