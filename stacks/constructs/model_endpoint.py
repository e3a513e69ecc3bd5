"""The model, its endpoint configuration and the endpoint; the endpoint's and the variant's names are constant."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from config.names import VARIANT
from config.sections.serving import Serving
from stacks.constructs.buckets import CAPTURE_PREFIX
from stacks.constructs.serving_image import ServingImage


class ModelEndpoint(Construct):
    """A model or configuration that changes is replaced; the endpoint then moves to it under the same name."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        endpoint_name: str,
        config: Serving,
        image: ServingImage,
        model_data_url: str,
        role: iam.IRole,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        self.endpoint_name = endpoint_name
        """A plain string, so that other stacks need no export to know it."""
        served = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            # The container needs nothing from outside: SageMaker brings the model and takes logs and captures away.
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.uri, model_data_url=model_data_url
            ),
        )
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            kms_key_id=key.key_arn if config.encrypt_volume else None,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=served.attr_model_name,
                    instance_type=config.instance_type,
                    initial_instance_count=config.instance_count,
                    initial_variant_weight=1.0,
                )
            ],
            data_capture_config=_capture(config.capture_percent, bucket, key) if config.capture_percent else None,
        )
        self.resource = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # Without this an update falls back to the initial count in the middle of the day's load. What it also
            # keeps, and must not, is named below. A fleet that does not scale takes its count from the stage file.
            retain_all_variant_properties=config.scaling.enabled,
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type=kind)
                for kind in ("DesiredWeight", "DataCaptureConfig")
            ]
            if config.scaling.enabled
            else None,
        )

    def arn_in(self, stack: Stack) -> str:
        return stack.format_arn(service="sagemaker", resource="endpoint", resource_name=self.endpoint_name.lower())


def _capture(percent: int, bucket: s3.IBucket, key: kms.IKey) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
    return sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=percent,
        destination_s3_uri=bucket.s3_url_for_object(CAPTURE_PREFIX),
        kms_key_id=key.key_arn,
        capture_options=[
            sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")
        ],
        capture_content_type_header=sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty(
            json_content_types=["application/json"]
        ),
    )
