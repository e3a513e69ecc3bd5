"""What an image says about itself in its first bytes: its type and its size in pixels, without decoding anything."""

import struct

from .refusals import Refusal

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
SNIFF_BYTES = 12
MAX_PIXELS = 25_000_000
# Sound files have tens of segments before their size; millions of tiny ones would cost a second of CPU.
MAX_SEGMENTS = 10_000

_JPEG_MARKER = 0xFF
# Markers without content, and what an FF that marks nothing is followed by.
_JPEG_EMPTY_MARKERS = frozenset({0x00, 0x01, *range(0xD0, 0xD9), _JPEG_MARKER})
# Start-of-frame markers carry the size; C4, C8 and CC share their range but mean tables and reserved.
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN_OR_END = frozenset({0xD9, 0xDA})
_VP8L_SIGNATURE = 0x2F
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21


def content_type_of(head: bytes) -> str:
    """The MIME type by the file's own signature; what the sender calls it is not trusted."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    raise Refusal("image_format_unknown", "The data is no image of a known kind; send a JPEG, PNG, WebP or GIF file.")


def check_image(image: bytes) -> str:
    """Returns the MIME type of an image whose header is sound and promises at most MAX_PIXELS."""
    content_type = content_type_of(image[:SNIFF_BYTES])
    try:
        width, height = _SIZE_READERS[content_type](image)
    except (struct.error, IndexError, ValueError):
        width = height = 0
    if width == 0 or height == 0:
        raise Refusal(
            "image_unreadable", f"The {content_type} file is damaged: its header holds no size; send an intact image."
        )
    if width * height > MAX_PIXELS:
        raise Refusal(
            "image_too_large",
            f"The image has {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed; scale it down.",
        )
    return content_type


def _png_size(image: bytes) -> tuple[int, int]:
    if image[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack_from(">II", image, 16)
    return width, height


def _jpeg_size(image: bytes) -> tuple[int, int]:
    """The largest of the frames before the first scan, since a decoder may take the last one it meets."""
    sizes: list[tuple[int, int]] = []
    position = 2
    for _ in range(MAX_SEGMENTS):
        # Decoders skip what stands between segments, and fill bytes before a marker.
        position = image.index(_JPEG_MARKER, position)
        marker = image[position + 1]
        if marker in _JPEG_EMPTY_MARKERS:
            position += 1
            continue
        if marker in _JPEG_SCAN_OR_END:
            return max(sizes, key=lambda size: size[0] * size[1])
        if marker in _JPEG_FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", image, position + 5)
            sizes.append((width, height))
        (length,) = struct.unpack_from(">H", image, position + 2)
        position += 2 + max(length, 2)
    raise ValueError


def _gif_size(image: bytes) -> tuple[int, int]:
    """The larger of the screen and the first frame, since a decoder makes room for a frame beyond the screen."""
    width, height, flags = struct.unpack_from("<HHB", image, 6)
    position = _gif_first_frame(image, 13 + _gif_table_bytes(flags))
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", image, position + 1)
    return max(width, left + frame_width), max(height, top + frame_height)


def _gif_first_frame(image: bytes, position: int) -> int:
    inside_extension = False
    for _ in range(MAX_SEGMENTS):
        if inside_extension:
            inside_extension = image[position] != 0
            position += 1 + image[position]
        elif image[position] == _GIF_EXTENSION:
            inside_extension = True
            position += 2
        elif image[position] == _GIF_IMAGE:
            return position
        else:
            break
    raise ValueError


def _gif_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_size(image: bytes) -> tuple[int, int]:
    kind = image[12:16]
    if kind == b"VP8X":
        canvas_width = int.from_bytes(_exactly(image, 24, 3), "little") + 1
        canvas_height = int.from_bytes(_exactly(image, 27, 3), "little") + 1
        return canvas_width, canvas_height
    if kind == b"VP8L":
        if image[20] != _VP8L_SIGNATURE:
            raise ValueError
        (bits,) = struct.unpack_from("<I", image, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and image[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", image, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError


def _exactly(image: bytes, offset: int, count: int) -> bytes:
    part = image[offset : offset + count]
    if len(part) < count:
        raise ValueError
    return part


_SIZE_READERS = {
    "image/jpeg": _jpeg_size,
    "image/png": _png_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
}
