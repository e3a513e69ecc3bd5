"""What a data set and its pictures may be called, since the names become keys in S3."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ops.addresses import without_secrets
from ops.errors import OperatorError, Refused

PREFIX = "dataset"
# As the intake function takes it (lambda_src/intake/arrival.py); a test holds the two together.
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_NAME = 60
LONGEST_KEY_BYTES = 1024
SHOWN = 5


def name_of(source: str, wanted: str | None = None) -> str:
    """The wanted name, or one made from a folder's, a zip's or an address's own: `dogImages.zip` is `dogimages`."""
    if wanted is None:
        last = unquote(urlsplit(source).path).rsplit("/", 1)[-1] if "://" in source else Path(source).absolute().name
        made = re.sub(r"[^a-z0-9]+", "-", last.lower().removesuffix(".zip")).strip("-")[:LONGEST_NAME].rstrip("-")
        if made:
            return made
        shown = without_secrets(source) if "://" in source else source
        raise OperatorError(f"No name can be made from {shown}: give one with --name.")
    if not NAME.fullmatch(wanted) or len(wanted) > LONGEST_NAME:
        raise OperatorError(
            f"--name {wanted}: a data set's name has at most {LONGEST_NAME} lower-case letters, digits and single "
            "hyphens between them."
        )
    return wanted


def refuse_unfit_keys(name: str, keys: list[str]) -> None:
    """Keys that S3 or those who read a listing of it would stumble over."""
    unfit = {key: why for key in keys if (why := _fault_of(f"{PREFIX}/{name}/{key}"))}
    if unfit:
        rest = f"; and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
        listed = "; ".join(f"{key!r} {why}" for key, why in list(unfit.items())[:SHOWN])
        raise Refused(f"{len(unfit)} pictures have names that no key can hold, rename them: {listed}{rest}")


def _fault_of(key: str) -> str | None:
    if any(ord(character) < ord(" ") or character == "\x7f" for character in key):
        return "has a control character"
    if len(key.encode()) > LONGEST_KEY_BYTES:
        return f"is longer than {LONGEST_KEY_BYTES} bytes with all its folders"
    return None
