"""From a folder of labelled images to a model artefact; ships alone as the training job's source."""

import os

# ONNX Runtime reports its use to its maker unless told otherwise before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
