"""python -m local start|stop|status|reset|logs|interrupt|env"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local import control, damaged
from local.facts import USER_ERROR, isolation
from local.home import INTERRUPTION, SPOT, Home, LocalError, Project
from local.launching import Wanted


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command line's voice
        return USER_ERROR
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, `head` for one, has seen enough; what is left unsaid must not fail when Python flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="AWS on this machine, for any CDK app.")
    commands = parser.add_subparsers(required=True, metavar="start|stop|status|reset|logs|interrupt|env")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", type=Path, help="folder of its state (default: pyproject.toml's, see local.home)")
    facts = argparse.ArgumentParser(add_help=False)
    facts.add_argument("--json", action="store_true", help="print facts as JSON")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:  # noqa: ANN401 - a function of args
        # What logs say are lines of others, no facts.
        added = commands.add_parser(name, help=text, parents=[common] if name == "logs" else [common, facts])
        added.set_defaults(run=run)
        return added

    start = command("start", _start, "start it in the background; returns when it answers")
    start.add_argument(
        "--port", type=int, default=control.DEFAULT_PORT, help="0 takes a free one (default %(default)s)"
    )
    start.add_argument("--images", type=Path, help="image registry file (default: pyproject.toml's)")
    start.add_argument("--account", default=control.DEFAULT_ACCOUNT, help="default %(default)s")
    start.add_argument("--region", default=control.DEFAULT_REGION, help="default %(default)s")
    start.add_argument(
        "--launch-seconds",
        type=float,
        default=control.LAUNCH_SECONDS,
        help="how long an endpoint's instance may take to its first healthy ping (AWS: 480; default %(default)s)",
    )
    start.add_argument(
        "--clock",
        type=float,
        default=1.0,
        metavar="N",
        help="CloudWatch and scaling live N times as fast, to see a day's scaling in minutes (default 1)",
    )
    start.add_argument("--foreground", action="store_true", help="stay here until Ctrl-C")
    command("stop", _stop, "stop it and everything it started; state is kept")
    command("status", _status, "where it is, what exists, what is accepted without effect")
    command("reset", _reset, "stop it and forget everything")
    logs = command("logs", _logs, "what it and its endpoints' processes said")
    logs.add_argument("--endpoint", help="of this endpoint's instances instead of the server")
    logs.add_argument("--instance", help="of this EC2 instance: its console and what its user data said")
    logs.add_argument("--notebook", help="of this notebook instance: its lifecycle scripts and Jupyter")
    logs.add_argument("--follow", action="store_true", help="until Ctrl-C")
    interrupt = command("interrupt", _interrupt, "take the spot capacity of a job or an EC2 instance away, as AWS may")
    interrupt.add_argument("name", help="of the job, or the instance's id")
    command("env", _env, 'exports for a shell: eval "$(python -m local env)"')
    return parser


def _home(args: argparse.Namespace) -> Home:
    return Home(args.state.resolve()) if args.state else Project.find().home


def _running(args: argparse.Namespace) -> control.Running:
    found = control.running(_home(args))
    if found is None:
        raise LocalError("The embedded AWS does not run: `python -m local start` first.")
    return found


def _say(args: argparse.Namespace, facts: dict[str, Any], sentences: list[str]) -> None:
    print(json.dumps(facts, indent=2) if args.json else "\n".join(sentences))  # noqa: T201


def _start(args: argparse.Namespace) -> int:
    if args.foreground:
        project = Project.find()
        images = args.images or project.images
        wanted = Wanted(
            images, args.port, args.account, args.region, args.launch_seconds, args.clock, project.notebooks
        )
        return control.run_in_foreground(_home(args), wanted, lambda found: _say_started(args, found, "started"))
    found = control.start(
        images=args.images,
        port=args.port,
        state=args.state,
        account=args.account,
        region=args.region,
        launch_seconds=args.launch_seconds,
        clock=args.clock,
    )
    _say_started(args, found, "started" if found.started_now else "runs already")
    return 0


def _say_started(args: argparse.Namespace, found: control.Running, said: str) -> None:
    facts: dict[str, Any] = {"url": found.facts.url, "http_url": found.facts.http_url, "pid": found.facts.pid}
    # The next port may be taken; only this tells which one plain http got instead.
    sentences = [
        f"The embedded AWS {said} at {found.url}, its HTTP APIs also at {found.facts.http_url}; `python -m local env` "
        "prints what clients need.",
        *isolation(found.facts.not_isolated),
    ]
    if harm := len(damaged.read(found.home)):
        sentences[0] += f" Objects in S3 that the disk has damaged: {harm}; `python -m local status` names them."
    started_now = said == "started"
    facts |= {"started_now": started_now, "damaged_objects": harm, "not_isolated": found.facts.not_isolated}
    _say(args, facts, sentences)
    sys.stdout.flush()


def _stop(args: argparse.Namespace) -> int:
    ran = control.stop(_home(args).folder)
    sentence = "The embedded AWS stopped; its state is kept." if ran else "The embedded AWS did not run."
    _say(args, {"stopped": ran}, [sentence])
    return 0


def _status(args: argparse.Namespace) -> int:
    from local.status import sentences, status  # noqa: PLC0415 - botocore is slow to import, other commands go without

    found = control.running(_home(args))
    if found is None:
        _say(args, {"running": False}, ["The embedded AWS does not run: `python -m local start`."])
        return 1
    with found.home.permitted():
        facts = status(found)
    _say(args, facts, sentences(facts))
    return 0


def _reset(args: argparse.Namespace) -> int:
    home = _home(args)
    done = control.reset(home.folder)
    if done.stopped:
        sentence = "The embedded AWS stopped and forgot everything."
    elif done.forgot:
        sentence = "The embedded AWS did not run; what it kept is forgotten."
    else:
        sentence = f"The embedded AWS did not run, and nothing of it is in {home.folder}."
    _say(args, {"reset": True, **asdict(done)}, [sentence])
    return 0


def _logs(args: argparse.Namespace) -> int:
    home = _home(args)
    with home.permitted():
        if args.notebook:
            paths = sorted(home.notebooks.glob(f"*.{args.notebook}/*.log"))
        else:
            paths = _instance_logs(home, args.instance) if args.instance else _log_files(home, args.endpoint)
    if not paths:
        whose = args.notebook or args.instance or args.endpoint or "the server"
        raise LocalError(f"No log of {whose} is in {home.folder}.")
    command = ["tail", "-n", "200", *(["-F"] if args.follow else []), *map(str, paths)]
    return subprocess.run(command, check=False).returncode


def _log_files(home: Home, endpoint: str | None) -> list[Path]:
    """Those that can be read: `tail` would say of the others in its own way that it may not."""
    folder = home.folder if endpoint is None else home.instances / endpoint
    if not folder.is_dir():
        return []
    # A glob passes over what it may not list.
    os.scandir(folder).close()
    paths = [home.log] if endpoint is None else sorted(folder.glob("**/*log*"))
    paths = [path for path in paths if path.is_file()]
    for path in paths:
        path.open("rb").close()
    return paths


def _instance_logs(home: Home, instance: str) -> list[Path]:
    folder = home.machines / instance
    named = (folder / "console.log", folder / "root" / "var" / "log" / "cloud-init-output.log")
    return [path for path in named if path.is_file()]


def _interrupt(args: argparse.Namespace) -> int:
    home = _running(args).home
    if args.name.startswith("i-"):
        folder, sentence = (
            home.machines / args.name,
            "it has its notice, and two minutes by the clock of `start --clock N`.",
        )
        if not folder.is_dir():
            raise LocalError(f"No instance {args.name} is here: `python -m local status` says which are.")
        if not (folder / SPOT).exists():
            raise LocalError(f"{args.name} is no spot instance: nothing takes its capacity away.")
    else:
        folder = home.jobs / args.name
        sentence = "its capacity is taken away if it is a spot job; another job does not look."
        if not folder.is_dir():
            raise LocalError(f"No job {args.name} runs here: `aws sagemaker list-training-jobs` says which do.")
    (folder / INTERRUPTION).touch()
    _say(args, {"name": args.name}, [f"{args.name}: {sentence}"])
    return 0


def _env(args: argparse.Namespace) -> int:
    given = control.environment(_running(args))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
    lines.append(f"unset {' '.join(control.UNSET)}")
    _say(args, {"set": given, "unset": list(control.UNSET)}, lines)
    return 0
