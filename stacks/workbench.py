"""Where people try things: a training box and a notebook instance, each only where the stage file says so."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from config import StageConfig
from config.names import Names
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.notebook import Notebook
from stacks.constructs.training_box import TRAIN_COMMAND, TrainingBox
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.training import TrainingStack


class WorkbenchStack(Stack):
    """Neither can be called from outside: the box is reached by Session Manager, the notebook by a signed link."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        names: Names,
        data: DataStack,
        network: NetworkStack,
        training: TrainingStack,
        endpoint: ModelEndpoint,
        env: Environment,
    ) -> None:
        super().__init__(scope, id, env=env, description="Whippet's training box and notebook")
        if config.workbench.box.enabled:
            box = TrainingBox(
                self,
                "Box",
                config=config.workbench.box,
                vpc=network.vpc,
                subnet_id=network.box_subnet_id,
                public=network.placement is None,
                weights=config.training.weights.key if config.training.weights else None,
                bucket=data.bucket,
                key=data.key,
            )
            CfnOutput(self, "BoxId", value=box.instance_id, description="aws ssm start-session --target")
            CfnOutput(
                self, "BoxLogGroup", value=box.log_group, description="What commands on the box say, as they say it"
            )
            CfnOutput(self, "BoxTrainCommand", value=TRAIN_COMMAND, description="To be sent with AWS-RunShellScript")
        if config.workbench.notebook.enabled:
            notebook = Notebook(
                self,
                "Notebook",
                config=config.workbench.notebook,
                jobs=config.training,
                training_role=training.training_role,
                tuning_role=training.tuning_role,
                endpoint=endpoint,
                names=names,
                retain=config.stage.retain_data,
                placement=network.placement,
                bucket=data.bucket,
                key=data.key,
            )
            CfnOutput(self, "NotebookName", value=notebook.name, description="create-presigned-notebook-instance-url")


def is_wanted(config: StageConfig) -> bool:
    """An empty stack is none."""
    return config.workbench.box.enabled or config.workbench.notebook.enabled
