"""Changes of single values in a stage file's text; comments and everything else stay as they are."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from config.load import parse_stage
from config.model import StageConfig
from ops.errors import OperatorError

SCALING, SERVING, VARIANTS = "[serving.scaling]", "[serving]", "[[serving.variants]]"
HEADER = re.compile(r"^\[", re.MULTILINE)


@dataclass(frozen=True)
class Promoted:
    """A version of the registry as the stage file names it."""

    artifact: str
    version: str


def with_model(text: str, promoted: Promoted) -> str:
    for key, value in (("artifact", promoted.artifact), ("version", promoted.version)):
        text = _with_value(text, "[model]", key, f'"{value}"')
    return text


def with_instance_type(text: str, instance_type: str) -> str:
    return _with_value(text, SERVING, "instance_type", f'"{instance_type}"')


def with_scaling_paused(text: str) -> str:
    head, section, tail = _section(text, SCALING)
    if re.search(r"^paused = true\b", section, re.MULTILINE):
        return text
    return f"{head}paused = true\n{_without_line(section, 'paused')}{tail}"


def with_scaling_resumed(text: str) -> str:
    head, section, tail = _section(text, SCALING)
    return head + _without_line(section, "paused") + tail


def without_variant(text: str, name: str) -> str:
    """Its block goes; comments after the block's last key belong to what follows."""
    start = 0
    while (begin := text.find(f"\n{VARIANTS}", start)) >= 0:
        begin += 1
        following = HEADER.search(text, begin + len(VARIANTS))
        end = following.start() if following else len(text)
        lines = text[begin:end].splitlines(keepends=True)
        while lines and (not lines[-1].strip() or lines[-1].startswith("#")):
            lines.pop()
        block = "".join(lines)
        if tomllib.loads(block)["serving"]["variants"][0].get("name") == name:
            return text[:begin] + text[begin + len(block) :].lstrip("\n")
        start = end - 1
    raise OperatorError(f'The stage file has no [[serving.variants]] with name = "{name}".')


def checked(text: str, path: Path) -> StageConfig:
    """Its settings; ConfigError with every fault, so that nothing is begun that a deploy would refuse."""
    return parse_stage(tomllib.loads(text), f"{path.parent.name}/{path.name}")[0]


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    staging = path.with_name(f".{path.name}.new")
    try:
        staging.write_text(text, encoding="utf-8")
        staging.replace(path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror}).") from None


def _section(text: str, header: str) -> tuple[str, str, str]:
    """What stands up to and with the header's line, the section's lines, and the rest."""
    found = re.search(rf"^{re.escape(header)}[^\n]*\n", text, re.MULTILINE)
    if found is None:
        raise OperatorError(f"The stage file has no section {header}: put it back, as in config/dev.toml.")
    following = HEADER.search(text, found.end())
    end = following.start() if following else len(text)
    return text[: found.end()], text[found.end() : end], text[end:]


def _with_value(text: str, header: str, key: str, value: str) -> str:
    head, section, tail = _section(text, header)
    section, count = re.subn(rf'^{key} = "[^"]*"', lambda _: f"{key} = {value}", section, flags=re.MULTILINE)
    if count != 1:
        where = f"{header.strip('[]')}.{key}"
        raise OperatorError(f'The stage file has no line {where} = "...": put it back, as in config/dev.toml.')
    return head + section + tail


def _without_line(section: str, key: str) -> str:
    return re.sub(rf"^{key} = [^\n]*\n", "", section, flags=re.MULTILINE)
