"""Read a stage file, or say everything that is wrong with it at once."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from config import rules
from config.model import StageConfig
from config.sections.section import Section, by_key, inner_section

FOLDER = Path(__file__).resolve().parent
STAGE_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")


class ConfigError(Exception):
    """A stage file that cannot be used; its text is for the person who wrote the file."""

    def __init__(self, source: str, faults: list[str]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{source}: {count}", *(f"  - {fault}" for fault in faults)]))


def available_stages(folder: Path = FOLDER) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_stage(name: str | None, folder: Path = FOLDER) -> tuple[StageConfig, list[str]]:
    """The stage's settings and the warnings about them; raises ConfigError with every fault."""
    stages = available_stages(folder)
    unusable = [stage for stage in stages if not STAGE_NAME.fullmatch(stage)]
    if name in unusable:
        remedy = "name the file with 1 to 12 lower-case letters and digits, a letter first"
        raise ConfigError("config", [f'the stage "{name}" cannot be part of a resource\'s name; {remedy}'])
    if name not in stages:
        said = "no stage was chosen" if name is None else f'there is no stage "{name}"'
        raise ConfigError(
            "config", [f"{said}; choose one with -c stage=NAME, where NAME is one of {', '.join(stages)}"]
        )
    path = folder / f"{name}.toml"
    source = f"{folder.name}/{path.name}"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # what tomllib raises, and what it lets through: bad UTF-8, absurdly long numbers
        raise ConfigError(source, [f"is not valid TOML: {error}"]) from None
    except OSError as error:
        raise ConfigError(source, [f"cannot be read: {error.strerror}"]) from None
    return parse_stage(raw, source)


def parse_stage(raw: dict[str, Any], source: str) -> tuple[StageConfig, list[str]]:
    faults, sections = [], {}
    for key in raw.keys() - StageConfig.model_fields.keys():
        faults.append(f"[{key}] is not a section{_suggestion(key, StageConfig)}; rename or remove it")
    for name, field in StageConfig.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type) and issubclass(kind, Section)  # noqa: S101  (a slip of ours, not of the user's)
        try:
            sections[name] = kind.model_validate(raw.get(name, {}))
        except ValidationError as error:
            faults += [_sentence(name, kind, fault) for fault in error.errors()]
    findings = rules.check(sections)
    faults += [str(finding) for finding in findings if finding.refused]
    if faults:
        raise ConfigError(source, sorted(faults))
    warnings = [f"{source}: {finding}" for finding in findings if not finding.refused]
    return StageConfig.model_validate(sections), warnings


def _sentence(section: str, kind: type[BaseModel], fault: Any) -> str:  # noqa: ANN401  (pydantic's ErrorDetails)
    key = ".".join([section, *(str(part) for part in fault["loc"])])
    match fault["type"]:
        case "model_type":
            return f"[{key}] must be a section with keys of its own, as in config/dev.toml"
        case "list_type" if inner_section(_annotation(kind, fault["loc"])):
            return f"[{key}] may stand more than once, so that it is written [[{key}]], as in config/dev.toml"
        case "missing":
            purpose = _description(kind, fault["loc"])
            return f"{key} is missing{f' ({purpose})' if purpose else ''}; add it, as in config/dev.toml"
        case "extra_forbidden":
            hint = _suggestion(str(fault["loc"][-1]), _owner(kind, fault["loc"]))
            return f"{key} is not a key{hint}; rename or remove it"
    return f"{key} = {rules.toml(fault['input'])}: {_allowed(fault)}"


def _allowed(fault: Any) -> str:  # noqa: ANN401
    context = fault.get("ctx", {})
    match fault["type"]:
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}"
        case "literal_error":
            return f"must be {context['expected'].replace(chr(39), chr(34))}"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            return "must be " + fault["msg"].removeprefix("Input should be ")
    return fault["msg"].replace("Input should be", "must be")


def _owner(kind: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel]:
    """The section that the last key of the location belongs to; a number is a place in a list of sections."""
    for part in location[:-1]:
        name = by_key(kind, str(part))
        inner = inner_section(kind.model_fields[name].annotation) if name else None
        kind = inner or kind
    return kind


def _annotation(kind: type[BaseModel], location: tuple[str | int, ...]) -> object:
    owner = _owner(kind, location)
    name = by_key(owner, str(location[-1]))
    return owner.model_fields[name].annotation if name else None


def _description(kind: type[BaseModel], location: tuple[str | int, ...]) -> str:
    owner = _owner(kind, location)
    name = by_key(owner, str(location[-1]))
    return (owner.model_fields[name].description or "").rstrip(".") if name else ""


def _suggestion(key: str, kind: type[BaseModel]) -> str:
    keys = [field.alias or name for name, field in kind.model_fields.items()]
    near = difflib.get_close_matches(key, keys, n=1)
    return f"; did you mean {near[0]}" if near else ""
