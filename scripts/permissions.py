"""Write docs/permissions.md from the synthesized templates of stage dev: `make permissions`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import synth  # noqa: E402 - found through the line above
from tests.stacks.test_permissions import as_tuple, plain, roles, statements  # noqa: E402

STAGE = "dev"
INTRODUCTION = """# Who may do what

Every role of stage `dev`, whom it trusts, and everything that it may do. This page is made from the templates by
`make permissions`; tests hold it, the templates and a table written by hand equal, so that a change of a permission is
a change that a reviewer sees here. `<room:Thing>` is a resource of ours, `ACCOUNT` the account, `SHA256` the hash of an
asset. A `*` alone stands only where AWS knows no resource for the action.
"""


Statements = dict[str, tuple[Any, ...]]
# Whom a role trusts and under which condition, and its statements by their ids.
Role = tuple[tuple[str, dict[str, Any] | None], Statements]


def from_templates() -> dict[str, dict[str, Role]]:
    return {
        room: {name: (trusted(role), statements(role)) for name, role in roles(template).items()}
        for room, template in synth.templates(STAGE).items()
    }


def trusted(role: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    (who,) = plain(statement["Principal"]).values()
    return who, plain(statement.get("Condition"))


def page(rooms: dict[str, dict[str, Role]]) -> str:
    return "\n".join(_lines_of_page(rooms)).rstrip() + "\n"


def _lines_of_page(rooms: dict[str, dict[str, Role]]) -> Iterator[str]:
    yield INTRODUCTION
    for room, found in sorted(rooms.items()):
        for name, ((who, condition), rows) in sorted(found.items()):
            yield f"## {room}: {name}\n"
            yield f"Trusts `{who}`{f' when {_conditions(condition)}' if condition else ''}.\n"
            yield "| statement | may | on | when |\n|---|---|---|---|"
            for sid, (effect, actions, resources, *when) in sorted(rows.items()):
                may = _lines(actions) if effect == "Allow" else f"never {_lines(actions)}"
                yield f"| {sid} | {may} | {_lines(resources)} | {_conditions(*when)} |"
            yield ""


def _lines(values: tuple[str, ...]) -> str:
    return "<br>".join(f"`{value}`" for value in values)


def _conditions(condition: dict[str, dict[str, Any]] | None = None) -> str:
    return "<br>".join(
        # Read back from JSON, as the table written by hand is, a tuple is a list.
        f"`{key}` {operator} {_lines(tuple(value) if isinstance(value, list) else as_tuple(value))}"
        for operator, tests in (condition or {}).items()
        for key, value in tests.items()
    )


if __name__ == "__main__":
    sys.stdout.write(page(from_templates()))
