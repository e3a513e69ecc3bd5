"""A capacity that follows a metric: the endpoint's instances, the function's warm environments."""

from dataclasses import dataclass

from aws_cdk import aws_applicationautoscaling as scaling
from constructs import Construct

from config.names import SCALING_POLICY


@dataclass(frozen=True)
class Scalable:
    """What Application Auto Scaling can change, and the predefined metric that tells its load."""

    service: str
    dimension: str
    metric: str


# Invocations a minute and instance: a rate, not simultaneous requests.
ENDPOINT_INSTANCES = Scalable(
    "sagemaker", "sagemaker:variant:DesiredInstanceCount", "SageMakerVariantInvocationsPerInstance"
)
# The share of the warm environments that are busy.
WARM_ENVIRONMENTS = Scalable(
    "lambda", "lambda:function:ProvisionedConcurrency", "LambdaProvisionedConcurrencyUtilization"
)


class TargetTracking(Construct):
    """No role is named: Application Auto Scaling uses its service-linked one."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        scalable: Scalable,
        resource_id: str,
        minimum: int,
        maximum: int,
        target: float,
        scale_out_cooldown_seconds: int | None = None,
        scale_in_cooldown_seconds: int | None = None,
    ) -> None:
        super().__init__(scope, id)
        registered = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace=scalable.service,
            scalable_dimension=scalable.dimension,
            resource_id=resource_id,
            min_capacity=minimum,
            max_capacity=maximum,
        )
        scaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name=SCALING_POLICY,
            policy_type="TargetTrackingScaling",
            scaling_target_id=registered.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=target,
                predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type=scalable.metric
                ),
                scale_out_cooldown=scale_out_cooldown_seconds,
                scale_in_cooldown=scale_in_cooldown_seconds,
            ),
        )
