"""The prediction API: an HTTP API before a function before the endpoint."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from config.sections.api import Api
from stacks.constructs.alias_canary import AliasCanary
from stacks.constructs.async_requests import AsyncRequests
from stacks.constructs.http_api import PredictionApi
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.predict_function import PredictFunction
from stacks.constructs.uploads import Uploads


class ApiStack(Stack):
    """`uploads` is given where the API takes them, `requests` where the endpoint is asynchronous, and only there."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Api,
        endpoint: ModelEndpoint,
        key: kms.IKey,
        uploads: Uploads | None = None,
        requests: AsyncRequests | None = None,
        env: Environment,
    ) -> None:
        super().__init__(scope, id, env=env, description="Whippet's prediction API")
        # The endpoint's name is a constant, so that nothing but this keeps the order.
        self.add_stack_dependency(Stack.of(endpoint))
        self.predict = predict = PredictFunction(
            self, "Predict", config=config, endpoint=endpoint, key=key, uploads=uploads, requests=requests
        )
        self.http = http = PredictionApi(
            self,
            "Http",
            config=config,
            handler=predict.alias,
            takes_uploads=uploads is not None,
            asynchronous=requests is not None,
        )
        if config.canary:
            AliasCanary(
                self,
                "Canary",
                config=config.canary,
                function=predict.function,
                alias=predict.alias,
                api_id=http.api.api_id,
            )
        CfnOutput(self, "Url", value=http.url, description="The page; POST images to /predict below it")
        CfnOutput(self, "Auth", value=config.auth, description="Who may predict: iam, jwt or none")
        CfnOutput(
            self, "PredictFunctionName", value=predict.function.function_name, description="For direct invocation"
        )
