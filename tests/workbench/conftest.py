"""One embedded AWS for the tests of this folder."""

import pytest

from local import control
from tests.embedded import Embedded


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded") / "aws"
    yield Embedded(control.start(state=folder, port=0))
    control.stop(folder)
