"""The predict function, published as a version behind the alias that the API calls."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from config.names import ALIAS
from config.sections.api import Api, Concurrency
from stacks.constructs.async_requests import AsyncRequests
from stacks.constructs.findings import acknowledge
from stacks.constructs.functions import PythonFunction
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.statements import use_key
from stacks.constructs.target_tracking import WARM_ENVIRONMENTS, TargetTracking
from stacks.constructs.uploads import Uploads


class PredictFunction(Construct):
    """May invoke one endpoint, let uploads in and read them, and write its own log.

    If the endpoint is asynchronous, it may leave images and fetch results too.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Api,
        endpoint: ModelEndpoint,
        key: kms.IKey,
        uploads: Uploads | None,
        requests: AsyncRequests | None,
    ) -> None:
        super().__init__(scope, id)
        stored = [kind for kind in (uploads, requests) if kind]
        self.function = PythonFunction(
            self,
            "Function",
            folder="predict",
            description="Takes an image or its URL, asks the endpoint, answers labels and probabilities",
            memory_mb=config.memory_mb,
            timeout_seconds=config.timeout_seconds,
            log_days=config.log_days,
            reserved_concurrency=config.concurrency.reserved,
            environment={
                "ENDPOINT_NAME": endpoint.endpoint_name,
                "TOP_K": str(config.top_k),
                "MAX_IMAGE_BYTES": str(config.max_image_bytes),
                "MAX_IMAGES": str(config.max_images),
                "FETCH_TIMEOUT_SECONDS": str(config.fetch_timeout_seconds),
                "INVOKE_TIMEOUT_SECONDS": str(config.invoke_timeout_seconds),
                "ALLOWED_IMAGE_HOSTS": ",".join(config.allowed_image_hosts),
                "AUTH": config.auth,
                "JWT_ISSUER": config.jwt.issuer if config.jwt else "",
                "METRICS": "on" if config.metrics else "off",
                "UPLOAD_BUCKET": uploads.bucket.bucket_name if uploads else "",
                "MAX_UPLOAD_BYTES": str(config.max_upload_bytes),
                "UPLOAD_SECONDS": str(config.upload_seconds),
                "ASYNC_BUCKET": requests.bucket.bucket_name if requests else "",
            },
            statements=[
                iam.PolicyStatement(
                    sid="InvokeEndpoint",
                    actions=["sagemaker:InvokeEndpointAsync" if requests else "sagemaker:InvokeEndpoint"],
                    resources=[endpoint.arn_in(Stack.of(self))],
                ),
                *(statement for kind in stored for statement in kind.statements()),
                *([use_key(self, key)] if stored else []),
            ],
            traced=config.tracing,
        )
        for kind in stored:
            # Not on the function's role, which is a stand-in for the one that the finding is about.
            kind.acknowledge(self)
        acknowledge(
            self.function,
            "Serverless-LambdaDLQ",
            "Invoked synchronously only: the caller hears of a failure, and Lambda would put nothing in such a queue",
        )
        self.alias = self._alias(config.concurrency)

    def _alias(self, concurrency: Concurrency) -> lambda_.Alias:
        """Warm environments belong to the alias: on the version, each deploy would begin cold and pay twice."""
        warm = concurrency.provisioned_min > 0
        alias = lambda_.Alias(
            self,
            "Alias",
            alias_name=ALIAS,
            version=self.function.current_version,
            provisioned_concurrent_executions=concurrency.provisioned_min if warm else None,
        )
        if warm:
            scaling = TargetTracking(
                self,
                "Scaling",
                scalable=WARM_ENVIRONMENTS,
                resource_id=f"function:{self.function.function_name}:{ALIAS}",
                minimum=concurrency.provisioned_min,
                maximum=concurrency.provisioned_max,
                target=concurrency.provisioned_utilization,
            )
            scaling.node.add_dependency(alias)
        return alias
