"""Documents against the code: what exists is described, and what is described exists."""

import json
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from config.model import StageConfig
from tests.synth import ROOT

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)
PROGRAMS = ("local", "serving", "training.train", "training.starter")


def printed_by_config(what):
    command = [sys.executable, "-m", "config", what]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_committed_schema_is_the_models():
    assert json.loads((ROOT / "config" / "stage.schema.json").read_text()) == StageConfig.model_json_schema()


def test_reference_of_the_stage_file_is_the_models():
    assert (ROOT / "docs" / "stage-file.md").read_text() == printed_by_config("reference")


@pytest.mark.parametrize("target", TARGETS)
def test_readme_mentions_every_make_target(target):
    assert f"make {target}" in README


def test_readme_mentions_no_make_target_that_is_not_there():
    assert set(re.findall(r"make ([a-z-]+)", " ".join(re.findall(r"`[^`]+`|^    .*$", README, re.MULTILINE)))) <= set(
        TARGETS
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_readme_mentions_every_program(program):
    assert f"python -m {program}" in README


def test_readme_mentions_every_command_of_the_embedded_aws():
    shown = subprocess.run(
        [sys.executable, "-m", "local", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    commands = re.search(r"\[-h\] ([a-z|]+) \.\.\.", shown).group(1).split("|")
    assert len(commands) > 3
    assert [name for name in commands if not re.search(rf"local [a-z|]*\b{name}\b", README)] == []


def test_readme_mentions_every_command_of_the_operator():
    shown = subprocess.run([sys.executable, "-m", "ops"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", shown, re.MULTILINE)
    assert len(commands) > 2
    assert [name for name in commands if f"python -m ops {name}" not in README] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page):
    named = re.findall(
        r"`((?:config|stacks|lambda_src|training|serving|local|ops|bench|tests|docs|scripts)/[\w./-]+)`",
        page.read_text(),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_room_is_described_in_the_readme():
    ignored = (ROOT / ".gitignore").read_text().replace("/", "").split()
    folders = [place.name for place in ROOT.iterdir() if place.is_dir() and not place.name.startswith(".")]
    rooms = {name for name in folders if not any(fnmatchcase(name, pattern) for pattern in ignored)}
    assert {"config", "stacks", "tests"} <= rooms
    assert [room for room in sorted(rooms) if f"`{room}/`" not in README] == []


def test_unproven_claims_each_come_with_a_command():
    rows = [line for line in (ROOT / "docs" / "unproven.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        assert len(re.split(r"(?<!\\)\|", row)) >= 5


def test_decisions_have_status_context_decision_and_consequences():
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert "Status: " in text, page.name
        assert [head for head in ("Context", "Decision", "Consequences") if f"\n## {head}\n" not in text] == [], (
            page.name
        )


def readme_commands():
    """Lines that a reader would paste: indented blocks, without comments."""
    for line in re.findall(r"^    (\S.*)$", README, re.MULTILINE):
        yield line.split("  #")[0].strip()


def test_readme_commands_start_with_a_program_that_exists():
    known = {"make", "cdk", "source", "eval", "curl", "aws", "python", "docker"}
    for command in readme_commands():
        assert shlex.split(command)[0] in known or Path(shlex.split(command)[0]).exists(), command
