"""`python -m ops`: which commands there are, and how each ends that cannot work."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from ops.__main__ import COMMANDS, main
from ops.confirming import typed
from ops.errors import OperatorError, WorkFailed
from tests.synth import ROOT


def test_without_a_command_it_lists_them_all(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    for name, purpose in COMMANDS.items():
        assert name in said
        assert purpose in said


def test_an_unknown_command_is_a_sentence(capsys):
    assert main(["destory"]) == 2
    assert capsys.readouterr().err == f"There is no command `destory`; the commands are {', '.join(COMMANDS)}.\n"


def test_an_unknown_word_is_a_sentence(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["destroy", "--stage", "local", "--now"])
    assert ended.value.code == 2
    said = "unrecognized arguments: --now; `python -m ops destroy --help` tells more.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"python -m ops {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["destroy", "page"])
def test_an_unknown_stage_is_a_sentence(name, capsys):
    assert main([name, "--stage", "porduction"]) == 1
    assert 'there is no stage "porduction"' in capsys.readouterr().err


def test_list_and_help_come_without_reading_what_the_commands_need():
    heavy = {"boto3", "botocore", "aws_cdk", "jsii", "pydantic", "rich", "numpy", "torch", "sagemaker", "PIL"}
    code = f"""
import contextlib, sys
from ops.__main__ import COMMANDS, main
from ops.errors import WorkFailed
main([])
for name in COMMANDS:
    with contextlib.suppress(SystemExit):
        main([name, "--help"])
sys.exit(" ".join({heavy} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("batch d --instances 0", "0 is no whole number above 0"),
        ("predict x --at-once -3", "-3 is no whole number above 0"),
        ("predict x --wait nan", "nan is no number of seconds"),
        ("predict x --wait long", "long is no number of seconds"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused_before_anything_is_done(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--stage", "dev"])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_ends_a_command_in_a_sentence(monkeypatch, capsys):
    def interrupted(_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.destroy.run", interrupted)
    assert main(["destroy", "--stage", "local"]) == 130
    assert capsys.readouterr().err == "Interrupted. The same command goes on where this stopped.\n"


def test_what_fails_is_a_sentence_and_with_json_an_object_too(monkeypatch, capsys):
    def failing(_arguments):
        raise WorkFailed("Job one failed: out of memory.")

    monkeypatch.setattr("ops.destroy.run", failing)
    assert main(["destroy", "--stage", "local", "--json"]) == 4
    said = capsys.readouterr()
    assert said.err == "Job one failed: out of memory.\n"
    assert json.loads(said.out) == {"error": "Job one failed: out of memory.", "status": 4}


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    def broken(_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("ops.destroy.run", broken)
    with pytest.raises(ZeroDivisionError):
        main(["destroy", "--stage", "local"])


def test_who_reads_a_part_only_ends_a_command_in_silence():
    code = "import sys; from ops.commands import destroy\ndestroy.run = lambda _: [print('x' * 99999) for _ in range(99)] and 0\n"
    code += "from ops.__main__ import main; sys.exit(main(['destroy', '--stage', 'local']))"
    done = subprocess.run(
        f"{sys.executable} -c {shlex.quote(code)} | head -c 1", shell=True, cwd=ROOT, capture_output=True, check=False
    )
    assert (done.stdout, done.stderr) == (b"x", b"")


def ended(redirection, said, **environment):
    """`destroy` that prints this, in a shell with its streams redirected: status, standard output, standard error."""
    code = f"import sys; from ops.commands import destroy; destroy.run = lambda _: print({said!r}) or 0\n"
    code += "from ops.__main__ import main; sys.exit(main(['destroy', '--stage', 'local']))"
    command = f"{sys.executable} -c {shlex.quote(code)} {redirection}"
    # As for a person: a machine that builds may have it otherwise.
    buffered = {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, check=False, env=os.environ | buffered | environment
    )
    return done.returncode, done.stdout, done.stderr


def test_a_full_disk_is_a_sentence_and_not_done():
    assert ended("> /dev/full", "x") == (1, b"", b"This machine: No space left on device.\n")


def test_closed_streams_take_nothing_from_what_is_done():
    assert ended(">&- 2>&- <&-", "x") == (0, b"", b"")


def test_what_a_terminal_cannot_show_is_shown_by_its_number():
    assert ended("", "ü", PYTHONIOENCODING="ascii") == (0, b"\\xfc\n", b"")


def test_a_file_that_this_machine_refuses_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("ops.destroy.run", lambda _: (tmp_path / "gone" / "x").read_text())
    assert main(["destroy", "--stage", "local"]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'gone' / 'x'}: No such file or directory.\n"


def test_nobody_is_asked_where_standard_input_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OperatorError, match="Nobody can be asked here: say `--yes`"):
        typed("dev", "to begin")


def test_credentials_of_another_account_are_a_sentence(monkeypatch):
    from ops import account  # noqa: PLC0415 - boto3 is slow to read

    class Sts:
        def get_caller_identity(self):
            return {"Account": "111111111111"}

    config, _ = account_of_stage("222222222222")
    monkeypatch.setattr(account.Account, "client", lambda *_: Sts())
    monkeypatch.setattr(account.Account, "credentials", lambda _: None)
    with pytest.raises(account.OperatorError, match="credentials of account 111111111111; stage.account says 2222"):
        account.account_of(config)


def account_of_stage(number):
    from config.load import parse_stage  # noqa: PLC0415
    from tests.config.stage_file import changed  # noqa: PLC0415

    return parse_stage(changed(stage__account=number), "config/dev.toml")


def test_no_credentials_are_a_sentence(monkeypatch, tmp_path):
    from ops import account  # noqa: PLC0415

    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config, _ = account_of_stage("222222222222")
    with pytest.raises(account.OperatorError, match="There are no AWS credentials here"):
        account.account_of(config)


def test_a_stage_of_the_embedded_aws_that_does_not_run_is_a_sentence(monkeypatch, capsys):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("local.control.running", lambda _home: None)
    assert main(["destroy", "--stage", "local"]) == 1
    assert "The embedded AWS does not run: `python -m local start`" in capsys.readouterr().err
