"""The bench's arithmetic and its verdict, on programs that take no time."""

import dataclasses
import io
import json
import sys

import pytest
from rich.console import Console

from bench import pairs, phases, report, synth
from bench.programs import Program, ProgramError, Seconds


@dataclasses.dataclass(frozen=True)
class Pretended:
    name: str
    took: list[float]
    order: list[str]

    def run(self, _out):
        self.order.append(self.name)
        return Seconds(wall=self.took.pop(0), cpu=1.0)


def measured(ours, flat):
    order = []
    found = pairs.measure(Pretended("ours", ours, order), Pretended("flat", flat, order), len(ours) - 1, lambda: None)
    return found, order


def test_first_pair_warms_up_and_the_others_take_turns_to_go_first():
    found, order = measured([99, 1, 2, 3], [1, 1, 1, 1])
    assert [pair.ratio for pair in found] == [1, 2, 3]
    assert order == ["flat", "ours", "ours", "flat", "flat", "ours", "ours", "flat"]


def test_ratio_is_the_median_of_the_pairs_and_not_of_their_sums():
    found, _ = measured([0, 1, 1, 100], [1, 1, 1, 10])
    assert pairs.median_ratio(found) == 1


def result(ratio):
    profile = phases.Profile({"construct": 100.0, "import aws_cdk.aws_s3": 0.5, "import aws_cdk.aws_kms": 0.25}, 9)
    pair = pairs.Pair(Seconds(ratio, 1), Seconds(1, 1))
    return report.Result("dev", True, 5, 1.2, [pair], profile, profile)


@pytest.mark.parametrize(("ratio", "status"), [(1.2, 0), (1.21, 1)])
def test_exit_status_says_whether_the_bar_is_met(ratio, status, monkeypatch, capsys):
    monkeypatch.setattr(synth, "_measure", lambda *_: result(ratio))
    monkeypatch.setattr(sys, "argv", ["bench-synth", "--json"])
    assert synth.main() == status
    assert json.loads(capsys.readouterr().out)["ratio_met"] is (status == 0)


def test_programs_that_cannot_be_compared_are_one_sentence_and_a_status_of_its_own(monkeypatch, capsys):
    def refuse(*_):
        raise synth.UnequalError("the flat app differs from stage dev")

    monkeypatch.setattr(synth, "_measure", refuse)
    monkeypatch.setattr(sys, "argv", ["bench-synth"])
    assert synth.main() == 2
    assert capsys.readouterr().err == "bench-synth: the flat app differs from stage dev\n"


def test_report_names_the_machine_the_bar_and_gathers_small_imports():
    console = Console(width=100, record=True, file=io.StringIO())
    report.show(result(1.5), console)
    text = console.export_text()
    assert report.machine()[:20] in text
    assert "at most 1.2 is the bar: MISSED" in " ".join(text.split())
    assert "import other services" in text
    assert "aws_s3" not in text


def test_what_node_counted_comes_out_of_the_phase_during_which_it_happened():
    seconds = {phases.CONSTRUCTING: 2.0, phases.SYNTH: 3.0}
    counters = {
        "FileSystem.fingerprint": {"total": 500},
        "fs.writeFileSync": {"total": 250},
        "fs.readSync": {"total": 9000},
        "validateTemplates": {"total": 2000},
        "CloudFormationValidate.validate": {"total": 750},
    }
    phases._take_out_of(seconds, counters)
    assert seconds == {
        phases.CONSTRUCTING: 1.5,
        "hash assets": 0.5,
        phases.SYNTH: 0.75,
        "write files": 0.25,
        "validate: start the engine": 1.25,
        "validate: templates": 0.75,
    }


def test_program_that_fails_says_what_it_said(tmp_path):
    (tmp_path / "app.py").write_text("import sys; sys.exit('no such stage')")
    with pytest.raises(ProgramError, match="no such stage"):
        Program("broken", tmp_path, "dev").run(tmp_path / "out")


def test_program_gets_what_the_cdk_command_line_gives_and_nothing_of_the_shells(tmp_path, monkeypatch):
    monkeypatch.setenv("JSII_DEBUG", "1")
    monkeypatch.setenv("NODE_OPTIONS", "--inspect")
    environment = Program("one", tmp_path, "prod", validation=False).environment(tmp_path / "out")
    assert not {"JSII_DEBUG", "NODE_OPTIONS"} & environment.keys()
    assert json.loads(environment["CDK_CONTEXT_JSON"])["stage"] == "prod"
    assert (environment["CDK_OUTDIR"], environment["CDK_VALIDATION"]) == (str(tmp_path / "out"), "false")
