"""Show images of more than eight bits a channel in eight: which values are black and white."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.stimuli.formats import open_image

ROWS = 2**20  # values that are converted at one time
DARK = 64  # an image whose brightest value is below a quarter of white
CLIPPED = 0.05

# What Pillow calls the pixels of sixteen bits a channel, of which it keeps the higher byte; and
# the name under which it keeps the lower one.
_LOWER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


@dataclass(frozen=True)
class Range:
    """Say which values of deep images are shown as black and as white.

    It holds for images of more than eight bits a channel, and of floats; others stay as they are.

    Attributes
    ----------
    low, high
        Two values; or two percentiles, which are found anew in each image.
    percent
        Whether they are percentiles.

    Examples
    --------
    >>> Range.read("0,4095"), str(Range.read("1%,99.5%"))
    (Range(low=0.0, high=4095.0, percent=False), '1%,99.5%')
    """

    low: float
    high: float
    percent: bool = False

    @classmethod
    def read(cls, given: Any) -> Range | None:
        """Return a range of ``"low,high"``, of two numbers, or of None, which is no range.

        Raises
        ------
        SynthesightError
            If it is no range.
        """
        if given is None or isinstance(given, cls):
            return given
        try:
            parts = given.split(",") if isinstance(given, str) else [str(part) for part in given]
            percent = [part.strip().endswith("%") for part in parts]
            low, high = (float(part.strip().removesuffix("%")) for part in parts)
            good = bool(np.isfinite([low, high]).all()) and low < high
            if percent[0] != percent[1] or (percent[0] and not 0 <= low < high <= 100):
                good = False
        except (TypeError, ValueError):
            good = False
        if not good:
            raise SynthesightError(
                f"`range={given!r}` is not black and white: give two numbers, such as 0,4095, or "
                "two percentiles, such as 1%,99%."
            )
        return cls(low, high, percent[0])

    def __str__(self) -> str:
        unit = "%" if self.percent else ""
        return f"{self.low:g}{unit},{self.high:g}{unit}"

    def of(self, values: np.ndarray) -> tuple[float, float]:
        """Return the values that are black and white in an image."""
        if not self.percent:
            return self.low, self.high
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if not finite.size:
            return 0.0, 1.0
        low, high = np.percentile(finite, [self.low, self.high])
        return float(low), float(high) if high > low else float(low) + 1.0


def is_deep(image: Image.Image) -> bool:
    """Return whether an opened image has more than eight bits a channel."""
    return image.mode.startswith("I") or image.mode == "F" or bool(_raw_mode(image))


def deep_colours(data: bytes, kind: str, label: str) -> np.ndarray | None:
    """Return the colours of an image of sixteen bits a channel, which Pillow cuts to eight.

    Pillow decodes it twice: once for the higher bytes, once for the lower ones. The result is
    uint16, (height, width, channels); None if it is no such image.
    """
    if not _raw_mode(open_image(data, kind, label)):
        return None
    bytes_ = []
    for lower in (False, True):
        with open_image(data, kind, label) as image:
            raw = _raw_mode(image)
            if lower:
                model, _, depth = raw.partition(";")
                image.tile = [
                    _with_raw_mode(tile, f"{model};{_LOWER[depth]}") for tile in image.tile
                ]
            image.load()
            bytes_.append(np.asarray(image))
    return bytes_[0].astype(np.uint16) << 8 | bytes_[1]


def to_eight_bits(values: np.ndarray, range: Range | None) -> tuple[np.ndarray, str | None]:
    """Scale values to uint8, and say what is amiss where the range hides the image, else None.

    Without a range, whole numbers lie in [0, 65535]; floats of at most 1 in [0, 1], and others in
    [0, 255].
    """
    if values.dtype.kind == "f":
        top = np.nanmax(values, initial=0.0, where=np.isfinite(values))
        low, high = range.of(values) if range else (0.0, 1.0 if top <= 1.0 else 255.0)
    else:
        low, high = range.of(values) if range else (0.0, 65535.0)
    if values.dtype == np.uint16:
        table = (np.arange(2**16) - low) * (255.0 / (high - low))
        shown = np.rint(table.clip(0, 255)).astype(np.uint8)[values]
        least, most = values.min(initial=2**16 - 1), values.max(initial=0)
        out = least < low or most > high
        clipped = int(((values < low) | (values > high)).sum()) if out else 0
    else:
        shown, clipped, least, most = _scaled(values, low, high)
    if range is not None and range.percent:
        return shown, None
    return shown, _amiss(shown, clipped, least, most, high, range)


def _scaled(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, int, float, float]:
    """Return values as eight bits, how many were clipped, the least and the greatest."""
    shown = np.empty(values.shape, np.uint8)
    clipped, most, least = 0, -np.inf, np.inf
    rows = max(1, ROWS // max(1, values[:1].size))
    for start in np.arange(0, len(values), rows):
        block = values[start : start + rows].astype(np.float64)
        block[~np.isfinite(block)] = low
        most, least = max(most, block.max()), min(least, block.min())
        scaled = (block - low) * (255.0 / (high - low))
        clipped += int(((scaled < -0.5) | (scaled > 255.5)).sum())
        shown[start : start + rows] = np.rint(scaled.clip(0, 255))
    return shown, clipped, least, most


def too_dark(image: Image.Image) -> str | None:
    """Return what is amiss with the higher bytes of an image of sixteen bits a channel."""
    ends = [end for low_high in _extrema(image) for end in low_high]
    if min(ends) < max(ends) < DARK:
        return _words(256 * max(ends) + 255, 65535.0, None)
    return None


def _amiss(
    shown: np.ndarray, clipped: int, least: float, most: float, high: float, range: Range | None
) -> str | None:
    if least == most:
        return None  # one colour may be any
    if clipped > CLIPPED * shown.size:
        share = 100 * clipped / shown.size
        return (
            f"{share:.0f} % of its values, which are from {least:g} to {most:g}, lie outside of "
            f"{range or f'0 to {high:g}'}: state `range`, such as `range='1%,99%'`."
        )
    return _words(most, high, range) if shown.max(initial=0) < DARK else None


def _words(most: float, high: float, range: Range | None) -> str:
    bits = int(np.ceil(np.log2(max(most, 1) + 1)))
    proposal = f"0,{2**bits - 1}" if range is None and high == 65535.0 else "1%,99%"
    return (
        f"its values reach {most:g} of {high:g}, so it is shown nearly black: state `range`, such "
        f"as `range='{proposal}'`."
    )


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    bands = [band for band in image.getbands() if band != "A"]
    return [image.getchannel(band).getextrema() for band in bands]  # type: ignore[misc]


def _raw_mode(image: Image.Image) -> str:
    """Return Pillow's name of the pixels in the file, of sixteen bits a channel of a colour."""
    tile = getattr(image, "tile", None)
    args = tile[0].args if tile else ""
    raw = args if isinstance(args, str) else next((a for a in args or () if isinstance(a, str)), "")
    return raw if raw.startswith(("RGB;16", "RGBA;16", "RGBX;16")) else ""


def _with_raw_mode(tile: Any, raw: str) -> Any:
    args = tile.args
    changed = raw if isinstance(args, str) else (raw, *args[1:])
    return tile._replace(args=changed)
