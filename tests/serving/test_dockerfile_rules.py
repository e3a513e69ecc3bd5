"""What the usual linters of Dockerfiles find, beside what Checkov finds (test_image_build.py): held here, offline."""

import json
import re
import shlex
from collections.abc import Callable

import pytest

from tests.serving.dockerfile import SERVING, instructions

Steps = list[tuple[str, str]]


def runs(steps: Steps) -> list[str]:
    """Each command of each RUN."""
    return [command.strip() for word, rest in steps if word == "RUN" for command in re.split(r"&&|\|\||;|\n", rest)]


def calls(steps: Steps, *names: str) -> list[list[str]]:
    return [words for command in runs(steps) if (words := shlex.split(command))[: len(names)] == list(names)]


def base_without_a_version(steps: Steps) -> list[str]:
    stages = {rest.split(" AS ")[1] for word, rest in steps if word == "FROM" and " AS " in rest}
    bases = [rest.split()[0] for word, rest in steps if word == "FROM"]
    return [base for base in bases if base not in stages and not re.search(r":(?!latest$)[\w.-]+$|@sha256:", base)]


def pip_without_a_version(steps: Steps) -> list[str]:
    found = []
    for _, _, *words in calls(steps, "pip", "install"):
        named = [
            word
            for before, word in zip(["", *words], words, strict=False)
            if word[0] != "-" and not takes_a_value(before)
        ]
        found += [word for word in named if "==" not in word]
    return found


def takes_a_value(option: str) -> bool:
    return option in {"-r", "--requirement", "--index-url", "--extra-index-url", "--find-links"}


def pip_that_keeps_its_cache(steps: Steps) -> list[list[str]]:
    return [words for words in calls(steps, "pip", "install") if "--no-cache-dir" not in words]


def apt_without_care(steps: Steps) -> list[str]:
    """Unpinned, with what is only recommended, asking, or leaving its lists behind."""
    care = ("--no-install-recommends", "-y")
    return [
        rest
        for word, rest in steps
        if word == "RUN" and re.search(r"\bapt(-get)? install\b", rest)
        if not (all(option in rest for option in care) and "=" in rest and "rm -rf /var/lib/apt/lists" in rest)
    ]


def pipe_that_hides_a_failure(steps: Steps) -> list[str]:
    shell = [json.loads(rest) for word, rest in steps if word == "SHELL"]
    return (
        []
        if any("pipefail" in words for words in shell)
        else [run for run in runs(steps) if re.search(r"[^|]\|[^|]", run)]
    )


def command_in_shell_form(steps: Steps) -> list[str]:
    return [rest for word, rest in steps if word in {"CMD", "ENTRYPOINT"} and not rest.startswith("[")]


def relative_target(steps: Steps) -> list[str]:
    folders = [rest for word, rest in steps if word == "WORKDIR"]
    targets = [rest.split()[-1] for word, rest in steps if word == "COPY"]
    return [path for path in folders + targets if not path.startswith("/")]


def add_instead_of_copy(steps: Steps) -> list[str]:
    return [rest for word, rest in steps if word == "ADD"]


def program_out_of_place(steps: Steps) -> list[str]:
    return [
        run for run in runs(steps) if run.split()[0] in {"sudo", "ssh", "cd", "service", "shutdown", "mount", "kill"}
    ]


def second_command_in_one_stage(steps: Steps) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for word, rest in steps:
        seen = set() if word == "FROM" else seen
        found += [rest] if word in {"CMD", "ENTRYPOINT", "HEALTHCHECK"} and word in seen else []
        seen.add(word)
    return found


def secret_in_a_layer(steps: Steps) -> list[str]:
    return [
        rest for word, rest in steps if word in {"ENV", "ARG"} and re.search(r"(?i)passw|secret|token|_key\b", rest)
    ]


def unquoted_variable(steps: Steps) -> list[str]:
    """The shell splits it at blanks and takes its stars for files."""
    return [run for run in runs(steps) if re.search(r"\$", re.sub(r"\"[^\"]*\"|'[^']*'", "", run))]


RULES: dict[Callable[[Steps], list], str] = {
    base_without_a_version: "FROM debian:latest",
    pip_without_a_version: "RUN pip install --no-cache-dir numpy",
    pip_that_keeps_its_cache: "RUN pip install numpy==2.0",
    apt_without_care: "RUN apt-get update && apt-get install -y curl",
    pipe_that_hides_a_failure: "RUN wget -O - https://example.org | tar x",
    command_in_shell_form: "CMD serve",
    relative_target: "COPY serve bin/",
    add_instead_of_copy: "ADD https://example.org/x /x",
    program_out_of_place: "RUN cd /tmp && true",
    second_command_in_one_stage: 'FROM a:1\nCMD ["a"]\nCMD ["b"]',
    secret_in_a_layer: "ARG API_TOKEN=abc",
    unquoted_variable: "RUN echo $HOME",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_dockerfile_has_no(rule: Callable[[Steps], list]) -> None:
    assert rule(instructions(RULES[rule])), "the rule finds nothing in what it is for"
    assert rule(instructions((SERVING / "Dockerfile").read_text())) == []
