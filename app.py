"""The CDK app: `cdk synth|diff|deploy -c stage=dev`."""

import sys

from aws_cdk import App

from config import ConfigError
from stacks.whippet import build_app

app = App()
try:
    build_app(app, app.node.try_get_context("stage"))
except ConfigError as error:
    sys.exit(str(error))
app.synth()
