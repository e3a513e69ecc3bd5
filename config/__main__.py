"""What the stage file's model says of itself: `python -m config schema` (for editors) or `reference` (for people)."""

import json
import sys
from collections.abc import Iterator

from config.model import StageConfig
from config.sections.section import Section

INTRODUCTION = """# The stage file

`config/<stage>.toml` is the only place where anybody sets anything. Choose it with `-c stage=<stage>`; add a stage by
copying a file. Every fault is reported at once, each in a sentence with key, value and remedy; what goes with what is
in `config/rules/`. What each key costs stands beside it in `config/dev.toml`.

This page is made from the model by `make schema`.
"""


def reference() -> Iterator[str]:
    yield INTRODUCTION
    for name, field in StageConfig.model_fields.items():
        yield from _section(name, field.annotation)


def _section(path: str, kind: object) -> Iterator[str]:
    if not (isinstance(kind, type) and issubclass(kind, Section)):
        raise TypeError(f"{path} is not a section")
    yield f"## [{path}]\n"
    yield "| key | what it does |\n|---|---|"
    inner = {}
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            inner[name] = field.annotation
        else:
            optional = "" if field.is_required() else " (optional)"
            yield f"| `{path}.{name}` | {field.description}{optional} |"
    yield ""
    for name, section in inner.items():
        yield from _section(f"{path}.{name}", section)


if __name__ == "__main__":
    printed = {
        "schema": lambda: json.dumps(StageConfig.model_json_schema(), indent=2),
        "reference": lambda: "\n".join(reference()).rstrip(),
    }
    if sys.argv[1:] not in [[name] for name in printed]:
        sys.exit(f"usage: python -m config {'|'.join(printed)}")
    sys.stdout.write(printed[sys.argv[1]]() + "\n")
