"""A capacity that follows a metric: the endpoint's instances, the function's warm environments."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_applicationautoscaling as scaling
from constructs import Construct

from config.names import SCALING_POLICY

CustomMetric = scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty
ScheduledAction = scaling.CfnScalableTarget.ScheduledActionProperty


@dataclass(frozen=True)
class Scalable:
    """What Application Auto Scaling can change, and the metric that tells its load: one of its own or another."""

    service: str
    dimension: str
    metric: str | CustomMetric


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
        schedule: Sequence[ScheduledAction] = (),
    ) -> None:
        super().__init__(scope, id)
        self.registered = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace=scalable.service,
            scalable_dimension=scalable.dimension,
            resource_id=resource_id,
            min_capacity=minimum,
            max_capacity=maximum,
            scheduled_actions=list(schedule) or None,
        )
        own = isinstance(scalable.metric, str)
        scaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name=SCALING_POLICY,
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.registered.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=target,
                predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type=str(scalable.metric)
                )
                if own
                else None,
                customized_metric_specification=None if isinstance(scalable.metric, str) else scalable.metric,
                scale_out_cooldown=scale_out_cooldown_seconds,
                scale_in_cooldown=scale_in_cooldown_seconds,
            ),
        )
