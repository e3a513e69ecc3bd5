"""One embedded AWS for the tests of this folder, on a machine that has certificate authorities of its own."""

import os
from pathlib import Path

import botocore
import pytest

from local import control
from tests.embedded import APP, Embedded

# Any bundle of authorities that is not the embedded AWS's.
AUTHORITIES = str(Path(botocore.__file__).with_name("cacert.pem"))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded") / "aws"
    # A company's proxy sets these; neither the server nor a Lambda may lose the way to each other by it.
    before = {name: os.environ.get(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    os.environ.update(dict.fromkeys(before, AUTHORITIES))
    try:
        running = control.start(state=folder, port=0, images=APP / "images.toml", launch_seconds=6)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    yield Embedded(running)
    control.stop(folder)
