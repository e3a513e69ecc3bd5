"""Search for good flags on this machine, over the same space as the pipeline's tuner.

    python -m training.tune --stage-file config/dev.toml --out TUNING --trials 20 \\
        --train DATA/train --valid DATA/valid --epochs 10 ...

Every other flag goes to training.train as it is. With `--stage head --features DIR` what the frozen network makes of
the pictures is computed once, before the first trial (training.precompute), so that each is nearly free. Each trial is
a process of its own, as each is a job of its own on SageMaker; its log and all results are kept in OUT. Interrupted and
started again, the search goes on.
"""

import argparse
import csv
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.arguments import Parser, parse
from training.errors import TrainingError
from training.failure import report_failure
from training.precompute import precompute
from training.space import Dimension, Objective, read_objective, read_space

ENTRY = Path(__file__).resolve().with_name("entry.py")
JOURNAL, TABLE = "trials.journal", "trials.csv"
# Trials at random, before those that learn from others.
FIRST_AT_RANDOM = 5
SHOWN = 10
INTERRUPTED = 130
# Where trials vary one of these, each has features of its own.
FEATURES_DEPEND_ON = {"--architecture", "--input-size", "--weights", "--normalise", "--flip", "--seed"}
WORDS_OF_A_REASON = 160


@dataclass(frozen=True)
class Search:
    """What makes two searches the same one."""

    space: Sequence[Dimension]
    objective: Objective
    flags: Sequence[str]
    seed: int

    def identity(self) -> dict[str, Any]:
        # as JSON would give it back
        space = [{**asdict(one), "range": list(one.range or []), "values": list(one.values)} for one in self.space]
        return {"space": space, "flags": list(self.flags), "seed": self.seed, "objective": self.objective.name}


def main(words: Sequence[str]) -> int:
    try:
        return run(words)
    except TrainingError as error:
        report_failure(str(error))
        sys.stderr.write(f"tune: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("tune: interrupted; the same command goes on with the trial that was running\n")
        return INTERRUPTED


def run(words: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m training.tune",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage-file", type=Path, required=True, help="whose [[training.tuning.space]] is searched")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trials and what they led to")
    parser.add_argument("--trials", type=int, default=20, help="in all, those of earlier runs among them (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the search and of each trial (%(default)s)")
    own, others = parser.parse_known_args(words)
    if own.trials < 1:
        raise TrainingError(f"--trials {own.trials}: it must be 1 or more")
    fixed = ["--trial", "true", "--seed", str(own.seed), "--model-dir", str(own.out / "none")]
    chosen = parse([*others, *fixed], "")  # a wrong flag is told before the first trial
    space = read_space(own.stage_file)
    twice = sorted({one.flag for one in space} & {word.split("=")[0] for word in others})
    if twice:
        raise TrainingError(f"{twice[0]}: {own.stage_file} has it varied by the trials; leave it out here, or there")
    search = Search(space, read_objective(), others, own.seed)
    study = open_study(own.out, search)
    if (
        chosen.features is not None
        and chosen.stage != "finetune"
        and not FEATURES_DEPEND_ON & {one.flag for one in space}
    ):
        precompute(chosen)
    while len(finished(study)) < own.trials:
        one_more(study, search, fixed, own.out, of=own.trials)
        write_table(study, search, own.out / TABLE)
    tell(study, search, own.out)
    return 0


def open_study(out: Path, search: Search) -> Any:  # noqa: ANN401 (optuna comes only when it is needed)
    """The search so far; another search's folder is refused."""
    try:
        import optuna  # noqa: PLC0415 (a training image need not carry it)
        from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"{error.name} is missing: install it with pip install -r requirements-dev.txt, or pip install optuna"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        out.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(out / JOURNAL)))
        study = optuna.create_study(
            study_name="trials", storage=storage, direction=search.objective.direction, load_if_exists=True
        )
    except OSError as error:
        raise TrainingError(
            f"--out {out}: cannot be written ({error.strerror}); name a folder you may write"
        ) from error
    known = study.user_attrs.get("search")
    if known is None:
        study.set_user_attr("search", search.identity())
    elif known != search.identity():
        differing = ", ".join(key for key, value in search.identity().items() if known.get(key) != value)
        raise TrainingError(f"--out {out}: it holds another search; other are its {differing}; name another folder")
    for trial in study.trials:
        if trial.state.name == "RUNNING":  # what a killed run left
            _begin_again(study, trial)
    return study


