"""The endpoint's deployment configuration: how traffic moves to a new version, and what takes it back."""

from collections.abc import Sequence

from aws_cdk import aws_sagemaker as sagemaker

from config.sections.rollout import Rollout

Endpoint = sagemaker.CfnEndpoint
ROUTING = {"all-at-once": "ALL_AT_ONCE", "canary": "CANARY", "linear": "LINEAR"}


def deployment(config: Rollout, alarm_names: Sequence[str]) -> Endpoint.DeploymentConfigProperty:
    rolling = config.kind == "rolling"
    return Endpoint.DeploymentConfigProperty(
        rolling_update_policy=_rolling(config) if rolling else None,
        blue_green_update_policy=None if rolling else _blue_green(config),
        auto_rollback_configuration=Endpoint.AutoRollbackConfigProperty(
            alarms=[Endpoint.AlarmProperty(alarm_name=name) for name in alarm_names]
        )
        if alarm_names
        else None,
    )


def _rolling(config: Rollout) -> Endpoint.RollingUpdatePolicyProperty:
    return Endpoint.RollingUpdatePolicyProperty(
        maximum_batch_size=_share(config.step_percent or 0),
        wait_interval_in_seconds=config.wait_seconds,
        maximum_execution_timeout_in_seconds=config.timeout_seconds,
    )


def _blue_green(config: Rollout) -> Endpoint.BlueGreenUpdatePolicyProperty:
    step = _share(config.step_percent) if config.step_percent else None
    return Endpoint.BlueGreenUpdatePolicyProperty(
        traffic_routing_configuration=Endpoint.TrafficRoutingConfigProperty(
            type=ROUTING[config.kind],
            wait_interval_in_seconds=config.wait_seconds,
            canary_size=step if config.kind == "canary" else None,
            linear_step_size=step if config.kind == "linear" else None,
        ),
        termination_wait_in_seconds=config.keep_old_seconds,
        maximum_execution_timeout_in_seconds=config.timeout_seconds,
    )


def _share(percent: int) -> Endpoint.CapacitySizeProperty:
    return Endpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=percent)
