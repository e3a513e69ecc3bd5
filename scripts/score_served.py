"""Score a running server on a folder of labelled images, and hold its answers against `training.evaluate`'s.

    python -m serving --model training/starter/model.tar.gz --port 8080
    python scripts/score_served.py --url http://127.0.0.1:8080 --model training/starter/model.tar.gz --data DATA/test

Asks for raw logits, file by file. Prints the evaluation as JSON; exits 1 where one picture's answer differs by more
than rounding, naming the picture.
"""

import argparse
import http.client
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.artifact import read_metadata
from training.console import progress
from training.data import Split, read_split
from training.errors import TrainingError
from training.evaluate import answers_of, network_of, recipe_of, unpack
from training.report import evaluation
from training.scoring import Floats

CLIENTS = 4
OK = 200
# Sessions differ in the order of their sums.
ROUNDING = 1e-3


class Differs(Exception):
    """The server is not the model that was scored."""


def served(url: str, split: Split) -> Floats:
    """The logits that the server answers, in the order of the split's files."""
    host, port = urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80
    with ThreadPoolExecutor(CLIENTS) as clients, progress("asking", len(split.files)) as tick:
        rows = []
        for row in clients.map(lambda file: ask(host, port, file), split.files):
            rows.append(row)
            tick()
    return np.array(rows, dtype=np.float64)


def ask(host: str, port: int, file: Path) -> list[float]:
    """One picture's logits."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    headers = {"Content-Type": "application/x-image", "X-Amzn-SageMaker-Custom-Attributes": "output=vector"}
    try:
        connection.request("POST", "/invocations", file.read_bytes(), headers)
        response = connection.getresponse()
        document = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Differs(f"{file}: no answer from http://{host}:{port} ({error}); is the server running?") from error
    finally:
        connection.close()
    if response.status != OK:
        raise Differs(f"{file}: answered {response.status}, {document['error']['message']}")
    return list(document[0])


def compare(answers: Floats, expected: Floats, split: Split) -> None:
    """Refuse the first picture whose answer is another than the evaluation's."""
    if answers.shape != expected.shape:
        raise Differs(f"the server answers with {answers.shape[1]} logits, the model with {expected.shape[1]}")
    distance = np.abs(answers - expected).max(axis=1)
    allowed = ROUNDING * np.maximum(1.0, np.abs(expected).max(axis=1))
    differing = np.flatnonzero(distance > allowed)
    if differing.size:
        first = differing[0]
        raise Differs(
            f"{split.files[first]}: the server's logits are {distance[first]:.4f} away from the evaluation's; "
            f"{differing.size} of {len(distance)} pictures differ"
        )


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="where the server listens")
    parser.add_argument("--model", type=Path, required=True, help="the artefact that it serves")
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of images a label")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="the network that it serves")
    arguments = parser.parse_args(words)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = unpack(arguments.model, Path(temporary))
            metadata = read_metadata(folder)
            network = network_of(folder, metadata, arguments.precision)
            split = read_split(arguments.data, metadata["labels"])
            answers = served(arguments.url, split)
            expected = answers_of(network, split, recipe_of(metadata))
        compare(answers, expected, split)
        ours, theirs = (
            evaluation(logits, np.array(split.targets), metadata, precision=arguments.precision)
            for logits in (answers, expected)
        )
        if ours["accuracy"] != theirs["accuracy"]:
            raise Differs(f"the server's accuracy is {ours['accuracy']}, the evaluation's {theirs['accuracy']}")
    except (Differs, TrainingError) as error:
        sys.stderr.write(f"score_served: {error}\n")
        return 1
    sys.stdout.write(json.dumps(ours, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
