"""The pipeline from a data set to a registered model, its roles, its code, and what starts it by itself."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from config import StageConfig
from config.instances import has_gpu
from config.names import Names
from config.registries import training_image
from stacks.constructs.intake import Intake
from stacks.constructs.job_role import JobRole
from stacks.constructs.pipeline_jobs import Places
from stacks.constructs.pipeline_role import PipelineRole
from stacks.constructs.pipeline_steps import definition
from stacks.constructs.placement import Placement
from stacks.constructs.serving_image import registered_image
from stacks.constructs.step_data import steps_of
from stacks.constructs.training_code import TrainingCode
from stacks.data import DataStack
from stacks.image import ImageStack


class TrainingStack(Stack):
    """Costs nothing until the pipeline runs."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        names: Names,
        data: DataStack,
        image: ImageStack | None,
        placement: Placement | None = None,
        env: Environment,
    ) -> None:
        super().__init__(scope, id, env=env, description="Whippet's pipeline from a data set to a registered model")
        # The group that models are registered in is named, so that nothing but this keeps the order.
        self.add_stack_dependency(data)
        own, region = config.training, config.stage.region
        code = TrainingCode(self, "Code")
        roles = {
            step: JobRole(
                self,
                f"{step}Role",
                kind=kind,
                data=touched,
                code=code,
                bucket=data.bucket,
                key=data.key,
                encrypts_volume=own.encrypt_volume,
                placed=placement is not None,
            )
            for step, (kind, touched) in steps_of(own).items()
        }
        role = PipelineRole(
            self,
            "PipelineRole",
            pipeline_name=names.pipeline,
            group_name=names.model_group,
            config=own,
            step_roles=list(roles.values()),
            bucket=data.bucket,
            key=data.key,
            placement=placement,
        )
        places = Places(
            bucket=data.bucket.bucket_name,
            code_uri=code.s3_uri,
            code_file=code.object_key,
            key=data.key.key_arn,
            training_image=training_image(region, gpu=has_gpu(own.instance_type)),
            tuning_image=training_image(region, gpu=has_gpu(own.tuning.instance_type)),
            processing_image=training_image(region, gpu=has_gpu(own.processing.instance_type)),
            registered_image=registered_image(self, config.image, image.builder if image else None),
            group=names.model_group,
            vpc=self._vpc(placement),
            roles={step: job_role.role_arn for step, job_role in roles.items()},
        )
        body = self.to_json_string(definition(own, places, model_name=config.stage.project))
        self.pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=names.pipeline,
            pipeline_description="Prepares a data set, tunes, trains, evaluates and registers a model",
            role_arn=role.role_arn,
            pipeline_definition={"PipelineDefinitionBody": body},
        )
        self.pipeline_name = names.pipeline
        """A plain string, so that other stacks need no export to know it."""
        self.training_role: iam.IRole = roles["Train"]
        """What a training job runs under, whoever starts it."""
        self.tuning_role: iam.IRole = roles["Tune"]
        """What a tuning job's trials run under."""
        if own.start_on_new_data:
            intake = Intake(
                self,
                "Intake",
                pipeline_name=names.pipeline,
                bucket=data.bucket,
                key=data.key,
                checks_pictures=own.check_new_pictures,
                log_days=own.log_days,
            )
            intake.node.add_dependency(self.pipeline)
            CfnOutput(
                self,
                "IntakeFunctionName",
                value=intake.function.function_name,
                description="Looks at what is pushed, and starts the pipeline",
            )
            CfnOutput(
                self,
                "FailedIntakeUrl",
                value=intake.failures.queue_url,
                description="Where manifests that started nothing are kept for 14 days",
            )
            CfnOutput(
                self,
                "IntakeRedrive",
                value=intake.redrive.event_source_mapping_id,
                description="Enabled (aws lambda update-event-source-mapping), takes in again what is kept there",
            )
        CfnOutput(self, "PipelineName", value=names.pipeline, description="What StartPipelineExecution takes")
        CfnOutput(self, "ModelGroupName", value=names.model_group, description="Where models are registered")
        CfnOutput(self, "TrainingRoleArn", value=roles["Train"].role_arn, description="What a training job runs under")
        CfnOutput(self, "TrainingImage", value=places.training_image, description="What a training job runs in")
        CfnOutput(self, "CodeUri", value=code.s3_uri, description="training/ as one archive")

    def _vpc(self, placement: Placement | None) -> dict[str, list[str]] | None:
        """Instances of one job talk to each other, and to the VPC's way to S3; nobody else talks to them."""
        if placement is None:
            return None
        group = ec2.SecurityGroup(self, "Jobs", vpc=placement.vpc, description="The instances of training jobs")
        # All of it: torch's own ports are any, and encryption between instances adds UDP 500 and protocol 50 (ESP).
        group.add_ingress_rule(group, ec2.Port.all_traffic(), "Instances of the same job")
        return {"SecurityGroupIds": [group.security_group_id], "Subnets": placement.subnet_ids}
