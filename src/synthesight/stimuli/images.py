"""Read an image as a viewer would show it, and as an observer sees it.

What a viewer shows is 8-bit RGB: turned as its EXIF orientation says, converted to sRGB where it
carries another colour profile, sixteen bits scaled to eight, transparency laid on white, and of an
animation the first frame.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from synthesight.errors import SynthesightError


class UnreadableImage(SynthesightError):
    """An image that cannot be shown; the message is one sentence that names it."""


def read_image(source: Path | bytes | Image.Image, name: str = "") -> Image.Image:
    """An image as 8-bit RGB.

    Parameters
    ----------
    source
        A file, the bytes of one, or an image.
    name
        How messages call it; None for the file's path.

    Raises
    ------
    UnreadableImage
        If there is no such file, or it is empty, truncated, no image, or so large that it may be
        a decompression bomb (more pixels than Pillow's limit).
    """
    label = str(source) if isinstance(source, Path) else (name or "the image")
    if isinstance(source, Image.Image):
        return _as_shown(source, label)
    data = _bytes(source, label) if isinstance(source, Path) else source
    if not data:
        raise UnreadableImage(f"{label} is empty: get the file anew.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                image.seek(0)
                image.load()
                return _as_shown(image, label)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage(
            f"{label} has more than {Image.MAX_IMAGE_PIXELS} pixels and may be a decompression "
            "bomb: scale it down first."
        ) from None
    except UnidentifiedImageError:
        raise UnreadableImage(
            f"{label} is not an image that can be read: convert it to PNG or JPEG."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        raise UnreadableImage(
            f"{label} is truncated or damaged: get the file anew, or leave it out."
        ) from None


def to_array(image: Image.Image, resolution: int) -> np.ndarray:
    """What an observer of a given resolution sees of an RGB image.

    The shorter side is scaled to ``resolution`` (bicubic, antialiased) and the centre cut out;
    nothing is stretched.

    Returns
    -------
    uint8, shape (resolution, resolution, 3).
    """
    if image.size != (resolution, resolution):
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _bytes(path: Path, label: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage(f"There is no file {label}: check the path.") from None
    except IsADirectoryError:
        raise UnreadableImage(f"{label} is a folder, not an image.") from None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise UnreadableImage(
            f"{label} cannot be read ({reason}): check its permissions."
        ) from None


def _as_shown(image: Image.Image, label: str) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    image = _eight_bits(image)
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa", "RGBA"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    try:
        return image.convert("RGB")
    except ValueError:
        raise UnreadableImage(
            f"{label} has the pixel format {image.mode}, which cannot be shown: convert it to RGB."
        ) from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit and float greys scaled to eight bits; Pillow itself would clip them."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(values, 0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
        return Image.fromarray(np.clip(np.nan_to_num(values) * scale, 0, 255).astype(np.uint8))
    return image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # A profile that is broken, or for other channels, is ignored, as viewers do.
    return image if converted is None else converted
