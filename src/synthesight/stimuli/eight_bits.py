"""Turn a decoded image into what a viewer shows: 8-bit RGB, upright, in sRGB, on white."""

from __future__ import annotations

import io

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageCms

from synthesight.errors import SynthesightError
from synthesight.stimuli.depth import Range, is_deep, to_eight_bits, too_dark

# EXIF orientations, as the standard numbers them.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def as_shown(
    image: Image.Image,
    range: Range | None,
    label: str,
    deep: np.ndarray | None = None,
    notes: list[str] | None = None,
) -> Image.Image:
    sixteen = is_deep(image)
    image.load()
    profile = image.info.get("icc_profile")
    alpha = _alpha(image)
    found = None
    if image.mode.startswith("I") or image.mode == "F":
        colours, found = _eight_bits(image, range)
    elif deep is not None:
        eight, found = to_eight_bits(deep[..., :3], range)
        colours = Image.fromarray(eight)
    else:
        colours = _opaque(image)
        if sixteen:
            found = too_dark(colours)
    if notes is not None and found:
        notes.append(found)
    turn = _turn(image)
    if profile:
        colours = _to_srgb(colours, profile)
    try:
        colours = colours if colours.mode == "RGB" else colours.convert("RGB")
    except ValueError:
        raise SynthesightError(
            f"{label} has the pixel format {image.mode}, which cannot be shown: convert it to RGB."
        ) from None
    if alpha is not None:
        if colours is image:
            colours = colours.copy()
        colours.paste("white", mask=ImageChops.invert(alpha))
    return colours if turn is None else colours.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return how a viewer turns an image, by its EXIF orientation."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ArithmeticError):
        return None  # Broken EXIF says nothing about the pixels; viewers pass over it.


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the transparency, of which sixteen-bit greys may name one value."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):
        seen = np.asarray(image) != image.info["transparency"]
        return Image.fromarray(np.where(seen, 255, 0).astype(np.uint8))
    return image.convert("RGBA").getchannel("A")


def _eight_bits(image: Image.Image, range: Range | None) -> tuple[Image.Image, str | None]:
    """Scale sixteen-bit and float greys to eight bits; Pillow itself would clip them."""
    shown, amiss = to_eight_bits(np.asarray(image), range)
    return Image.fromarray(shown), amiss


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
