"""Instances that follow requests a minute, requests at once, or the backlog of an asynchronous endpoint."""

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from config.names import WAKE_POLICY
from config.sections.scaling import Scaling, Schedule
from config.sections.serving import Serving
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.target_tracking import CustomMetric, Scalable, ScheduledAction, TargetTracking

SERVICE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
# Invocations is a rate, a minute and instance; concurrency is requests at once, seen every 10 s.
METRICS = {
    "invocations": "SageMakerVariantInvocationsPerInstance",
    "concurrency": "SageMakerVariantConcurrentRequestsPerModelHighResolution",
}
WAKE_PERIOD_SECONDS, WAKE_PERIODS = 60, 2


class EndpointScaling(Construct):
    """One variant's. What waits for an asynchronous endpoint is counted for the endpoint, not for a variant."""

    def __init__(self, scope: Construct, id: str, *, config: Serving, endpoint: ModelEndpoint, variant: str) -> None:
        super().__init__(scope, id)
        own = config.scaling
        tracking = TargetTracking(
            self,
            "Tracking",
            scalable=Scalable(SERVICE, DIMENSION, self._metric(config, endpoint)),
            resource_id=f"endpoint/{endpoint.resource.attr_endpoint_name}/variant/{variant}",
            minimum=own.min_instances,
            maximum=own.max_instances,
            target=_target(config),
            scale_out_cooldown_seconds=own.scale_out_cooldown_seconds,
            scale_in_cooldown_seconds=own.scale_in_cooldown_seconds,
            schedule=[_action(one) for one in own.schedule],
        )
        if config.mode == "async" and sleeps(own):
            self._wake(own, endpoint, tracking.registered)

    def _metric(self, config: Serving, endpoint: ModelEndpoint) -> str | CustomMetric:
        if config.mode != "async":
            return METRICS[config.scaling.metric]
        return CustomMetric(
            namespace="AWS/SageMaker",
            metric_name="ApproximateBacklogSizePerInstance",
            dimensions=[
                scaling.CfnScalingPolicy.MetricDimensionProperty(name="EndpointName", value=endpoint.endpoint_name)
            ],
            statistic="Average",
        )

    def _wake(self, config: Scaling, endpoint: ModelEndpoint, target: scaling.CfnScalableTarget) -> None:
        """With no instance there is no backlog an instance to track: this starts the first one."""
        policy = scaling.CfnScalingPolicy(
            self,
            "Wake",
            policy_name=WAKE_POLICY,
            policy_type="StepScaling",
            scaling_target_id=target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type="Average",
                cooldown=config.scale_out_cooldown_seconds,
                step_adjustments=[
                    scaling.CfnScalingPolicy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
                ],
            ),
        )
        cloudwatch.CfnAlarm(
            self,
            "Waiting",
            alarm_description="Requests wait and no instance runs",
            namespace="AWS/SageMaker",
            metric_name="HasBacklogWithoutCapacity",
            dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="EndpointName", value=endpoint.endpoint_name)],
            statistic="Average",
            period=WAKE_PERIOD_SECONDS,
            evaluation_periods=WAKE_PERIODS,
            datapoints_to_alarm=WAKE_PERIODS,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="missing",
            alarm_actions=[policy.ref],
        )


def sleeps(config: Scaling) -> bool:
    return config.min_instances == 0 or any(one.min_instances == 0 for one in config.schedule)


def _target(config: Serving) -> float:
    """A rule of the stage file has seen to it that there is one."""
    own = config.scaling
    found = {
        "invocations": own.target_invocations_per_minute,
        "concurrency": own.target_concurrent_requests,
    }[own.metric]
    target = config.async_.target_backlog if config.async_ is not None else found
    if target is None:
        raise ValueError("scaling has no target")
    return target


def _action(one: Schedule) -> ScheduledAction:
    return ScheduledAction(
        scheduled_action_name=one.name,
        schedule=one.when,
        timezone=one.time_zone,
        scalable_target_action=scaling.CfnScalableTarget.ScalableTargetActionProperty(
            min_capacity=one.min_instances, max_capacity=one.max_instances
        ),
    )
