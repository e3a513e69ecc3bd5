"""The whole app: which stacks a stage has and what each takes from the others."""

from pathlib import Path

from aws_cdk import Annotations, App, Environment, Tags

from config import load_stage
from config.load import FOLDER
from config.names import Names
from stacks.api import ApiStack
from stacks.constructs.async_requests import AsyncRequests
from stacks.constructs.uploads import Uploads
from stacks.data import DataStack
from stacks.image import ImageStack
from stacks.network import NetworkStack
from stacks.operations import OperationsStack
from stacks.serving import ServingStack
from stacks.training import TrainingStack
from stacks.workbench import WorkbenchStack, is_wanted


def build_app(app: App, stage_name: str | None, folder: Path = FOLDER) -> None:
    """Add one stage's stacks to the app; raises ConfigError where its stage file cannot work."""
    config, warnings = load_stage(stage_name, folder)
    names = Names(config.stage.project, str(stage_name))
    environment = Environment(account=config.stage.account, region=config.stage.region)

    # Stack traces name temporary folders, and a synthesis must not differ from the next one.
    for switch in ("aws:cdk:disable-stack-trace", "aws:cdk:disable-creation-stack-traces"):
        app.node.set_context(switch, True)

    data = DataStack(app, names.stack("data"), config=config, names=names, env=environment)
    network = NetworkStack(app, names.stack("network"), config=config.network, data=data, env=environment)
    image = (
        ImageStack(app, names.stack("image"), config=config, env=environment)
        if config.image.source == "codebuild"
        else None
    )
    training = TrainingStack(
        app,
        names.stack("training"),
        config=config,
        names=names,
        data=data,
        image=image,
        placement=network.placement,
        env=environment,
    )
    serving = ServingStack(
        app,
        names.stack("serving"),
        config=config,
        names=names,
        data=data,
        image=image,
        placement=network.placement,
        env=environment,
    )
    api = ApiStack(
        app,
        names.stack("api"),
        config=config.api,
        endpoint=serving.endpoint,
        key=data.key,
        uploads=Uploads(data.bucket) if config.api.max_upload_bytes else None,
        requests=AsyncRequests(data.bucket) if config.serving.mode == "async" else None,
        env=environment,
    )
    OperationsStack(
        app,
        names.stack("operations"),
        config=config,
        names=names,
        data=data,
        serving=serving,
        api=api,
        pipeline_name=training.pipeline_name,
        env=environment,
    )

    if is_wanted(config):
        WorkbenchStack(
            app,
            names.stack("workbench"),
            config=config,
            names=names,
            data=data,
            network=network,
            training=training,
            endpoint=serving.endpoint,
            env=environment,
        )

    Tags.of(app).add("project", config.stage.project)
    Tags.of(app).add("stage", str(stage_name))
    for number, warning in enumerate(warnings):
        Annotations.of(app).add_warning_v2(f"whippet:stage-file-{number}", warning)
