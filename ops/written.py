"""Files that a command leaves for its user: a plot, a page, a picture."""

from pathlib import Path

from ops.errors import OperatorError


def write(path: Path, text: str) -> Path:
    """Its folders too; where it lies."""
    place = path.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror}).") from None
    return place
