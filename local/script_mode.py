"""The program that stands for a framework image's own `train`: script mode, as sagemaker-training has it.

    [[image]]
    uri = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:*"
    train = ["{python}", "-m", "local.script_mode"]

Reads the job's hyperparameters, unpacks sagemaker_submit_directory, and runs sagemaker_program in it with the SM_*
variables and every other hyperparameter as a flag. It hands no signal on, as the real one does not.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

OWN = "sagemaker_"
# What a tuning job and the toolkit's own callers add; no script is told of them.
OTHERS_OWN = ("_tuning_objective_metric", "default_user_module_name")
TORCHRUN_PORT = 7777


class WrongJob(Exception):
    """What the job lacks, in one sentence."""


def main() -> int:
    base = Path(os.environ["SAGEMAKER_BASE_DIR"])
    told = json.loads((base / "input" / "config" / "hyperparameters.json").read_text())
    own = {name.removeprefix(OWN): _decoded(text) for name, text in told.items() if name.startswith(OWN)}
    flags = {name: _decoded(text) for name, text in told.items() if not name.startswith(OWN) and name not in OTHERS_OWN}
    try:
        program = _code(base / "code", own)
    except WrongJob as error:
        return _failed(base, f"ClientError: {error}", 1)
    words = arguments(flags)
    variables = environment(base, flags, words, program.name)
    resources = json.loads(variables["SM_RESOURCE_CONFIG"])
    runner = _torchrun(resources) if own.get("torch_distributed_enabled") is True else [sys.executable]
    sys.stdout.flush()
    status = subprocess.run(
        [*runner, str(program), *words], cwd=base / "code", env={**os.environ, **variables}, check=False
    ).returncode
    if status:
        return _failed(base, f"ExecuteUserScriptError: {program.name} ended with exit status {status}", status)
    return 0


def environment(base: Path, flags: dict[str, Any], words: list[str], program: str) -> dict[str, str]:
    """What script mode tells the script."""
    config = base / "input" / "config"
    resources = json.loads((config / "resourceconfig.json").read_text())
    channels = json.loads((config / "inputdataconfig.json").read_text())
    places = {
        "SM_MODEL_DIR": base / "model",
        "SM_OUTPUT_DIR": base / "output",
        "SM_OUTPUT_DATA_DIR": base / "output" / "data",
        "SM_INPUT_DIR": base / "input",
        "SM_INPUT_CONFIG_DIR": config,
        "SM_MODULE_DIR": base / "code",
        **{f"SM_CHANNEL_{name.upper()}": base / "input" / "data" / name for name in channels},
    }
    documents = {
        "SM_CHANNELS": sorted(channels),
        "SM_HOSTS": resources["hosts"],
        "SM_HPS": flags,
        "SM_INPUT_DATA_CONFIG": channels,
        "SM_RESOURCE_CONFIG": resources,
        "SM_USER_ARGS": words,
    }
    texts = {
        "SM_CURRENT_HOST": resources["current_host"],
        "SM_CURRENT_INSTANCE_TYPE": resources["current_instance_type"],
        "SM_NETWORK_INTERFACE_NAME": resources["network_interface_name"],
        "SM_MODULE_NAME": Path(program).stem,
        "SM_USER_ENTRY_POINT": program,
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_NUM_GPUS": 0,
        "SM_LOG_LEVEL": 20,
        **{f"SM_HP_{name.upper().replace('-', '_')}": value for name, value in flags.items()},
    }
    return {
        **{name: str(value) for name, value in (places | texts).items()},
        **{name: json.dumps(value) for name, value in documents.items()},
    }


def arguments(flags: dict[str, Any]) -> list[str]:
    """--name value, by name."""
    words: list[str] = []
    for name, value in sorted(flags.items()):
        words += [f"-{name}" if len(name) == 1 else f"--{name}", str(value)]
    return words


def _decoded(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The toolkit reads each as JSON where it is: `true` comes as True, and 3 as a number."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _code(folder: Path, own: dict[str, Any]) -> Path:
    """The folder with the script in it; the answer is the script."""
    program, place = str(own.get("program", "")), str(own.get("submit_directory", ""))
    if not program or not place:
        raise WrongJob("script mode needs the hyperparameters sagemaker_program and sagemaker_submit_directory")
    folder.mkdir(parents=True, exist_ok=True)
    source = _fetched(place) if place.startswith("s3://") else Path(place)
    try:
        if isinstance(source, Path) and source.is_dir():
            shutil.copytree(source, folder, dirs_exist_ok=True)
        else:
            with tarfile.open(**({"name": source} if isinstance(source, Path) else {"fileobj": source})) as tar:
                tar.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise WrongJob(f"sagemaker_submit_directory = {place} is no readable tar.gz ({error})") from error
    script = folder / program
    if not script.is_file():
        raise WrongJob(f"sagemaker_program = {program} is not in sagemaker_submit_directory = {place}")
    if (folder / "requirements.txt").is_file():
        sys.stdout.write("requirements.txt is not installed here: the script finds what this machine's Python has.\n")
    return script


def _fetched(place: str) -> io.BytesIO:
    """With the job's own credentials; an isolated job has none."""
    import boto3  # noqa: PLC0415 - most jobs bring their code as a channel
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    bucket, _, key = place.removeprefix("s3://").partition("/")
    try:
        return io.BytesIO(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    except (BotoCoreError, ClientError) as error:
        raise WrongJob(f"sagemaker_submit_directory = {place} cannot be read ({error})") from error


def _torchrun(resources: dict[str, Any]) -> list[str]:
    hosts = resources["hosts"]
    return [
        *(sys.executable, str(Path(__file__).with_name("torchrun.py")), f"--nnodes={len(hosts)}", "--nproc_per_node=1"),
        f"--node_rank={hosts.index(resources['current_host'])}",
        *(f"--master_addr={hosts[0]}", f"--master_port={TORCHRUN_PORT}"),
    ]


def _failed(base: Path, reason: str, status: int) -> int:
    """The script's own words count, if it has left any."""
    failure = base / "output" / "failure"
    if not failure.exists():
        failure.write_text(reason)
    sys.stderr.write(reason + "\n")
    return status if 0 < status < 256 else 1  # noqa: PLR2004 - what an exit status can be


if __name__ == "__main__":
    sys.exit(main())
