"""Base64 by OpenSSL's decoder, which Python has loaded for its hashes; by Python's own where that is not to be had.

OpenSSL's takes a third to a fifth of the time: with the share of a processor that a small Lambda has, 20 ms of a large
photo's (docs/adr/0014-base64.md).
"""

import binascii
from collections.abc import Callable
from functools import cache

Decoder = Callable[[str], bytes]
_PADDINGS = frozenset({"", "=", "=="})


def decode(text: str) -> bytes:
    """The bytes; ValueError for what is not base64 from its first character to its last."""
    padding = text[text.find("=") :] if "=" in text else ""
    # Each decoder forgives something: a "=" too many, or one in the middle, which OpenSSL reads as a zero.
    if len(text) % 4 or padding not in _PADDINGS:
        raise ValueError("not base64")
    return _decoder()(text)


@cache
def _decoder() -> Decoder:
    return by_openssl() or by_python


def by_python(text: str) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)


def by_openssl() -> Decoder | None:
    """None where Python does without OpenSSL or has it built in."""
    try:
        # On first use, since not every start is followed by an image in base64.
        import _hashlib  # noqa: PLC0415
        import ctypes  # noqa: PLC0415

        # In a library's handle the system finds what the library itself is linked to.
        decode_block = ctypes.CDLL(_hashlib.__file__).EVP_DecodeBlock
    except (ImportError, OSError, AttributeError):
        return None
    decode_block.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
    decode_block.restype = ctypes.c_int

    def decode_block_of(text: str) -> bytes:
        # It makes three bytes of every four characters, the padding too; of fewer, where it passed over blanks.
        room = ctypes.create_string_buffer(len(text) // 4 * 3)
        if decode_block(room, text.encode("ascii"), len(text)) != len(room):
            raise ValueError("not base64")
        return ctypes.string_at(room, len(room) - text.count("=", -2))

    return decode_block_of
