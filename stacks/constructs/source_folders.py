"""The folders that ship, and what in them does not: neither caches nor notes may change an asset's hash."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LAMBDA_SRC = ROOT / "lambda_src"
SERVING = ROOT / "serving"
TRAINING = ROOT / "training"
WORKBENCH = ROOT / "workbench"
NOTEBOOKS = ROOT / "notebooks"
NOTEBOOK_REQUIREMENTS = ROOT / "requirements-notebook.txt"
STARTER_MODEL = TRAINING / "starter" / "model.tar.gz"

EXCLUDE = ["**/__pycache__", "**/*.pyc", "**/.DS_Store"]
SERVING_EXCLUDE = [*EXCLUDE, "images.toml"]  # for rehearsals only
