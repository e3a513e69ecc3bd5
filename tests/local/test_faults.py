"""What a machine and its user do to the embedded AWS: each ends in a sentence, and the next start works."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import cli, control, process_group
from local.home import Home
from tests.embedded import APP, ROOT, Embedded

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]
LOCAL = [sys.executable, "-m", "local"]
# Moments of a start, in seconds: Python's own imports, the lock, the server's, state read back, the answer, after it.
MOMENTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)
LATEST_SECONDS = 90


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "aws"
    control.stop(tmp_path / "aws")


def begun(command, state, **more):
    words = [*LOCAL, command, "--state", str(state), *(("--port", "0") if command == "start" else ())]
    if command == "start":
        words += ["--images", str(APP / "images.toml")]
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **more
    )


def ended(process):
    """Its exit status, and what it said on both streams."""
    out, err = process.communicate(timeout=LATEST_SECONDS)
    return process.returncode, out + err


def servers(state):
    """Processes of servers in this folder, and of what they started, wherever they are."""
    found = []
    for place in process_group.PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "local.server" in command and str(state) in command and place.name != str(os.getpid()):
                found.append(command)
    return found


def works(state):
    """A start, a call, a stop; nothing is left."""
    code, said = ended(begun("start", state))
    assert code == 0, said
    Embedded(control.running(Home(state))).client("sts").get_caller_identity()
    code, said = ended(begun("stop", state))
    assert (code, said) == (0, "The embedded AWS stopped; its state is kept.\n")
    assert servers(state) == []


def is_a_sentence(said):
    return "Traceback" not in said and said.count("\n") <= 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_during_a_start_leaves_nothing_half_started(folder, moment):
    process = begun("start", folder)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGINT)
    code, said = ended(process)
    assert is_a_sentence(said), said
    # Python itself dies of the signal before the first line of ours runs.
    assert code in (0, 130, -signal.SIGINT), said
    if code:
        assert servers(folder) == []
    works(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_during_a_start_is_survived(folder, moment):
    process = begun("start", folder)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    ended(process)
    ended(begun("stop", folder))
    # One that had no lock yet when it was looked for notices that nobody waits for it.
    deadline = time.monotonic() + 10
    while found := servers(folder):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    works(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_start_after_a_killed_one_goes_on_from_there(folder, moment):
    process = begun("start", folder)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    ended(process)
    works(folder)


@pytest.mark.parametrize("command", ["stop", "reset"])
@pytest.mark.parametrize("moment", MOMENTS[:9])
def test_ctrl_c_during_a_stop_or_reset_is_survived(folder, command, moment):
    assert ended(begun("start", folder))[0] == 0
    process = begun(command, folder)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGINT)
    code, said = ended(process)
    assert is_a_sentence(said), said
    assert code in (0, 130, -signal.SIGINT), said
    ended(begun("stop", folder))
    works(folder)


def test_starts_and_stops_at_once_end_one_after_the_other(folder):
    commands = ["start", "stop", "start", "status", "stop", "start"]
    with ThreadPoolExecutor(len(commands)) as pool:
        results = list(pool.map(lambda command: ended(begun(command, folder)), commands))
    for command, (code, said) in zip(commands, results, strict=True):
        # What `status` finds is a list.
        assert is_a_sentence(said) or (command, code) == ("status", 0), said
        # Status 1 says that nothing runs, 2 that it went while it was asked.
        assert code == 0 or (command == "status" and code in (1, 2)), said
    ended(begun("stop", folder))
    works(folder)


def test_any_damaged_file_is_a_sentence_or_does_no_harm(folder):
    """Each file that a stopped one leaves, cut in half and emptied in turn; what is damaged can be forgotten."""
    embedded = Embedded(control.start(state=folder, port=0, images=APP / "images.toml"))
    embedded.put(embedded.bucket(), "key", b"kept")
    embedded.serving()
    control.stop(folder)
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    names = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file() and path.stat().st_size]
    names = [name for name in names if name.suffix not in (".log", ".lock") and "instances" not in name.parts]
    # Every service's state is read alike.
    names = [name for name in names if name.parts[0] != "state" or name.stem in ("iam", "s3", "clock")]
    assert {"secret", "state", "tls", "s3"} <= {name.parts[0] for name in names}
    said = {}
    for name in names:
        for part in (0, whole.joinpath(name).stat().st_size // 2):
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
            (folder / name).write_bytes((whole / name).read_bytes()[:part])
            code, text = ended(begun("start", folder))
            assert is_a_sentence(text), (name, part, text)
            if code:
                said[name, part] = text
                assert text.startswith("error: "), (name, part, text)
                assert ended(begun("reset", folder))[0] == 0
                assert ended(begun("start", folder))[0] == 0
            Embedded(control.running(Home(folder))).client("sts").get_caller_identity()
            control.stop(folder)
    for (name, part), text in said.items():
        print(name, part, text.strip())


def test_a_server_lost_in_the_middle_is_found_and_ended(folder):
    """Its files tell nothing of it any more, and it holds its lock all the same."""
    first = control.start(state=folder, port=0, images=APP / "images.toml")
    for name in ("server.json", "last.json"):
        (folder / name).unlink()
    code, said = ended(begun("status", folder))
    assert (code, is_a_sentence(said)) == (1, True), said
    code, said = ended(begun("stop", folder))
    assert (code, said) == (0, "The embedded AWS stopped; its state is kept.\n")
    control._reap(first.facts.pid)
    assert servers(folder) == []
    works(folder)


def as_nobody(*words):
    """Exit status and words of the command line, run by a user who owns nothing; in a fork, whose modules are loaded."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = 99
        with contextlib.suppress(BaseException):
            code = cli.main(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_another_user_is_told_so_and_harms_nothing(tmp_path, folder):
    found = control.start(state=folder, port=0, images=APP / "images.toml")
    for place in (tmp_path, *tmp_path.parents):
        if place.is_relative_to("/tmp") and place != Path("/tmp"):
            place.chmod(0o755)
    for command in ("start", "status", "env", "stop", "reset", "logs"):
        code, said = as_nobody(command, "--state", str(folder))
        assert (code, is_a_sentence(said)) == (2, True), said
        assert "is closed to this user" in said
    assert control.running(Home(folder)).facts == found.facts
    control.stop(folder)
    works(folder)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 260 MiB: a start wants 200 free."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=260m", "whippet", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted by this user: {mounted.stderr.decode().strip()}")
    yield place
    control.stop(place / "aws")
    subprocess.run(["umount", "-l", str(place)], check=True)


def until_saved(state, name):
    deadline = time.monotonic() + 20
    while name not in "".join(path.read_text() for path in Home(state).state.glob("s3*.json")):
        assert time.monotonic() < deadline, "the state was not saved"
        time.sleep(0.1)


def test_a_disk_that_fills_up_is_said_and_nothing_that_was_kept_is_lost(small_disk):
    state = small_disk / "aws"
    embedded = Embedded(control.start(state=state, port=0, images=APP / "images.toml"))
    bucket = embedded.bucket()
    embedded.put(bucket, "before", b"kept")
    # Saved every few seconds; then it need not be saved at the end.
    until_saved(state, bucket)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(2**20))
    with pytest.raises(ClientError, match=r"ServiceUnavailable.*has 0 MiB free, of which S3 leaves 50 alone"):
        embedded.put(bucket, "during", b"lost")
    embedded.client("iam").create_role(RoleName="late", AssumeRolePolicyDocument="{}")
    code, said = ended(begun("stop", state))
    assert (code, is_a_sentence(said)) == (2, True), said
    assert "what changed last could not be saved" in said
    assert "has 0 MiB free" in said
    code, said = ended(begun("start", state))
    assert code == 2
    assert "MiB free and 200 MiB are needed" in said
    filler.unlink()
    again = Embedded(control.start(state=state, port=0, images=APP / "images.toml"))
    assert again.client("s3").get_object(Bucket=bucket, Key="before")["Body"].read() == b"kept"
    with pytest.raises(ClientError, match="NoSuchKey"):
        again.client("s3").get_object(Bucket=bucket, Key="during")
    again.put(bucket, "after", b"kept")
