"""What stands for an instance's root directory: which paths in a text mean its folder, and which stay this machine's."""

import subprocess
from pathlib import Path

import pytest

from local.sandbox import root
from local.sandbox.root import Root, plain

ROOT = Root(Path("/box"), "127.0.0.1:1")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cat /etc/app.json", "cat /box/etc/app.json"),
        ('echo x >"/opt/app/x"', 'echo x >"/box/opt/app/x"'),
        ("dir=/var/lib/app:/usr/local/bin", "dir=/box/var/lib/app:/box/usr/local/bin"),
        ('Path("/proc")', 'Path("/box/proc")'),
        ("ExecStart=/usr/bin/python3 /opt/x.py", "ExecStart=/box/usr/bin/python3 /box/opt/x.py"),
        ("/sbin/shutdown -h now", "/box/usr/bin/shutdown -h now"),
        ('"$root/etc/x"', '"${root:-/box}/etc/x"'),
        ('"${root}/etc/x"', '"${root:-/box}/etc/x"'),
        ("curl http://169.254.169.254/latest/", "curl http://127.0.0.1:1/latest/"),
    ],
)
def test_paths_of_an_instance_mean_its_folder(text, meant):
    assert ROOT.here(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/bash",
        "#!/usr/bin/env python3",
        "s3://bucket/opt/model",
        "s3://$bucket/etc/x",
        "https://example.com/var/x",
        "cat etc/passwd ./tmp/x ~/tmp/x",
        "arn:aws:ssm:us-east-1:1:parameter/opt/x",
        "/optional /etcetera /runner",
        "/dev/null",
    ],
)
def test_everything_else_stays(text):
    assert ROOT.here(text) == text


@pytest.mark.parametrize("given", [[], ["/elsewhere"]])
def test_a_variable_that_is_empty_stands_for_the_folder(given):
    script = ROOT.here('root="${1:-}"\necho "$root/etc/x"')
    done = subprocess.run(["bash", "-c", script, "script", *given], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{given[0] if given else '/box'}/etc/x"


def test_what_it_writes_to_its_settings_is_its_own(tmp_path):
    disk = Root(tmp_path / "disk", "127.0.0.1:1")
    disk.make()
    hosts = disk.folder / "etc" / "hosts"
    assert hosts.read_text() == Path("/etc/hosts").read_text()
    assert not any(path.is_symlink() for path in (disk.folder / "etc").rglob("*"))


def test_a_path_that_a_script_would_break_has_another_name(tmp_path, monkeypatch):
    monkeypatch.setattr(root, "LINKS", tmp_path)
    (tmp_path / "my disk").mkdir()
    assert plain(tmp_path) == tmp_path
    link = plain(tmp_path / "my disk")
    assert " " not in str(link)
    assert link.resolve() == tmp_path / "my disk"
    assert plain(tmp_path / "my disk") == link


def test_another_folders_link_of_that_name_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(root, "LINKS", tmp_path)
    link = plain(tmp_path / "my disk")
    link.unlink()
    link.symlink_to("/etc")
    with pytest.raises(OSError, match="is not this user's link"):
        plain(tmp_path / "my disk")


def test_a_boot_empties_what_is_in_memory(tmp_path):
    disk = Root(tmp_path / "disk", "127.0.0.1:1")
    disk.make()
    for name in ("run", "tmp", "opt"):
        (disk.folder / name / "kept").touch()
    disk.boot()
    assert [name for name in ("run", "tmp", "opt") if (disk.folder / name / "kept").exists()] == ["opt"]