def one_more(study: Any, search: Search, fixed: Sequence[str], out: Path, *, of: int) -> None:  # noqa: ANN401
    """Ask for values, try them, and tell how they did."""
    import optuna  # noqa: PLC0415

    # Seeded by what is finished, so that a search that was interrupted goes the same way as one that was not.
    seed = search.seed + len(finished(study))
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST_AT_RANDOM)
    trial = study.ask({one.flag: _distribution(one) for one in search.space})
    varied = [word for flag, value in trial.params.items() for word in (flag, shown(value))]
    start = time.monotonic()
    try:
        value, reason = attempt(
            [*search.flags, *fixed, *varied], out / f"trial-{trial.number:03}.log", search.objective
        )
    except BaseException:
        _begin_again(study, study.trials[trial.number])
        raise
    seconds = time.monotonic() - start
    trial.set_user_attr("seconds", round(seconds, 1))
    if value is None:
        trial.set_user_attr("reason", reason)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        _refuse_where_all_fail(study, reason)
        result = f"failed: {reason}"
    else:
        study.tell(trial, value)
        result = f"{search.objective.name}={value:.6g}"
    sys.stdout.write(f"trial {len(finished(study))} of {of}: {result} {' '.join(varied)} ({seconds:.0f} s)\n")
    sys.stdout.flush()


def attempt(words: Sequence[str], log: Path, objective: Objective) -> tuple[float | None, str]:
    """Run one training; its number, or None and why there is none."""
    with log.open("w") as file:
        command = [sys.executable, str(ENTRY), *words]
        with ended(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)) as process:
            status = process.wait()
    text = log.read_text(errors="replace")
    values = re.findall(objective.pattern, text)
    if status == 0 and values:
        return float(values[-1]), ""
    lines = text.strip().splitlines() or [f"exit status {status}"]
    return None, lines[-1].removeprefix("training: ")[:WORDS_OF_A_REASON]


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """Whatever happens, no training goes on by itself."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def finished(study: Any) -> list[Any]:  # noqa: ANN401
    """Trials with a result, be it that they failed by themselves."""
    return [one for one in study.trials if one.state.name == "COMPLETE" or "reason" in one.user_attrs]


def ranked(study: Any, search: Search) -> list[Any]:  # noqa: ANN401
    """The best first, those that failed last."""
    sign = -1 if search.objective.direction == "maximize" else 1
    return sorted(finished(study), key=lambda one: (one.value is None, sign * (one.value or 0), one.number))


def write_table(study: Any, search: Search, file: Path) -> None:  # noqa: ANN401
    flags = [one.flag for one in search.space]
    new = file.with_suffix(".new")
    with new.open("w", newline="") as opened:
        lines = csv.writer(opened)
        lines.writerow(
            ["trial", search.objective.name, *(flag.removeprefix("--") for flag in flags), "seconds", "reason"]
        )
        for one in ranked(study, search):
            values = [shown(one.params[flag]) for flag in flags]
            facts = [one.user_attrs.get(name, "") for name in ("seconds", "reason")]
            lines.writerow([one.number, "" if one.value is None else one.value, *values, *facts])
    new.replace(file)


def tell(study: Any, search: Search, out: Path) -> None:  # noqa: ANN401
    """The best trials as a table, and the command that trains with the best one's values."""
    found = ranked(study, search)
    heads = [search.objective.name, *(one.flag.removeprefix("--") for one in search.space), "trial"]
    rows = [
        [
            "failed" if one.value is None else f"{one.value:.4f}",
            *(shown(one.params[dimension.flag]) for dimension in search.space),
            str(one.number),
        ]
        for one in found[:SHOWN]
    ]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        line = "  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line}\n")
    best = found[0]
    if best.value is None:
        raise TrainingError(f"no trial came to a result; the last one's log is {out}/trial-{found[-1].number:03}.log")
    words = [word for flag, value in best.params.items() for word in (flag, shown(value))]
    command = " ".join([*search.flags, *words])
    sys.stdout.write(f"all {len(found)} are in {out / TABLE}; to train with the best:\n")
    sys.stdout.write(f"python -m training.train {command}\n")


def shown(value: object) -> str:
    """A value as a flag takes it; six digits say enough and can be typed again."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _distribution(one: Dimension) -> Any:  # noqa: ANN401
    from optuna import distributions  # noqa: PLC0415

    if one.range is None:
        return distributions.CategoricalDistribution(one.values)
    low, high = one.range
    if one.whole:
        return distributions.IntDistribution(int(low), int(high), log=one.logarithmic)
    return distributions.FloatDistribution(low, high, log=one.logarithmic)


def _begin_again(study: Any, trial: Any) -> None:  # noqa: ANN401
    """Close a trial that was interrupted, and have the next one take its values."""
    from optuna.trial import TrialState  # noqa: PLC0415

    values: Mapping[str, Any] = trial.params
    study.tell(trial.number, state=TrialState.FAIL)
    study.enqueue_trial(values)


def _refuse_where_all_fail(study: Any, reason: str) -> None:  # noqa: ANN401
    """The first trials failing alike is a fault of the flags or the data, not of the values."""
    done = finished(study)
    if len(done) == FIRST_AT_RANDOM and all(one.value is None for one in done):
        raise TrainingError(f"the first {FIRST_AT_RANDOM} trials all failed, the last one saying: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
