"""What stands for an instance's root directory: which paths in a text mean its folder, and which stay this machine's."""

import subprocess
from pathlib import Path

import pytest

from local.ec2.root import Root

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


def test_a_boot_empties_what_is_in_memory(tmp_path):
    root = Root(tmp_path / "disk", "127.0.0.1:1")
    root.make()
    for name in ("run", "tmp", "opt"):
        (root.folder / name / "kept").touch()
    root.boot()
    assert [name for name in ("run", "tmp", "opt") if (root.folder / name / "kept").exists()] == ["opt"]
