"""Know the format of an image by its first bytes, and open it with that format's decoder alone.

Pillow would try every decoder that it has, one of which starts another program (EPS).
"""

from __future__ import annotations

import io
import re
from importlib import import_module

from PIL import Image, ImageFile

from synthesight.errors import SynthesightError

HEAD = 32  # bytes that tell the format
# Formats that are read, with the bytes of memory that decoding and converting take a pixel, at
# most. Measured on images of 50 to 88 million pixels.
FORMATS = {
    "AVIF": 16,
    "BMP": 12,
    "GIF": 12,
    "HEIF": 14,
    "JPEG": 12,
    "JPEG2000": 26,
    "JXL": 26,
    "PNG": 12,
    "PPM": 12,
    "TIFF": 12,
    "WEBP": 19,
}
SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "gif", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "pfm", "avif", "jp2", "j2k", "heic", "heif", "hif", "jxl"),
    )
)
EXTRAS = {"HEIF": ("HEIC", "pillow_heif"), "JXL": ("JPEG XL", "pillow_jxl")}

_STARTS = (
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("AVIF", re.compile(rb"....ftyp(?:avi[fs]|(?:mif1|msf1)....(?:....)*avi[fs])", re.DOTALL)),
    ("HEIF", re.compile(rb"....ftyp(?:he[ivxm][cxsm]|mif1|msf1)", re.DOTALL)),
    ("JXL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")),
    ("JPEG2000", re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n")),
    ("PPM", re.compile(rb"P(?:[1-6]|[fF])\s+[\d#]")),
    # A bitmap's header also says its own length.
    ("BMP", re.compile(rb"BM.{8}....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
)
_OTHERS = (
    ("EPS", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("PDF", re.compile(rb"%PDF")),
    ("SVG", re.compile(rb"\s*<(?:\?xml|svg|!DOCTYPE svg)", re.IGNORECASE)),
    ("Photoshop", re.compile(rb"8BPS")),
    ("WMF", re.compile(rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", re.DOTALL)),
)


def format_of(head: bytes) -> str | None:
    """Return the format of an image, as Pillow calls it, by its first bytes; None if it is none.

    Examples
    --------
    >>> format_of(b"GIF89a"), format_of(b"Notes on GIFs")
    ('GIF', None)
    """
    return next((name for name, start in _STARTS if start.match(head)), None)


def other_format(head: bytes) -> str | None:
    """Return the name of a kind of picture that is not read, by its first bytes."""
    return next((name for name, start in _OTHERS if start.match(head)), None)


def open_image(data: bytes, kind: str, label: str) -> ImageFile.ImageFile:
    """Open an encoded image with the decoder of its format alone; pixels are not decoded yet."""
    if kind in EXTRAS:
        name, package = EXTRAS[kind]
        try:
            plugin = import_module(package)
        except ImportError:
            raise SynthesightError(
                f"{label} is {name}, which needs the package {package.replace('_', '-')}: "
                "pip install 'synthesight[images]'."
            ) from None
        if kind == "HEIF":
            plugin.register_heif_opener()
    elif kind == "AVIF" and not _has_avif():
        raise SynthesightError(
            f"{label} is AVIF, which needs Pillow 11.3 or newer: pip install -U pillow."
        )
    return Image.open(io.BytesIO(data), formats=[kind])


def size_of(data: bytes, kind: str) -> tuple[int, int] | None:
    """Return width and height of an image whose decoder takes the memory when it is opened."""
    if kind == "WEBP" and data[12:16] == b"VP8X":
        width, height = data[24:27], data[27:30]
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
    if kind == "JXL":
        start = 0 if data.startswith(b"\xff\x0a") else data.find(b"\xff\x0a", 12)
        return _size_of_jxl(data[start + 2 : start + 18]) if start >= 0 else None
    return None


def _size_of_jxl(header: bytes) -> tuple[int, int]:
    """Return the size of a JPEG XL image, by its SizeHeader (ISO/IEC 18181-1, section D.2)."""
    bits = int.from_bytes(header, "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (1 + take(5)) if small else 1 + take((9, 13, 18, 30)[take(2)])

    height = side()
    ratio = take(3)
    if ratio == 0:
        return side(), height
    up, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * up // down, height


def _has_avif() -> bool:
    Image.init()
    return "AVIF" in Image.OPEN
