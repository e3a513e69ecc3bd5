"""Hold the embedded AWS against moto's own tests of SageMaker and Application Auto Scaling: `make mirror`.

moto's source archive is fetched from the package index, checked by its hash, and unpacked in .venv-mirror. Every test
has a fresh embedded AWS. What fails is compared with tests/local/mirror.toml, which says why each does:

    python scripts/mirror.py            # run and compare; status 1 where they differ
    python scripts/mirror.py --write    # run, and write down what is new with the reason "unexplained"
    python scripts/mirror.py --table    # the table of docs/local.md
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV, EXPECTED = ROOT / ".venv-mirror", ROOT / "tests" / "local" / "mirror.toml"
VERSION, SHA256 = "5.2.5", "391857257d5dac144334013c2c10e599def5f0562f553e979160140bd7bd9cf6"
SOURCE = VENV / f"moto-{VERSION}"
ACCOUNT = "123456789012"
# What is not here at all (Studio, clusters, experiments, AutoML, monitoring) is not asked.
SAGEMAKER = (
    "cloudformation",
    "endpoint",
    "hyper_parameter_tuning_job",
    "integration",
    "model_package_groups",
    "model_packages",
    "models",
    "notebooks",
    "pipeline",
    "processing",
    "search",
    "training",
    "transform",
)
UNEXPLAINED = "unexplained"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write down what is new")
    parser.add_argument("--table", action="store_true", help="print the table of docs/local.md")
    parser.add_argument("--servers", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.servers:
        return serve()
    if options.table:
        print("\n".join(table()))
        return 0
    try:
        fetch()
        found = run()
    except MirrorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mirror: interrupted; nothing is left running", file=sys.stderr)
        return 130
    return write(found) if options.write else compare(found)


class MirrorError(Exception):
    """A fault that the person at the keyboard can mend."""


def fetch() -> None:
    """The source archive, which holds the tests: wheels do not."""
    if SOURCE.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=VENV) as name:
        folder = Path(name)
        (folder / "wanted.txt").write_text(f"moto=={VERSION} --hash=sha256:{SHA256}\n")
        command = [str(VENV / "bin" / "pip"), "download", "--quiet", "--no-deps", "--no-binary", "moto"]
        command += ["--require-hashes", "-r", str(folder / "wanted.txt"), "-d", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MirrorError(
                f"moto {VERSION}'s source archive could not be fetched: {done.stderr.strip().splitlines()[-1]}"
            )
        with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        # Whole or not at all, so that an interruption is no half of it.
        (folder / SOURCE.name).rename(SOURCE)


def run() -> dict[str, str]:
    """What each test came to."""
    tests = [f"tests/test_sagemaker/test_sagemaker_{one}.py" for one in SAGEMAKER]
    tests.append("tests/test_applicationautoscaling")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(SOURCE)]),
            "MIRROR_RESULTS": str(results),
            "MIRROR_SERVERS": json.dumps([sys.executable, str(Path(__file__)), "--servers"]),
        }
        options = [
            "-p",
            "mirror_tests",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(SOURCE),
            "--tb=no",
            "-q",
            "--no-summary",
        ]
        subprocess.run(
            [str(VENV / "bin" / "python"), "-m", "pytest", *options, *tests], cwd=SOURCE, env=environment, check=False
        )
        if not results.exists():
            raise MirrorError("moto's tests did not run; what pytest said above tells why.")
        return dict(json.loads(results.read_text()))


def serve() -> int:
    """For each line read, the environment of a fresh embedded AWS, written as a line; the one before it ends."""
    sys.path.insert(0, str(ROOT))
    from local import control  # noqa: PLC0415 - of the project, which only this use of the file needs

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def begun(number: int) -> dict[str, str]:
            running = control.start(state=Path(folder) / str(number), port=0, account=ACCOUNT)
            return control.environment(running)

        def end(number: int) -> None:
            control.stop(Path(folder) / str(number))
            shutil.rmtree(Path(folder) / str(number), ignore_errors=True)

        # The next one starts while a test is busy with this one.
        number, coming = 0, pool.submit(begun, 0)
        try:
            for _ in sys.stdin:
                print(json.dumps(coming.result()), flush=True)
                if number:
                    pool.submit(end, number - 1)
                number += 1
                coming = pool.submit(begun, number)
        finally:
            coming.result()
            for left in (number - 1, number):
                end(max(left, 0))
    return 0


def passing() -> int:
    return int(tomllib.loads(EXPECTED.read_text())["passed"])


def expected() -> dict[str, tuple[str, list[str]]]:
    """Key of a reason -> the reason, and the tests that fail for it."""
    read = tomllib.loads(EXPECTED.read_text())
    return {key: (one["why"], one["tests"]) for key, one in read["fails"].items()}


def compare(found: dict[str, str]) -> int:
    known = {test for _, tests in expected().values() for test in tests}
    failed = {name: said for name, said in found.items() if said not in ("passed", "skipped")}
    counted = Counter("failed" if said not in ("passed", "skipped") else said for said in found.values())
    for name in sorted(set(failed) - known):
        print(f"new failure: {name}: {failed[name].splitlines()[0][:200]}")
    for name in sorted(known - set(failed)):
        print(f"passes now, or is gone: {name}; take it out of {EXPECTED.relative_to(ROOT)}")
    print(f"moto {VERSION}: {counted['passed']} passed, {counted['failed']} failed, {counted['skipped']} skipped")
    return int(set(failed) != known)


def write(found: dict[str, str]) -> int:
    kept = expected() if EXPECTED.exists() else {}
    failed = {name: said for name, said in found.items() if said not in ("passed", "skipped")}
    reasons = {key: (why, [test for test in tests if test in failed]) for key, (why, tests) in kept.items()}
    known = {test for _, tests in reasons.values() for test in tests}
    new = sorted(set(failed) - known)
    if new:
        reasons[UNEXPLAINED] = ("Nobody has looked yet", new)
    EXPECTED.write_text("\n".join(_lines(reasons, sum(said == "passed" for said in found.values()))) + "\n")
    for name in new:
        print(f"{name}: {failed[name].splitlines()[0][:300]}")
    return 0


def _lines(reasons: dict[str, tuple[str, list[str]]], passed: int) -> Iterator[str]:
    yield f"# What moto {VERSION}'s own tests find of the embedded AWS: `make mirror` compares, docs/local.md has sums."
    yield f"passed = {passed}"
    for key, (why, tests) in reasons.items():
        if tests:
            yield ""
            yield f"[fails.{key}]"
            yield f"why = {json.dumps(why)}"
            yield "tests = ["
            yield from (f"    {json.dumps(one)}," for one in sorted(tests))
            yield "]"


def table() -> Iterator[str]:
    yield "| Why | Tests |"
    yield "|---|---|"
    for why, tests in sorted(expected().values(), key=lambda one: -len(one[1])):
        yield f"| {why} | {len(tests)} |"


if __name__ == "__main__":
    sys.exit(main())
