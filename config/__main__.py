"""What the stage file's model says of itself: `python -m config schema` (for editors) or `reference` (for people)."""

import json
import sys
from collections.abc import Iterator

from config.model import StageConfig
from config.sections.section import inner_section, is_list

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


def _section(path: str, kind: object, *, repeated: bool = False, about: str = "") -> Iterator[str]:
    section = inner_section(kind)
    if section is None:
        raise TypeError(f"{path} is not a section")
    yield f"## [[{path}]]\n" if repeated else f"## [{path}]\n"
    if about:
        yield f"{about}\n"
    keys, inner = [], []
    for name, field in section.model_fields.items():
        key, optional = f"{path}.{field.alias or name}", "" if field.is_required() else " (optional)"
        if inner_section(field.annotation):
            inner.append((key, field, f"{field.description}{optional}" if field.description else ""))
        else:
            keys.append(f"| `{key}` | {field.description}{optional} |")
    if keys:
        yield "\n".join(["| key | what it does |", "|---|---|", *keys])
        yield ""
    for key, field, description in inner:
        yield from _section(key, field.annotation, repeated=is_list(field.annotation), about=description)


if __name__ == "__main__":
    printed = {
        "schema": lambda: json.dumps(StageConfig.model_json_schema(), indent=2),
        "reference": lambda: "\n".join(reference()).rstrip(),
    }
    if sys.argv[1:] not in [[name] for name in printed]:
        sys.exit(f"usage: python -m config {'|'.join(printed)}")
    sys.stdout.write(printed[sys.argv[1]]() + "\n")
