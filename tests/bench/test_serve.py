"""The bench of the container: its arithmetic, its client and its table. What it measures is measured by running it."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from bench.serve import environments, fma, table
from bench.serve.__main__ import parse
from bench.serve.load import http_request, read_answer
from bench.serve.measure import (
    LARGE,
    MANY,
    ONE,
    OVERLOAD,
    Sample,
    Visit,
    collect,
    label_in,
    log_medians,
    quantile,
    start_client,
)
from bench.serve.processes import Tree, free_port, running
from bench.serve.rows import ROWS, Results, best, needs, ratios
from bench.serve.systems import (
    INT8,
    LITSERVE,
    LITSERVE_TOOL,
    OURS,
    TORCHSERVE_TOOL,
    A,
    B,
    Machine,
    Tuning,
    UnavailableError,
    grid,
)
from tests.synth import ROOT

ROW = {row.key: row for row in ROWS}


def sample(latencies, *, cpu=1.0, **more):
    return Sample(1.0, {200: latencies}, cpu, 0.1, **more)


def visit(tuning, load, *, start=1.0, mib=100.0, pings=None, **samples):
    return Visit(tuning, start, mib, 1.0, {load: samples.pop("sample"), **samples}, pings)


def one_round(**found):
    """System -> its visit, all under 16 clients."""
    return {(system, MANY): visit(Tuning(system), MANY, **more) for system, more in found.items()}


def results(*rounds, **more):
    return Results(flops=8e9, cores=2, rounds=list(rounds), **more)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 5), (0.95, 10), (0.99, 10), (0.1, 1), (1.0, 10)])
def test_quantile_is_one_of_the_values(share, expected):
    assert quantile([float(n) for n in range(10, 0, -1)], share) == expected


def test_quantile_of_nothing_is_no_number():
    assert math.isnan(quantile([], 0.5))


def test_ratio_of_a_system_that_answered_nothing_is_left_out():
    assert ratios([(4.0, 2.0), (4.0, 0.0), (math.nan, 1.0), (3.0, 3.0)]) == [2.0, 1.0]


def test_throughput_is_compared_round_by_round():
    fast, slow = sample([1.0] * 30), sample([1.0] * 10)
    found = results(
        one_round(ours={"sample": fast}, A={"sample": slow}),
        one_round(ours={"sample": slow}, A={"sample": slow}),
        one_round(ours={"sample": fast}),
        one_round(ours={"sample": fast}, A={"sample": sample([1.0] * 12)}),
    )
    row = ROW["throughput-a"]
    assert row.values(found) == [3.0, 1.0, 2.5]
    assert (row.value(found), row.met(found)) == (2.5, True)


def test_goal_that_is_missed_is_said_to_be():
    found = results(one_round(ours={"sample": sample([1.0] * 15)}, A={"sample": sample([1.0] * 10)}))
    assert ROW["throughput-a"].met(found) is False


def test_start_and_memory_are_those_of_the_same_visits():
    found = results(
        one_round(
            ours={"sample": sample([1.0]), "start": 0.5, "mib": 300},
            A={"sample": sample([1.0]), "start": 5.0, "mib": 600},
        )
    )
    assert (ROW["start"].value(found), ROW["memory"].value(found)) == (0.1, 0.5)
    assert (ROW["start"].met(found), ROW["memory"].met(found)) == (True, False)


def test_int8_is_compared_with_a_as_well():
    found = results(one_round(int8={"sample": sample([1.0] * 50)}, A={"sample": sample([1.0] * 10)}))
    assert ROW["int8"].value(found) == 5.0


def test_engine_and_the_rest_are_read_from_the_servers_own_steps():
    mine = sample([1.0], ms={"decode": 2.0, "infer": 40.0, "total": 44.0})
    found = results({(OURS, ONE): visit(Tuning(OURS), ONE, sample=mine)}, peaks=[(1.3e11, 2.5e11)])
    assert ROW["engine"].value(found) == pytest.approx(8e9 / 0.040 / 2.5e11)
    assert ROW["outside"].value(found) == pytest.approx(2 / 44)


def overloaded(pings, statuses, **more):
    both = {MANY: sample([1.0] * 50, cpu=2.0), OVERLOAD: Sample(1.0, statuses, 2.0, 0.1, **more)}
    return results({(OURS, OVERLOAD): Visit(Tuning(OURS), 1.0, 100.0, 1.0, both, pings)})


def test_overload_counts_refusals_as_refusals_and_all_else_against_the_server():
    found = overloaded(None, statuses={200: [1.0] * 45, 429: [1.0] * 400 + [9000.0], 503: [1.0] * 2, 0: [1.0]}, lost=1)
    assert ROW["answered"].value(found) == 45 / 50
    assert ROW["goodput"].value(found) == pytest.approx(45 / 50)
    assert (ROW["answered"].met(found), ROW["goodput"].met(found)) == (False, True)


def test_ping_that_failed_took_for_ever():
    pings = Sample(1.0, {200: [5.0] * 98, 503: [1.0]}, 0.0, 0.0, sent=100, lost=1)
    assert ROW["ping"].value(overloaded(pings, statuses={200: [1.0]})) == math.inf
    steady = Sample(1.0, {200: [5.0] * 100}, 0.0, 0.0, sent=100)
    assert ROW["ping"].value(overloaded(steady, statuses={200: [1.0]})) == 5.0


def test_best_tuning_is_found_for_each_load_apart():
    wide, deep, scaled = Tuning(A, 2, 1), Tuning(A, 1, 2), Tuning(A, 2, 1, draft=True)
    tried = [
        Visit(wide, 1, 1, 1, {ONE: sample([80.0] * 9), MANY: sample([200.0] * 50)}),
        Visit(deep, 1, 1, 1, {ONE: sample([40.0] * 9), MANY: sample([200.0] * 40)}),
        Visit(Tuning(A), 1, 1, 1, {ONE: sample([]), MANY: sample([])}),
        Visit(scaled, 1, 1, 1, {ONE: sample([1.0]), MANY: sample([1.0] * 99)}),
    ]
    assert (best(tried, ONE), best(tried, MANY), best(tried, LARGE)) == (deep, wide, None)


def test_one_row_alone_needs_only_its_own_systems_and_loads():
    assert needs((ROW["latency-b"],)) == {OURS: [ONE], B: [ONE]}
    assert needs((ROW["ping"],)) == {OURS: [MANY, OVERLOAD]}


def test_whole_table_measures_everybody():
    assert needs(ROWS) == {
        OURS: [ONE, MANY, LARGE, OVERLOAD],
        INT8: [MANY],
        A: [ONE, MANY, LARGE],
        B: [ONE, MANY, LARGE],
        LITSERVE: [ONE, MANY, LARGE],
    }


def test_grid_holds_the_defaults_and_both_ways_to_use_every_core():
    tried = [tuning.name for tuning in grid(4, [OURS, A])]
    assert tried == ["as it comes", "1 x 4", "4 x 1", "4 x 1, batch 4", "4 x 1, scaled decode"]
    assert len(grid(1, [A])) == 4  # 1 x 1 only once


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", (0, True)),
        (b"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", (429, False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (200, True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", (0, True)),
        (b"HTTP/1.1 200 OK\r\nContent-Len", (0, True)),
    ],
)
def test_client_knows_when_an_answer_is_whole(answer, read):
    assert read_answer(answer) == read


def test_request_says_how_long_its_body_is():
    assert b"POST /invocations HTTP/1.1" in (request := http_request("POST", "/invocations", b"jpeg"))
    assert request.endswith(b"Content-Length: 4\r\n\r\njpeg")


def test_labels_are_found_in_both_kinds_of_answer():
    assert label_in({"predictions": [{"label": "label-007", "probability": 0.9}]}) == "label-007"
    assert label_in([0.1, 3.0, -1.0]) == "label-001"


def test_steps_are_the_medians_of_the_lines_in_between(tmp_path):
    def line(infer, status=200):
        return json.dumps({"event": "request", "status": status, "ms": {"infer": infer}, "total_ms": infer + 1}) + "\n"

    log, before = tmp_path / "log", line(99)
    log.write_text(before + line(1) + "Java says something\n" + line(50, status=429) + line(3) + line(5) + "{half")
    assert log_medians(log, len(before), log.stat().st_size) == {"infer": 3, "total": 4}


def loop_of_this_machine():
    try:
        return fma.Loop(fma.vector_floats(fma.processor_flags(), os.uname().machine))
    except fma.NoPeakError as error:
        pytest.skip(str(error))


def test_loop_in_machine_code_multiplies_and_adds_as_often_as_it_says():
    loop = loop_of_this_machine()
    assert loop.run(1000) == [1000 * fma.FACTOR * fma.TERM] * loop.floats
    assert loop.flops(10) == 10 * 12 * loop.floats * 2


@pytest.mark.parametrize(("machine", "flags"), [("aarch64", {"asimd"}), ("x86_64", {"sse2"})])
def test_processor_without_a_loop_is_told(machine, flags):
    with pytest.raises(fma.NoPeakError):
        fma.vector_floats(flags, machine)


def test_missing_environment_is_the_reason_why_a_system_takes_no_part():
    machine = Machine({TORCHSERVE_TOOL: "no network", LITSERVE_TOOL: "no network"})
    for system in (A, B, LITSERVE):
        with pytest.raises(UnavailableError, match="no network"):
            machine.check(system)
    machine.check(OURS)


@pytest.mark.parametrize(("program", "said"), [("java", "apt install"), ("unshare", "under /etc")])
def test_missing_program_is_named(program, said, tmp_path, monkeypatch):
    there = {"java", "unshare"} - {program}
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    with pytest.raises(UnavailableError, match=said):
        Machine({TORCHSERVE_TOOL: tmp_path}).check(A)


def test_environment_that_cannot_be_made_is_a_reason_and_not_a_crash(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    (tmp_path / "requirements-polish.txt").write_text("")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup.py").write_text("raise SystemExit('setup: no index answers')")
    assert "setup: no index answers" in environments.environment("polish", lambda text: None)


def printed(found, rows=ROWS):
    facts = {"machine": "a machine", "client_ceiling": {"small": 1000.0, "large": 100.0}}
    file = io.StringIO()
    table.show(found, rows, facts, Console(file=file, width=160))
    return file.getvalue()


def test_table_shows_goal_figure_and_verdict():
    found = results(one_round(ours={"sample": sample([1.0] * 25)}, A={"sample": sample([1.0] * 10)}))
    (line,) = [line for line in printed(found).splitlines() if "16 clients, vs A" in line and "int8" not in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "requests/s at 16 clients, vs A", ">= 2x", "2.50x", "2.50x", "met",
    ]  # fmt: skip


def test_table_says_who_took_no_part_and_what_was_not_measured():
    found = results(one_round(ours={"sample": sample([1.0] * 25)}), missing={A: "There is no java."})
    text = printed(found)
    assert "took no part. There is no java." in text
    assert text.count("not measured") == 14
    goals = {goal["row"]: goal for goal in table.as_json(found, ROWS, {})["goals"]}
    assert goals["throughput-a"] | {"rounds": []} == {
        "row": "throughput-a",
        "what": "requests/s at 16 clients, vs A",
        "goal": ">= 2x",
        "value": None,
        "rounds": [],
        "met": None,
        "reason": "There is no java.",
    }


def test_json_holds_nothing_that_is_not_json():
    assert table.finite({"a": [1, math.inf, {"b": math.nan}], "c": "nan"}) == {"a": [1, None, {"b": None}], "c": "nan"}


def test_table_lists_the_tunings_that_lost_as_well():
    tried = [Visit(Tuning(A, 2, 1), 4.0, 900, 1, {MANY: sample([1.0] * 7)})]
    assert "2 x 1" in printed(results(tried=tried))


def test_client_counts_what_a_server_answers_and_leaves_nothing_behind(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "bench.serve.nothing", str(port)]
    order = {
        "port": port, "method": "POST", "path": "/invocations", "bodies": ["anBlZw=="], "seconds": 0.2, "warm_up": 0.2,
    }  # fmt: skip
    with running(command, {"PYTHONPATH": str(ROOT)}, tmp_path, tmp_path / "log") as tree:
        time.sleep(0.3)
        closed = start_client({**order, "clients": 4})
        paced = start_client({**order, "rate": 50})
        found = [collect(client, tree, None) for client in (closed, paced)]
        assert tree.pids() == [tree.root]
        assert tree.resident_mib() > 1
    assert len(found[0].answered) > 20 and found[0].statuses.keys() == {200}
    assert (found[1].sent, found[1].lost, len(found[1].answered)) == (10, 0, 10)
    assert tree.pids() == []


def test_what_a_server_started_goes_with_it(tmp_path):
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with running([sys.executable, "-c", program], {}, tmp_path, tmp_path / "log") as tree:
        deadline = time.monotonic() + 10
        while len(tree.pids()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        both = tree.pids()
        assert len(both) == 2
    assert [pid for pid in both if pid in Tree(os.getpid()).pids()] == []


def test_being_told_to_end_is_an_interruption_and_writes_nothing(tmp_path):
    words = [sys.executable, "-m", "bench.serve", "--only", "spread", "--out", str(tmp_path / "out")]
    bench = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert "bench-serve: " in bench.stderr.readline()
    bench.send_signal(signal.SIGTERM)
    assert "interrupted" in bench.communicate(timeout=30)[1]
    assert bench.returncode == 130
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--seconds", "-1"], ["--only", "nothing"]])
def test_senseless_words_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(words)
    assert words[1] in capsys.readouterr().err
