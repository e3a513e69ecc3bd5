"""docs/operator.md against the command line: a section and an example for each command, and no option that is not there."""

import contextlib
import io
import re

import pytest

from ops.__main__ import COMMANDS, main
from tests.synth import ROOT

PAGE = (ROOT / "docs" / "operator.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
OF = {command: text for heading, text in SECTIONS.items() for command in heading.split(", ")}
# Of other programs that the page shows at work.
NOT_OURS = re.compile(r"^ *(aws |ends with: .*aws |\.venv|eval |make ).*$|`(aws|cdk|jupyter)[^`]*`", re.MULTILINE)
PARTS = {"data": ("check", "push", "status"), "pipeline": ("run", "status", "graph")}


def help_of(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return out.getvalue()


def test_every_command_has_a_section_and_no_other_has_one():
    assert OF.keys() - {"The same from a notebook"} == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"demo"}))
def test_every_section_shows_what_its_command_says(command):
    """Indented, and not only the words to type."""
    shown = re.findall(r"^    (?! *python -m ops)(.+)$", OF[command], re.MULTILINE)
    assert shown


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_that_a_section_names_is_one_of_its_commands(command):
    heading = next(one for one in SECTIONS if command in one.split(", "))
    known = set()
    # What a section says of another command is that one's.
    others = set(re.findall(r"python -m ops ([a-z]+)", SECTIONS[heading])) & COMMANDS.keys()
    for one in {*heading.split(", "), *others}:
        helps = [help_of(one), *(help_of(one, part) for part in PARTS.get(one, ()))]
        known |= set(re.findall(r"--[a-z0-9-]+", " ".join(helps)))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", NOT_OURS.sub("", SECTIONS[heading])))
    assert named <= known


def test_the_notebook_is_told_of_pictures_by_an_address_that_holds_in_its_own_folder():
    """jupyter-execute runs the kernel where the notebook lies."""
    assert set(re.findall(r"WHIPPET_DATA=(\S+?)/\S* .*jupyter-execute", PAGE)) == {"$PWD"}
