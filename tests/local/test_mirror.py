"""What others' tests find of the embedded AWS, as it is written down."""

import sys
from collections import Counter

import pytest

from tests.embedded import ROOT


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield __import__("mirror")
    sys.modules.pop("mirror")


def test_every_failure_of_the_mirror_has_one_reason(mirror):
    reasons = mirror.expected()
    assert mirror.UNEXPLAINED not in reasons
    assert {
        name for name, count in Counter(one for _, tests in reasons.values() for one in tests).items() if count > 1
    } == set()


def test_the_documents_show_its_sums(mirror):
    said = (ROOT / "docs" / "local.md").read_text()
    assert "\n".join(mirror.table()) in said
    failing = sum(len(tests) for _, tests in mirror.expected().values())
    assert f"Of {failing + mirror.passing()} tests {mirror.passing()} pass." in said


def test_a_new_failure_and_a_new_pass_are_told_apart(mirror, capsys):
    known = {test: "AssertionError" for _, tests in mirror.expected().values() for test in tests}
    assert mirror.compare(known) == 0
    gone, *_ = known
    assert mirror.compare({**known, gone: "passed"}) == 1
    assert f"passes now, or is gone: {gone}" in capsys.readouterr().out
    assert mirror.compare({**known, "test_x.py::test_y": "assert 1 == 2\nmore"}) == 1
    assert "new failure: test_x.py::test_y: assert 1 == 2\n" in capsys.readouterr().out
