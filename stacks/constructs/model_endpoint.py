"""The models, their endpoint configuration and the endpoint; the endpoint's and the variants' names are constant."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from config.names import SHADOW, VARIANT
from config.sections.model import Model
from config.sections.serving import Async, Serverless, Serving
from config.sections.variants import Shadow, Variant
from stacks.constructs.async_topics import AsyncTopics
from stacks.constructs.buckets import ASYNC_FAILURE_PREFIX, ASYNC_OUTPUT_PREFIX, CAPTURE_PREFIX
from stacks.constructs.containers import Containers
from stacks.constructs.deployment import deployment
from stacks.constructs.rollback_alarms import RollbackAlarms

Config = sagemaker.CfnEndpointConfig
# What RetainAllVariantProperties keeps of the running endpoint, and must not.
NOT_RETAINED = ("DesiredWeight", "DataCaptureConfig")


class ModelEndpoint(Construct):
    """A model or configuration that changes is replaced; the endpoint then moves to it under the same name."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        endpoint_name: str,
        model: Model,
        config: Serving,
        containers: Containers,
        role: iam.IRole,
        bucket: s3.IBucket,
        key: kms.IKey,
        topics: AsyncTopics | None,
        alarms: RollbackAlarms | None,
    ) -> None:
        super().__init__(scope, id)
        self.endpoint_name = endpoint_name
        """A plain string, so that other stacks need no export to know it."""
        serverless = config.mode == "serverless"
        served = containers.model(self, "Model", artifact=model.artifact, role=role, serverless=serverless)
        variants = [_first(config, served)]
        for variant in config.variants:
            other = containers.model(self, f"{role_noun(variant.name)}Model", artifact=variant.artifact, role=role)
            variants.append(_another(variant.name, variant, config, other, weight=variant.weight_percent))
        shadows = []
        if config.shadow is not None:
            other = containers.model(self, "ShadowModel", artifact=config.shadow.artifact, role=role)
            # The first variant's weight is 1: this is the share of its requests.
            shadows.append(_another(SHADOW, config.shadow, config, other, weight=config.shadow.percent / 100))
        configuration = Config(
            self,
            "Config",
            kms_key_id=key.key_arn if config.encrypt_volume else None,
            production_variants=variants,
            shadow_production_variants=shadows or None,
            data_capture_config=_capture(config.capture_percent, bucket, key) if config.capture_percent else None,
            async_inference_config=_async(config.async_, bucket, key, topics) if config.async_ is not None else None,
        )
        self.resource = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            deployment_config=deployment(config.rollout, alarms.names if alarms else []) if config.rollout else None,
            # Without this an update falls back to the initial count in the middle of the day's load. What it also
            # keeps, and must not, is named. A fleet that does not scale takes its count from the stage file.
            retain_all_variant_properties=config.scaling.enabled,
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type=kind) for kind in NOT_RETAINED
            ]
            if config.scaling.enabled
            else None,
        )

    def arn_in(self, stack: Stack) -> str:
        return stack.format_arn(service="sagemaker", resource="endpoint", resource_name=self.endpoint_name.lower())


def role_noun(name: str) -> str:
    """A construct's id for what the stage file names: BlueBird for blue-bird."""
    return "".join(part.capitalize() for part in name.split("-"))


def variant_names(config: Serving) -> Sequence[str]:
    """Every variant that answers; a shadow does not."""
    return [VARIANT, *(variant.name for variant in config.variants)]


def _first(config: Serving, served: sagemaker.CfnModel) -> Config.ProductionVariantProperty:
    others = sum(variant.weight_percent for variant in config.variants)
    serverless = config.serverless
    return Config.ProductionVariantProperty(
        variant_name=VARIANT,
        model_name=served.attr_model_name,
        instance_type=None if serverless else config.instance_type,
        initial_instance_count=None if serverless else config.instance_count,
        serverless_config=_serverless(serverless) if serverless else None,
        initial_variant_weight=100 - others if config.variants else 1,
    )


def _another(
    name: str, variant: Variant | Shadow, config: Serving, model: sagemaker.CfnModel, *, weight: float
) -> Config.ProductionVariantProperty:
    return Config.ProductionVariantProperty(
        variant_name=name,
        model_name=model.attr_model_name,
        instance_type=variant.instance_type or config.instance_type,
        initial_instance_count=variant.instance_count,
        initial_variant_weight=weight,
    )


def _serverless(config: Serverless) -> Config.ServerlessConfigProperty:
    return Config.ServerlessConfigProperty(
        memory_size_in_mb=config.memory_mb,
        max_concurrency=config.max_concurrency,
        provisioned_concurrency=config.provisioned_concurrency,
    )


def _async(
    config: Async, bucket: s3.IBucket, key: kms.IKey, topics: AsyncTopics | None
) -> Config.AsyncInferenceConfigProperty:
    return Config.AsyncInferenceConfigProperty(
        client_config=Config.AsyncInferenceClientConfigProperty(
            max_concurrent_invocations_per_instance=config.max_concurrent_per_instance
        ),
        output_config=Config.AsyncInferenceOutputConfigProperty(
            s3_output_path=bucket.s3_url_for_object(ASYNC_OUTPUT_PREFIX),
            s3_failure_path=bucket.s3_url_for_object(ASYNC_FAILURE_PREFIX),
            kms_key_id=key.key_arn,
            notification_config=Config.AsyncInferenceNotificationConfigProperty(
                success_topic=topics.success.topic_arn, error_topic=topics.error.topic_arn
            )
            if topics is not None
            else None,
        ),
    )


def _capture(percent: int, bucket: s3.IBucket, key: kms.IKey) -> Config.DataCaptureConfigProperty:
    return Config.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=percent,
        destination_s3_uri=bucket.s3_url_for_object(CAPTURE_PREFIX),
        kms_key_id=key.key_arn,
        capture_options=[Config.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")],
        capture_content_type_header=Config.CaptureContentTypeHeaderProperty(json_content_types=["application/json"]),
    )
