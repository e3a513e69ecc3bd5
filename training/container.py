"""What `train` runs in an image of one's own, where no toolkit stands between SageMaker and the script.

    python -m training.container        reads /opt/ml, or SAGEMAKER_BASE_DIR

The files that SageMaker lays down become the flags and variables that its toolkits would make of them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from training import train
from training.errors import TrainingError
from training.failure import report_failure

# Of the toolkits and of SageMaker itself, not of the script.
NOT_FLAGS = ("sagemaker_", "_")


def base_folder() -> Path:
    """Where SageMaker mounts everything."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def flags_of(values: dict[str, str]) -> list[str]:
    """Hyperparameters as flags; its Python SDK writes texts in JSON's quotes."""
    words = []
    for name, value in sorted(values.items()):
        if name.startswith(NOT_FLAGS):
            continue
        quoted = value.startswith('"') and value.endswith('"') and len(value) > 1
        words += [f"--{name}", json.loads(value) if quoted else value]
    return words


def variables_of(base: Path) -> dict[str, str]:
    """The variables that training reads: folders of channels and outputs, this instance and the others."""
    resources = _read(base, "resourceconfig")
    channels = {name: base / "input" / "data" / name for name in _read(base, "inputdataconfig")}
    hosts = resources.get("hosts", [])
    return {
        **{f"SM_CHANNEL_{name.upper()}": str(folder) for name, folder in channels.items()},
        "SM_MODEL_DIR": str(base / "model"),
        "SM_OUTPUT_DATA_DIR": str(base / "output" / "data"),
        "SM_HOSTS": json.dumps(hosts),
        "SM_CURRENT_HOST": str(resources.get("current_host", "")),
        "SM_NUM_GPUS": str(torch.cuda.device_count()),
    }


def main() -> int:
    base = base_folder()
    try:
        words = flags_of(_read(base, "hyperparameters"))
        os.environ.update(variables_of(base))
    except TrainingError as error:
        report_failure(str(error))
        sys.stderr.write(f"training: {error}\n")
        return 1
    return train.main(words)


def _read(base: Path, name: str) -> dict[str, Any]:
    """One of SageMaker's files; a job without hyperparameters or channels has none."""
    file = base / "input" / "config" / f"{name}.json"
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
    except ValueError as error:
        raise TrainingError(f"{file}: not JSON ({error}); SageMaker writes it, so start the job again") from error
    return found


if __name__ == "__main__":
    sys.exit(main())
