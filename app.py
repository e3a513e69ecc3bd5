"""The CDK app: `cdk synth|diff|deploy -c stage=dev [-c stages=FOLDER]`."""

import gc
import sys
from pathlib import Path

# CDK's modules live until the end, and looking for garbage in them takes a tenth of a synth (docs/bench.md).
gc.disable()

from aws_cdk import App  # noqa: E402

from config import ConfigError  # noqa: E402
from stacks.whippet import build_app  # noqa: E402

app = App()
try:
    # Another folder of stage files than config/, for a stage that no file of the repository describes.
    folder = app.node.try_get_context("stages")
    build_app(app, app.node.try_get_context("stage"), *([Path(folder)] if folder else []))
except ConfigError as error:
    sys.exit(str(error))
app.synth()
gc.freeze()  # Python would look once more on its way out.
