"""The endpoint's instance count follows the rate of invocations."""

from aws_cdk import aws_applicationautoscaling as scaling
from constructs import Construct

from config.model import Scaling
from config.names import SCALING_POLICY, VARIANT
from stacks.constructs.model_endpoint import ModelEndpoint

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


class EndpointScaling(Construct):
    """Target tracking on invocations a minute and instance, a rate: not on simultaneous requests."""

    def __init__(self, scope: Construct, id: str, *, endpoint: ModelEndpoint, config: Scaling) -> None:
        super().__init__(scope, id)
        # No role: Application Auto Scaling uses its service-linked one.
        target = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension=DIMENSION,
            resource_id=f"endpoint/{endpoint.resource.attr_endpoint_name}/variant/{VARIANT}",
            min_capacity=config.min_instances,
            max_capacity=config.max_instances,
        )
        scaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name=SCALING_POLICY,
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=config.target_invocations_per_minute,
                predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                ),
                scale_out_cooldown=config.scale_out_cooldown_seconds,
                scale_in_cooldown=config.scale_in_cooldown_seconds,
            ),
        )
