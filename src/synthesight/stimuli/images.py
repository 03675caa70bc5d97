"""Read an image as a viewer would show it, and as an observer sees it.

What a viewer shows is 8-bit RGB: turned as its EXIF orientation says, converted to sRGB where it
carries another colour profile, sixteen bits scaled to eight, transparency laid on white, and of an
animation the first frame.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from synthesight.errors import SynthesightError
from synthesight.stimuli.depth import Range, deep_colours, is_deep
from synthesight.stimuli.eight_bits import as_shown
from synthesight.stimuli.formats import (
    FORMATS,
    HEAD,
    format_of,
    open_image,
    other_format,
    size_of,
)
from synthesight.stimuli.memory import BUDGET, decoding

Result = TypeVar("Result")

DIGITS = 32  # of a SHA-256 in hexadecimal: 128 bits
LONGEST = 300  # characters of a name in a message
LARGE = 2**25  # bytes of a file that is read with no other one beside it
# Bytes a pixel that greys of 32 bits need, and colours of sixteen bits a channel.
DEEP_GREY = 20
DEEP_COLOURS = 24

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Memory of such blocks goes back to the system at once; of smaller ones, as Pillow has them, each
# thread keeps a hoard of its own: four readers of large images in turn took 2.7 GB, not 0.9.
Image.core.set_block_size(2**26)


class UnreadableImage(SynthesightError):
    """Say in one sentence which image cannot be shown, and why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that was read.

    Attributes
    ----------
    image
        The image as 8-bit RGB.
    digest
        First 32 digits of the SHA-256 of the encoded bytes; of a Pillow image, of its mode, size,
        palette and pixels.
    amiss
        What hides the image in spite of it being read, such as that it is nearly black since only
        12 of its 16 bits are used; else None.
    """

    image: Image.Image
    digest: str
    amiss: str | None = None


def read_image(source: Path | bytes | Image.Image, name: str = "") -> Image.Image:
    """Return an image as 8-bit RGB: the first of what :func:`read_picture` returns."""
    return read_picture(source, name).image


def read_picture(
    source: Path | bytes | Image.Image,
    name: str = "",
    *,
    range: Range | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> Picture:
    """Return an image as 8-bit RGB, with a digest of its content.

    Images of all threads share one budget of memory: large ones are decoded one after another.

    Parameters
    ----------
    source
        A file, the bytes of one, or an image.
    name
        How messages call bytes or an image; a file is called by its path.
    range
        What is black and white in images of more than eight bits a channel; None for all of their
        depth.
    resolution
        Size to which the image is fitted, as :func:`to_array` does; None to leave it as it is.

    Raises
    ------
    UnreadableImage
        If there is no such file, it is none (a device, a pipe), it may not be read, or it is empty,
        truncated, no image, of a format that is not read, or so large that it may be a
        decompression bomb (more pixels than Pillow's limit, or than fit into the budget of memory).
    """
    if isinstance(source, Image.Image):
        label = name or "the image"
        shown = _try(label, lambda: as_shown(source, None, label))
        return _picture(shown, digest_of(source), resolution)
    if isinstance(source, bytes):
        return _decode(source, name or "the image", range, resolution)
    label = printable(str(source))
    descriptor, size = _open(source, label)
    with os.fdopen(descriptor, "rb") as file:
        if size <= LARGE:
            return _decode(file.read(size), label, range, resolution)
        with decoding.reserve(BUDGET):
            return _decode(file.read(size), label, range, resolution, alone=True)


def file_content(path: Path) -> bytes:
    """Return the bytes of an image's file.

    Raises
    ------
    UnreadableImage
        If there is no such file, it is none, or it may not be read.
    """
    descriptor, size = _open(path, printable(str(path)))
    with os.fdopen(descriptor, "rb") as file:
        return file.read(size)


def digest_of(source: bytes | Image.Image) -> str:
    """Return the digest that :class:`Picture` has of an image, without decoding it."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()[:DIGITS]
    palette = bytes(source.getpalette() or ())
    look = f"{source.mode} {source.width} {source.height} ".encode()
    return hashlib.sha256(look + palette + source.tobytes()).hexdigest()[:DIGITS]


def first_bytes(path: Path, count: int) -> bytes:
    """Return the first bytes of a file; none of what is no regular file, or cannot be read."""
    try:
        descriptor, _ = _open(path, "")
    except UnreadableImage:
        return b""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        return file.read(count)


def escaped(text: str) -> str:
    """Return a name that every file, table and terminal can take.

    Bytes of file names that are not UTF-8, and control characters, are written as ``\\xNN``.

    Examples
    --------
    >>> escaped("caf\\udce9\\n.png")
    'caf\\\\xe9\\\\x0a.png'
    """
    return text if text.isprintable() else _ODD.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    # Python stands for the byte b of a name by U+DC00 + b.
    return f"\\x{code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code:02x}"


def printable(text: str) -> str:
    """Return a name as a message has it: in one line, and shortened in the middle."""
    text = escaped(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def to_array(image: Image.Image, resolution: int | tuple[int, int]) -> np.ndarray:
    """Return what an observer of a given resolution sees of an RGB image.

    The image is scaled to fill ``resolution`` (bicubic, antialiased) and the centre cut out;
    nothing is stretched.

    Parameters
    ----------
    image
        An RGB image.
    resolution
        Side of a square in pixels, or (height, width).

    Returns
    -------
    uint8, shape (height, width, 3).
    """
    return np.asarray(_fitted(image, resolution))


def _fitted(image: Image.Image, resolution: int | tuple[int, int]) -> Image.Image:
    height, width = (resolution,) * 2 if isinstance(resolution, int) else resolution
    if image.size == (width, height):
        return image
    return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)


def _open(path: Path, label: str) -> tuple[int, int]:
    """Open a regular file and return it with its size.

    A pipe would wait for a writer, a device be read without end.
    """
    try:
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except FileNotFoundError:
        raise UnreadableImage(f"There is no file {label}: check the path.") from None
    except IsADirectoryError:
        raise UnreadableImage(f"{label} is a folder, not an image: name a file in it.") from None
    except PermissionError:
        raise UnreadableImage(
            f"{label} cannot be read (permission denied): check its permissions."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error) or "it cannot be opened"
        raise UnreadableImage(
            f"{label} cannot be read ({reason.lower()}): check the path."
        ) from None
    facts = os.fstat(descriptor)
    if stat.S_ISREG(facts.st_mode) and facts.st_size <= BUDGET:
        return descriptor, facts.st_size
    os.close(descriptor)
    if stat.S_ISDIR(facts.st_mode):
        raise UnreadableImage(f"{label} is a folder, not an image: name a file in it.")
    if stat.S_ISREG(facts.st_mode):
        raise UnreadableImage(
            f"{label} is a file of {facts.st_size / 2**30:.1f} GiB, which is too large for an "
            "image: scale it down first."
        )
    raise UnreadableImage(f"{label} is a device or a pipe, not a file: leave it out.")


def _decode(
    data: bytes,
    label: str,
    range: Range | None,
    resolution: int | tuple[int, int] | None,
    *,
    alone: bool = False,
) -> Picture:
    if not data:
        raise UnreadableImage(f"{label} is empty: get the file anew.")
    kind = format_of(data[:HEAD])
    if kind is None:
        what = other_format(data[:64])
        what = f"a picture in the format {what}, which is not read" if what else "not an image"
        raise UnreadableImage(f"{label} is {what}: convert it to PNG or JPEG.")

    def decode() -> Picture:
        _check_size(label, *(size_of(data, kind) or (1, 1)), len(data), FORMATS[kind])
        with open_image(data, kind, label) as image:
            a_pixel = FORMATS[kind]
            if image.mode in ("I", "F"):
                a_pixel = DEEP_GREY
            elif range is not None and image.mode.startswith("RGB") and is_deep(image):
                a_pixel = DEEP_COLOURS
            needed = _check_size(label, *image.size, len(data), a_pixel, _largest_tile(image))
            with decoding.reserve(0 if alone else needed):
                image.seek(0)
                deep = None
                if range is not None and image.mode.startswith("RGB"):
                    deep = deep_colours(data, kind, label)
                notes: list[str] = []
                shown = as_shown(image, range, label, deep, notes)
                return _picture(shown, digest_of(data), resolution, *notes)

    return _try(label, decode)


def _check_size(
    label: str, width: int, height: int, encoded: int, a_pixel: int, tile: int = 0
) -> int:
    """Return the bytes that decoding needs, where that is within bounds."""
    # Pillow only warns here. To make an error of its warning would change the warning filters,
    # which all reading threads share; so its limit is applied by hand.
    if Image.MAX_IMAGE_PIXELS and max(width * height, tile) > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    needed = encoded + (width * height + tile) * a_pixel
    if needed > BUDGET:
        raise UnreadableImage(
            f"{label} has {width} × {height} pixels, and would take {needed / 2**30:.1f} GiB of "
            "memory: scale it down first."
        )
    return needed


def _largest_tile(image: Image.Image) -> int:
    """Return the pixels of a tile of a TIFF, which are in memory however small the image is."""
    tags = getattr(image, "tag_v2", {})
    try:
        width, height = int(tags.get(322, 0)), int(tags.get(323, 0))
    except (TypeError, ValueError):
        return 0
    return width * height if width * height > image.width * image.height else 0


def _try(label: str, decode: Callable[[], Result]) -> Result:
    try:
        return decode()
    except UnreadableImage:
        raise
    except SynthesightError as error:
        raise UnreadableImage(str(error)) from None
    except MemoryError:
        raise UnreadableImage(
            f"{label} takes more memory to decode than there is: scale it down first."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage(
            f"{label} has more than {Image.MAX_IMAGE_PIXELS} pixels and may be a decompression "
            "bomb: scale it down first."
        ) from None
    except UnidentifiedImageError:
        raise UnreadableImage(
            f"{label} is not an image that can be read: convert it to PNG or JPEG."
        ) from None
    except Exception:  # A damaged header leads Pillow's decoders into errors of every class.
        raise UnreadableImage(
            f"{label} is truncated or damaged: get the file anew, or leave it out."
        ) from None


def _picture(
    image: Image.Image, digest: str, resolution: int | tuple[int, int] | None, *notes: str
) -> Picture:
    if resolution is not None:
        image = _fitted(image, resolution)
    return Picture(image, digest, notes[0] if notes else None)
