"""Read an image as a viewer would show it, and as an observer sees it.

What a viewer shows is 8-bit RGB: turned as its EXIF orientation says, converted to sRGB where it
carries another colour profile, sixteen bits scaled to eight, transparency laid on white, and of an
animation the first frame.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from synthesight.errors import SynthesightError


class UnreadableImage(SynthesightError):
    """Say in one sentence which image cannot be shown, and why."""


def read_image(source: Path | bytes | Image.Image, name: str = "") -> Image.Image:
    """Return an image as 8-bit RGB.

    Parameters
    ----------
    source
        A file, the bytes of one, or an image.
    name
        How messages call bytes or an image; a file is called by its path.

    Raises
    ------
    UnreadableImage
        If there is no such file, it may not be read, or it is empty, truncated, no image, or so
        large that it may be a decompression bomb (more pixels than Pillow's limit).
    """
    label = str(source) if isinstance(source, Path) else (name or "the image")
    data = read_bytes(source) if isinstance(source, Path) else source
    if isinstance(data, bytes) and not data:
        raise UnreadableImage(f"{label} is empty: get the file anew.")
    try:
        if isinstance(data, Image.Image):
            return _as_shown(data, label)
        with Image.open(io.BytesIO(data)) as image:
            # Pillow only warns here. To make an error of its warning would change the warning
            # filters, which all reading threads share; so its limit is applied by hand.
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            image.seek(0)
            return _as_shown(image, label)
    except (UnreadableImage, MemoryError):
        raise
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
    height, width = (resolution,) * 2 if isinstance(resolution, int) else resolution
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises
    ------
    UnreadableImage
        If there is no such file, or it may not be read.
    """
    label = str(path)
    try:
        return path.read_bytes()
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


def _as_shown(image: Image.Image, label: str) -> Image.Image:
    image.load()
    profile = image.info.get("icc_profile")
    image = _upright(image)
    alpha = _alpha(image)
    image = _eight_bits(image)
    colours = _opaque(image)
    if profile:
        colours = _to_srgb(colours, profile)
    try:
        colours = colours.convert("RGB")
    except ValueError:
        raise UnreadableImage(
            f"{label} has the pixel format {image.mode}, which cannot be shown: convert it to RGB."
        ) from None
    if alpha is None:
        return colours
    white = Image.new("RGB", colours.size, "white")
    white.paste(colours, mask=alpha)
    return white


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ArithmeticError):
        return image  # Broken EXIF says nothing about the pixels; viewers pass over it.


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the transparency, of which sixteen-bit greys may name one value."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):
        seen = np.asarray(image) != image.info["transparency"]
        return Image.fromarray(np.where(seen, 255, 0).astype(np.uint8))
    return image.convert("RGBA").getchannel("A")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale sixteen-bit and float greys to eight bits; Pillow itself would clip them.

    Floats of at most 1 are taken to lie in [0, 1], others in [0, 255].
    """
    if image.mode.startswith("I"):
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image), posinf=0.0, neginf=0.0)
        scale = 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
        return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """Return the colours without alpha or palette, in a mode that a colour profile can be for."""
    if image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode in ("1", "LA"):
        return image.convert("L")
    if image.mode in ("P", "PA", "RGBA", "RGBX"):
        if image.mode == "P":
            image = image.convert("RGBA")  # a palette may hold alpha, which RGB would refuse
        return image.convert("RGB")
    return image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # A profile that is broken, or for other channels, is ignored, as viewers do.
    return image if converted is None else converted
