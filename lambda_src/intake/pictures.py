"""Whether a new object is the picture that its name claims: told by its first bytes, without decoding anything."""

SNIFFED_BYTES = 16
# Ending -> what the file says it is. As in training/pictures.py; a test holds the two together.
KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP", ".gif": "GIF"}


def kind_of(head: bytes) -> str | None:
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return "WebP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def fault_of(key: str, head: bytes) -> str | None:
    """What is wrong with a picture, in the characters that a tag may have; None where nothing is."""
    ending = key[key.rfind(".") :].lower() if "." in key.rsplit("/", 1)[-1] else ""
    claimed, found = KINDS.get(ending), kind_of(head)
    if claimed is None:
        return f"no picture by its name: known are {' '.join(sorted(KINDS))}"
    if not head:
        return "empty"
    if found is None:
        return f"claims to be {claimed} and is no picture"
    # Photos called .jpg that are PNG open everywhere; that is a name, not a fault of the picture.
    return None
