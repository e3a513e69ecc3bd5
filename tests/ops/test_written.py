"""Files that commands leave."""

import pytest

from ops.errors import OperatorError
from ops.written import write


def test_a_file_is_written_with_its_folders(tmp_path):
    place = write(tmp_path / "a" / "b.svg", "<svg/>")
    assert place.read_text() == "<svg/>"


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OperatorError, match=r"a/b\.svg cannot be written"):
        write(tmp_path / "a" / "b.svg", "")
