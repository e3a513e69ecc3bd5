"""The operator's command line in a test, as a person with credentials of that account would call it."""

import io
import json
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from ops.__main__ import main


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def operate(environment: Mapping[str, str], *words: str) -> Said:
    """`python -m ops WORDS` under this environment, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, environment, clear=True), redirect_stdout(out), redirect_stderr(err):
        try:
            status = main(list(words))
        except SystemExit as ended:  # argparse's own
            status = int(ended.code or 0)
    return Said(status, out.getvalue(), err.getvalue())
