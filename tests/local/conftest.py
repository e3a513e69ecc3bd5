"""One embedded AWS for the tests of this folder, on a machine that has certificate authorities of its own."""

import os
from pathlib import Path

import botocore
import pytest
from cryptography.hazmat.primitives import serialization

from local import control
from tests.embedded import APP, RATE, Embedded
from tests.lambda_src.certificates import make_authority

# Any bundle of authorities that is not the embedded AWS's.
AUTHORITIES = str(Path(botocore.__file__).with_name("cacert.pem"))


@pytest.fixture(scope="session")
def certificate_authority(tmp_path_factory):
    """Whom the machine trusts beside the usual ones."""
    return make_authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory, certificate_authority):
    folder = tmp_path_factory.mktemp("embedded") / "aws"
    # A company's proxy sets these; neither the server nor a Lambda may lose the way to each other by it.
    before = {name: os.environ.get(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    authorities = tmp_path_factory.mktemp("authorities") / "machine.pem"
    own = certificate_authority.certificate.public_bytes(serialization.Encoding.PEM)
    authorities.write_bytes(Path(AUTHORITIES).read_bytes() + own)
    os.environ.update(dict.fromkeys(before, str(authorities)))
    try:
        running = control.start(state=folder, port=0, images=APP / "images.toml", launch_seconds=6)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    yield Embedded(running)
    control.stop(folder)


@pytest.fixture(scope="session")
def fast(tmp_path_factory):
    """One whose clock runs ahead; the tests that live by it are of the group "scaling"."""
    folder = tmp_path_factory.mktemp("fast") / "aws"
    running = control.start(state=folder, port=0, images=APP / "images.toml", launch_seconds=10, clock=RATE)
    yield Embedded(running)
    control.stop(folder)
