"""docs/permissions.md, the templates and the table written by hand say the same."""

import importlib.util
import json

import pytest

from tests import synth
from tests.stacks.test_permissions import ROOMS, TRUST

pytestmark = pytest.mark.xdist_group("synth")
PAGE = (synth.ROOT / "docs" / "permissions.md").read_text()


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("permissions_script", synth.ROOT / "scripts" / "permissions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_made_from_the_templates(script):
    assert script.page(script.from_templates()) == PAGE, "a permission changed: `make permissions`"


def test_page_says_what_the_table_written_by_hand_says(script):
    def named(table):
        return json.loads(json.dumps(table).replace("STAGE", "dev"))

    written = {
        room: {name: (named(TRUST[name]), named(rows)) for name, rows in module.roles("dev").items()}
        for room, module in ROOMS.items()
    }
    assert script.page(written) == PAGE
