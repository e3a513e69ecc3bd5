"""Stage dev with some keys set anew, and what is said about it."""

import copy
import tomllib

import pytest

from config import ConfigError
from config.load import FOLDER, parse_stage

DEV = tomllib.loads((FOLDER / "dev.toml").read_text())
REMOVE = object()


def changed(**changes):
    raw = copy.deepcopy(DEV)
    for path, value in changes.items():
        *sections, key = path.split("__")
        place = raw
        for section in sections:
            place = place[section]
        if value is REMOVE:
            del place[key]
        else:
            place[key] = value
    return raw


def faults(**changes):
    with pytest.raises(ConfigError) as caught:
        parse_stage(changed(**changes), "config/dev.toml")
    return caught.value.faults
