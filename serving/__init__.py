"""The inference container: answers /ping and /invocations for one model artefact; ships alone."""

import os

# ONNX Runtime reports its use to its maker unless told otherwise before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
