"""The operator's command line: `python -m ops COMMAND --stage NAME [--json]`; `python -m ops` lists the commands.

A command is a module with `add_arguments(parser)` and `run(arguments) -> int`, read only when it is called.
"""

import argparse
import importlib
import sys

from config import ConfigError
from ops.console import fail
from ops.errors import OperatorError

# Name -> module and what it is for, as the list says it.
COMMANDS = {
    "demo": ("ops.demo", "the whole system on this machine: deploy, predict, look around"),
    "destroy": ("ops.destroy", "take a stage away, and say what stays and why"),
    "page": ("ops.page", "the page to try an image, with requests that your credentials sign"),
}
INTERRUPTED = 130


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_listing())
        return 0
    if words[0] not in COMMANDS:
        return fail(f"There is no command `{words[0]}`; the commands are {', '.join(COMMANDS)}.")
    module = importlib.import_module(COMMANDS[words[0]][0])
    parser = argparse.ArgumentParser(prog=f"python -m ops {words[0]}", description=str(module.__doc__).splitlines()[0])
    module.add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    try:
        return int(module.run(arguments))
    except (ConfigError, OperatorError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        fail(getattr(module, "INTERRUPTED_SENTENCE", "Interrupted."))
        return INTERRUPTED


def _listing() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(["usage: python -m ops COMMAND ...; each explains itself with --help", "", *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
