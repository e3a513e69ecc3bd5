"""The prediction API: an HTTP API before a function before the endpoint."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from config.sections.api import Api
from stacks.constructs.http_api import PredictionApi
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.predict_function import PredictFunction


class ApiStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: Api, endpoint: ModelEndpoint, env: Environment) -> None:
        super().__init__(scope, id, env=env, description="Whippet's prediction API")
        # The endpoint's name is a constant, so that nothing but this keeps the order.
        self.add_stack_dependency(Stack.of(endpoint))
        predict = PredictFunction(self, "Predict", config=config, endpoint=endpoint)
        api = PredictionApi(self, "Http", config=config, handler=predict.alias)
        CfnOutput(self, "Url", value=api.url, description="The page; POST images to /predict below it")
        CfnOutput(
            self, "PredictFunctionName", value=predict.function.function_name, description="For direct invocation"
        )
