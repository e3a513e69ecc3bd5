"""The operator's command line: `python -m ops COMMAND --stage NAME [--json]`, or `whippet COMMAND ...`.

Without a command it lists them. Exit status: 0 done; 1 something to put right; 2 words that it does not know; 3 AWS was
not reached or did not let us; 4 what was asked for ran and failed; 5 a gate holds; 130 interrupted.
"""

import argparse
import importlib
import io
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from ops.errors import OperatorError
from ops.printable import tell

# Name -> what it is for, as the list says it. Its words stand in ops/commands/NAME.py.
COMMANDS = {
    "data": "look at a folder of pictures, push it, list what was pushed: data check|push|status",
    "demo": "the whole system on this machine: deploy, predict, look around",
    "destroy": "take a stage away, and say what stays and why",
    "train": "train as the pipeline does: on one instance or several, on the box, or here",
    "tune": "search the pipeline's space: trials as they end, the best marked, a plot",
    "compare": "trainings side by side: accuracy, time and money, as a table and as a page",
    "pipeline": "run the pipeline, see a run's steps, draw it",
    "jobs": "what runs and ran lately",
    "attach": "come back to what runs, and follow it to its end",
    "stop": "end what runs",
    "models": "registered models: scores, data, code, who approved them, which is live where",
    "show": "a model's card: data, scores by class, mistakes, calibration, lineage",
    "promote": "approve a model that is no worse than the live one, and bring it to the stage",
    "rollback": "serve the model again that was live before this one",
    "resize": "another instance type or a variant less, in the two deploys that it takes",
    "predict": "what pictures show, through the API, the function or the endpoint, with the time at each hop",
    "batch": "predict a folder or a prefix by a transform job, and join its results to the files",
    "status": "what is deployed and how it does: endpoint, alarms, pipeline, this month's cost",
    "logs": "the logs of function, endpoint, training or pipeline, with --follow",
    "doctor": "is this account ready for the stage: credentials, bootstrap, quotas, images",
    "idle": "what bills and does nothing, with its cost an hour; --stop stops it",
    "page": "the page to try an image, with requests that your credentials sign",
}
UNKNOWN_WORDS, INTERRUPTED = 2, 130


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, and where to read more."""
        self.exit(UNKNOWN_WORDS, f"{message}; `{self.prog} --help` tells more.\n")


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    _see_to_streams()
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_listing())
        return 0
    if words[0] not in COMMANDS:
        tell(f"There is no command `{words[0]}`; the commands are {', '.join(COMMANDS)}.")
        return UNKNOWN_WORDS
    module = importlib.import_module(f"ops.commands.{words[0].replace('-', '_')}")
    parser = Parser(prog=f"python -m ops {words[0]}", description=str(module.__doc__))
    module.add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    return _run(module, arguments)


def _see_to_streams() -> None:
    """One that is closed takes all and shows nothing; one that cannot hold a character shows its number."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as we run
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(module: ModuleType, arguments: argparse.Namespace) -> int:
    try:
        status = int(module.run(arguments))
        # Here, where a disk that is full is still a sentence.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as interrupted:
        # Whoever knows what goes on meanwhile says so in it.
        said = str(interrupted) or getattr(module, "INTERRUPTED_SENTENCE", "Interrupted.")
        tell(said)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough, as `head` does; what is still to be written has nowhere to go.
        sys.stdout = None
        return 0
    except Exception as error:  # each kind known is a sentence; the rest is a fault of ours and keeps its traceback
        known = _known(error)
        if known is None:
            raise
        tell(str(known))
        if isinstance(error, OSError) and error.errno and error.filename is None:
            # It may be standard output itself; what waits there to be written would fail once more at the end.
            sys.stdout = None
        elif getattr(arguments, "json", False):
            sys.stdout.write(json.dumps({"error": str(known), "status": known.status}) + "\n")
        return known.status


def _known(error: Exception) -> OperatorError | None:
    if isinstance(error, OperatorError):
        return error
    if isinstance(error, OSError) and error.errno:
        return OperatorError(f"{error.filename or 'This machine'}: {error.strerror}.")
    names = {kind.__name__ for kind in type(error).__mro__}
    # By name, since a command that needs neither must not read pydantic or botocore to say so.
    if names & {"ConfigError", "LocalError"}:
        return OperatorError(str(error))
    if names & {"BotoCoreError", "ClientError"}:
        from ops.weather import sentence_of  # noqa: PLC0415

        return sentence_of(error)
    return None


def _listing() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(["usage: python -m ops COMMAND ...; each explains itself with --help", "", *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
