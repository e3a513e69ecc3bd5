"""Serve one model artefact over HTTP, as SageMaker expects it.

    python -m serving --model training/starter/model.tar.gz --port 8080
    curl --data-binary @training/starter/samples/star.jpg -H 'Content-Type: image/jpeg' localhost:8080/invocations

Everything else is set by environment variables: serving/settings.py.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serving import logs
from serving.errors import StartError
from serving.settings import number, read_settings
from serving.supervisor import Supervisor


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of an unpacked artefact, or its model.tar.gz")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", help="TCP port, 0 for any free one; or SAGEMAKER_BIND_TO_PORT, else 8080")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    arguments = parse(words)
    logs.configure()
    try:
        settings = read_settings(os.environ)
        if arguments.port is not None:
            settings = replace(settings, port=int(number("--port", arguments.port, "port")))
        return Supervisor(arguments.model, settings, arguments.host).run()
    except StartError as error:
        sys.stderr.write(f"serving: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
