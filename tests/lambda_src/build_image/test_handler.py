import os
import subprocess
import sys
from pathlib import Path

LAMBDA_SRC = Path(__file__).parents[3] / "lambda_src"


def test_the_handler_imports_with_nothing_but_a_region() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from build_image.handler import handle"],
        cwd=LAMBDA_SRC,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
