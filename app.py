"""The CDK app: `cdk synth|diff|deploy -c stage=dev`."""

import gc
import sys

# CDK's modules live until the end, and looking for garbage in them takes a tenth of a synth (docs/bench.md).
gc.disable()

from aws_cdk import App  # noqa: E402

from config import ConfigError  # noqa: E402
from stacks.whippet import build_app  # noqa: E402

app = App()
try:
    build_app(app, app.node.try_get_context("stage"))
except ConfigError as error:
    sys.exit(str(error))
app.synth()
gc.freeze()  # Python would look once more on its way out.
