"""An upgrade of MiniStack that moves what is used of it fails here, by name."""

import pytest

from local import joints


def test_installed_ministack_is_the_one_this_was_fitted_to():
    joints.check()


def test_another_version_is_named(monkeypatch):
    monkeypatch.setattr(joints, "PINNED_VERSION", "1.0.0")
    with pytest.raises(joints.MovedJoint, match=r"1\.5\.33 is installed, 1\.0\.0 was fitted"):
        joints.check()


def test_moved_function_is_named(monkeypatch):
    monkeypatch.setitem(joints.SIGNATURES, "app:app", ("scope",))
    with pytest.raises(joints.MovedJoint, match=r"app:app takes .*expected \('scope',\)"):
        joints.check()


def test_missing_attribute_is_named(monkeypatch):
    monkeypatch.setattr(joints, "ATTRIBUTES", ("app:no_such_table",))
    with pytest.raises(joints.MovedJoint, match="app:no_such_table is gone"):
        joints.check()
